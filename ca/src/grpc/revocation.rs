//! `RevocationService`: for relying parties and operators.

use std::sync::Arc;

use authority::{Authority, Caller, FeedPlace, Refused};
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use proto::v1;
use proto::v1::revocation_service_server::RevocationService;
use publication::{Crl, Publication};
use store::{Store, StoreError};
use tonic::{Request, Response, Status};

use super::answer::{answer, caller, refuse};
use super::convert;

pub(super) struct Revocations<S> {
    pub(super) authority: Arc<Authority<S>>,
    pub(super) publication: Arc<Publication>,
}

#[tonic::async_trait]
impl<S: Store> RevocationService for Revocations<S> {
    type WatchRevocationsStream = BoxStream<'static, Result<v1::WatchRevocationsResponse, Status>>;
    type GetCrlStream = BoxStream<'static, Result<v1::GetCrlResponse, Status>>;

    async fn check_status(
        &self,
        request: Request<v1::CheckStatusRequest>,
    ) -> Result<Response<v1::CheckStatusResponse>, Status> {
        answer(&self.authority, "CheckStatus", request, async |_, message| {
            let numbers = convert::serial_numbers(&message)?;
            let statuses = self.authority.statuses(&numbers).await?;
            let states = numbers.into_iter().zip(&statuses);
            let states = states.map(|(number, status)| convert::state(number, status.as_ref()));
            Ok(v1::CheckStatusResponse { states: states.collect() })
        })
        .await
    }

    async fn watch_revocations(
        &self,
        request: Request<v1::WatchRevocationsRequest>,
    ) -> Result<Response<Self::WatchRevocationsStream>, Status> {
        let caller = caller(&self.authority, WATCH, &request)?;
        let v1::WatchRevocationsRequest { cursor, from_now } = request.into_inner();
        let known = match convert::feed_place(&cursor) {
            Ok(None) if from_now => self.authority.feed_from_now().await,
            Ok(place) => self.authority.feed_from(place).await,
            Err(refused) => Err(refused),
        };
        let place = known.map_err(|refused| refuse(&self.authority, WATCH, Some(&caller), &refused))?;
        // Where now is must be known before anything happens.
        let first = (from_now && cursor.is_empty()).then(|| v1::WatchRevocationsResponse {
            events: Vec::new(),
            cursor: place.to_string(),
            caught_up: true,
        });
        let pages = watch(Arc::clone(&self.authority), caller, place);
        Ok(Response::new(stream::iter(first.map(Ok)).chain(pages).boxed()))
    }

    async fn get_crl(
        &self,
        request: Request<v1::GetCrlRequest>,
    ) -> Result<Response<Self::GetCrlStream>, Status> {
        answer(&self.authority, "GetCrl", request, async |_, message| {
            let name = convert::list_name(&message)?;
            // A list that was published stays published: without one the first of this start is not made yet.
            let list = self.publication.crl(name).ok_or_else(|| match name.shard {
                None => Refused::Store(StoreError::Busy),
                Some(_) => Refused::Request { field: "shard", what: "there is no such list".to_owned() },
            })?;
            Ok(pieces(list).boxed())
        })
        .await
    }
}

/// At once what is there or that there is nothing, then page after page as things happen, each made when the one before it has been taken: a slow reader holds one page and nothing more.
fn watch<S: Store>(
    authority: Arc<Authority<S>>,
    caller: Caller,
    place: FeedPlace,
) -> BoxStream<'static, Result<v1::WatchRevocationsResponse, Status>> {
    let from = Some((authority, caller, place, true));
    stream::unfold(from, async |from| {
        let (authority, caller, place, first) = from?;
        let page = match first {
            true => authority.feed_at_once(&caller, place).await,
            false => authority.feed_after(&caller, place).await,
        };
        match page {
            Ok(page) => Some((Ok(convert::feed_page(&page)), Some((authority, caller, page.next, false)))),
            Err(refused) => Some((Err(refuse(&authority, WATCH, Some(&caller), &refused)), None)),
        }
    })
    .boxed()
}

/// A list in pieces, each read when the one before it has been taken. A newer list that takes its place meanwhile does not change it.
fn pieces(list: Arc<Crl>) -> impl Stream<Item = Result<v1::GetCrlResponse, Status>> + Send {
    stream::unfold(0, move |offset| {
        let list = Arc::clone(&list);
        async move {
            if offset > 0 && offset >= list.length() {
                return None;
            }
            match list.read(offset, CHUNK_BYTES) {
                Ok(chunk) => {
                    let next = offset + (chunk.len() as u64).max(1);
                    Some((Ok(convert::list_piece(&list, chunk, offset == 0)), next))
                }
                Err(why) => {
                    if UNREADABLE.admits() {
                        tracing::error!(%why, "a CRL cannot be read");
                    }
                    Some((Err(Status::unavailable("the list cannot be read now; try again later")), u64::MAX))
                }
            }
        }
    })
}

static UNREADABLE: diagnostics::Limit = diagnostics::Limit::new("a revocation list cannot be read");

/// What the wire allows a piece.
const CHUNK_BYTES: usize = 64 * 1024;

const WATCH: &str = "WatchRevocations";

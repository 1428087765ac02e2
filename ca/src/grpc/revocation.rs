//! `RevocationService`: for relying parties and operators.

use std::sync::Arc;

use authority::{Authority, Caller, FeedCursor, Refused};
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use proto::v1;
use proto::v1::revocation_service_server::RevocationService;
use publication::Crl;
use store::StoreError;
use tonic::{Request, Response, Status};

use super::handler::{caller, refuse};
use super::{Answer, Api, convert};

#[tonic::async_trait]
impl RevocationService for Api {
    type WatchRevocationsStream = BoxStream<'static, Result<v1::WatchRevocationsResponse, Status>>;
    type GetCrlStream = BoxStream<'static, Result<v1::GetCrlResponse, Status>>;

    async fn check_status(
        &self,
        request: Request<v1::CheckStatusRequest>,
    ) -> Answer<v1::CheckStatusResponse> {
        self.answer("CheckStatus", request, async |_, message| {
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
    ) -> Answer<Self::WatchRevocationsStream> {
        let caller = caller(&self.authority, WATCH, &request)?;
        let v1::WatchRevocationsRequest { cursor: known, from_now } = request.into_inner();
        let cursor = match convert::feed_cursor(&known) {
            Ok(None) if from_now => self.authority.feed_from_now().await,
            Ok(known) => self.authority.feed_from(known).await,
            Err(refused) => Err(refused),
        };
        let cursor =
            cursor.map_err(|refused| refuse(&self.authority, WATCH, caller.principal(), &refused))?;
        // The watcher learns the cursor of now before the first change.
        let first = (from_now && known.is_empty()).then(|| v1::WatchRevocationsResponse {
            events: Vec::new(),
            cursor: cursor.to_string(),
            caught_up: true,
        });
        let pages = watch(Arc::clone(&self.authority), caller, cursor);
        Ok(Response::new(stream::iter(first.map(Ok)).chain(pages).boxed()))
    }

    async fn get_crl(&self, request: Request<v1::GetCrlRequest>) -> Answer<Self::GetCrlStream> {
        self.answer("GetCrl", request, async |_, message| {
            let id = convert::crl_id(&message)?;
            // The first full CRL since the start is not made yet; a shard without a CRL does not exist.
            let crl = self.publication.crl(id).ok_or_else(|| match id.shard {
                None => Refused::Store(StoreError::Busy),
                Some(_) => Refused::Request { field: "shard", what: "there is no such list".to_owned() },
            })?;
            Ok(crl_pieces(crl).boxed())
        })
        .await
    }
}

/// The first page at once, then each as there are changes and the one before was taken.
fn watch(
    authority: Arc<Authority>,
    caller: Caller,
    cursor: FeedCursor,
) -> BoxStream<'static, Result<v1::WatchRevocationsResponse, Status>> {
    let from = Some((authority, caller, cursor, true));
    stream::unfold(from, async |from| {
        let (authority, caller, cursor, first) = from?;
        let page = match first {
            true => authority.feed_at_once(&caller, cursor).await,
            false => authority.feed_after(&caller, cursor).await,
        };
        match page {
            Ok(page) => Some((Ok(convert::feed_page(&page)), Some((authority, caller, page.next, false)))),
            Err(refused) => Some((Err(refuse(&authority, WATCH, caller.principal(), &refused)), None)),
        }
    })
    .boxed()
}

/// A CRL in pieces, each read when the one before it has been taken. A newer CRL does not change it.
fn crl_pieces(crl: Arc<Crl>) -> impl Stream<Item = Result<v1::GetCrlResponse, Status>> + Send {
    stream::unfold(0, move |offset| {
        let crl = Arc::clone(&crl);
        async move {
            if offset > 0 && offset >= crl.length() {
                return None;
            }
            match crl.read(offset, CHUNK_BYTES) {
                Ok(chunk) => {
                    let next = offset + (chunk.len() as u64).max(1);
                    Some((Ok(convert::crl_piece(&crl, chunk, offset == 0)), next))
                }
                Err(why) => {
                    if UNREADABLE.admits() {
                        tracing::error!(%why, "a CRL cannot be read");
                    }
                    Some((Err(Status::unavailable("the CRL cannot be read now; try again later")), u64::MAX))
                }
            }
        }
    })
}

static UNREADABLE: diagnostics::Limit = diagnostics::Limit::new("a CRL cannot be read");

/// What the wire allows a piece.
const CHUNK_BYTES: usize = 64 * 1024;

const WATCH: &str = "WatchRevocations";

//! `RevocationService`: for relying parties and operators.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use proto::v1;
use proto::v1::revocation_service_server::RevocationService;
use tonic::{Request, Response, Status};

use super::answer::{answer, caller, refuse};
use super::convert;
use crate::authority::{Authority, Caller, FeedPlace};
use crate::store::Store;

pub(super) struct Revocations<S>(pub(super) Arc<Authority<S>>);

#[tonic::async_trait]
impl<S: Store> RevocationService for Revocations<S> {
    type WatchRevocationsStream = BoxStream<'static, Result<v1::WatchRevocationsResponse, Status>>;
    type GetCrlStream = BoxStream<'static, Result<v1::GetCrlResponse, Status>>;

    async fn check_status(
        &self,
        request: Request<v1::CheckStatusRequest>,
    ) -> Result<Response<v1::CheckStatusResponse>, Status> {
        answer(&self.0, "CheckStatus", request, async |_, message| {
            let numbers = convert::serial_numbers(&message)?;
            let statuses = self.0.statuses(&numbers).await?;
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
        let caller = caller(&self.0, WATCH, &request)?;
        let v1::WatchRevocationsRequest { cursor, from_now } = request.into_inner();
        let known = convert::feed_place(&cursor).and_then(|place| match place {
            None if from_now => Ok(self.0.feed_now()),
            place => self.0.feed_from(place),
        });
        let place = known.map_err(|refused| refuse(&self.0, WATCH, Some(&caller), &refused))?;
        // Where now is must be known before anything happens.
        let first = (from_now && cursor.is_empty()).then(|| v1::WatchRevocationsResponse {
            events: Vec::new(),
            cursor: place.to_string(),
            caught_up: true,
        });
        let pages = watch(Arc::clone(&self.0), caller, place);
        Ok(Response::new(stream::iter(first.map(Ok)).chain(pages).boxed()))
    }

    async fn get_crl(&self, _: Request<v1::GetCrlRequest>) -> Result<Response<Self::GetCrlStream>, Status> {
        Err(Status::unimplemented("GetCrl"))
    }
}

/// Page after page, each made when the one before it has been taken: a slow reader holds one page and nothing more.
fn watch<S: Store>(
    authority: Arc<Authority<S>>,
    caller: Caller,
    place: FeedPlace,
) -> BoxStream<'static, Result<v1::WatchRevocationsResponse, Status>> {
    let from = Some((authority, caller, place));
    stream::unfold(from, async |from| {
        let (authority, caller, place) = from?;
        match authority.feed_after(&caller, place).await {
            Ok(page) => Some((Ok(convert::feed_page(&page)), Some((authority, caller, page.next)))),
            Err(refused) => Some((Err(refuse(&authority, WATCH, Some(&caller), &refused)), None)),
        }
    })
    .boxed()
}

const WATCH: &str = "WatchRevocations";

//! `RevocationService`: for relying parties and operators.

use std::sync::Arc;

use futures::stream::BoxStream;
use proto::v1;
use proto::v1::revocation_service_server::RevocationService;
use tonic::{Request, Response, Status};

use crate::authority::Authority;
use crate::store::Store;

#[expect(dead_code, reason = "the service answers once there is something to ask")]
pub(super) struct Revocations<S>(pub(super) Arc<Authority<S>>);

#[tonic::async_trait]
impl<S: Store> RevocationService for Revocations<S> {
    type WatchRevocationsStream = BoxStream<'static, Result<v1::WatchRevocationsResponse, Status>>;
    type GetCrlStream = BoxStream<'static, Result<v1::GetCrlResponse, Status>>;

    async fn check_status(
        &self,
        _: Request<v1::CheckStatusRequest>,
    ) -> Result<Response<v1::CheckStatusResponse>, Status> {
        Err(Status::unimplemented("CheckStatus"))
    }

    async fn watch_revocations(
        &self,
        _: Request<v1::WatchRevocationsRequest>,
    ) -> Result<Response<Self::WatchRevocationsStream>, Status> {
        Err(Status::unimplemented("WatchRevocations"))
    }

    async fn get_crl(&self, _: Request<v1::GetCrlRequest>) -> Result<Response<Self::GetCrlStream>, Status> {
        Err(Status::unimplemented("GetCrl"))
    }
}

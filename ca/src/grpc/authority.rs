//! `AuthorityService`: for operators, about the CA itself.

use std::sync::Arc;

use authority::Authority;
use proto::v1;
use proto::v1::authority_service_server::AuthorityService;
use store::Store;
use tonic::{Request, Response, Status};

use super::answer::answer;
use super::convert;

pub(super) struct AuthorityItself<S>(pub(super) Arc<Authority<S>>);

#[tonic::async_trait]
impl<S: Store> AuthorityService for AuthorityItself<S> {
    async fn get_condition(
        &self,
        request: Request<v1::GetConditionRequest>,
    ) -> Result<Response<v1::GetConditionResponse>, Status> {
        answer(&self.0, "GetCondition", request, async |_, _| {
            Ok(convert::condition(&self.0.condition().await?))
        })
        .await
    }
}

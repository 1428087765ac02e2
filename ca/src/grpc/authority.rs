//! `AuthorityService`: for operators, about the CA itself.

use std::sync::Arc;

use authority::Authority;
use proto::v1;
use proto::v1::authority_service_server::AuthorityService;
use tonic::{Request, Response, Status};

use super::convert;
use super::handler::answer;

pub(super) struct AuthorityItself {
    pub(super) authority: Arc<Authority>,
    pub(super) troubles: Troubles,
}

/// What is wrong with the CA now, looked at when it is asked for.
pub type Troubles = Arc<dyn Fn() -> Vec<Trouble> + Send + Sync>;

/// Something that is wrong with the CA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What it is about, for example `readiness`.
    pub what: &'static str,
    /// Whether somebody must act. Otherwise it happened since the start and is to be looked into.
    pub urgent: bool,
    /// For people.
    pub finding: String,
    /// What to do.
    pub next: &'static str,
}

#[tonic::async_trait]
impl AuthorityService for AuthorityItself {
    async fn get_condition(
        &self,
        request: Request<v1::GetConditionRequest>,
    ) -> Result<Response<v1::GetConditionResponse>, Status> {
        answer(&self.authority, "GetCondition", request, async |_, _| {
            let troubles = (self.troubles)().into_iter().map(convert::trouble).collect();
            Ok(v1::GetConditionResponse {
                troubles,
                ..convert::condition(&self.authority.condition().await?)
            })
        })
        .await
    }
}

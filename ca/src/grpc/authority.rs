//! `AuthorityService`: the condition of the CA, for operators.

use std::sync::Arc;

use proto::v1;
use proto::v1::authority_service_server::AuthorityService;
use tonic::Request;

use super::{Answer, Api, convert};

/// Returns what is wrong with the CA now.
pub type Troubles = Arc<dyn Fn() -> Vec<Trouble> + Send + Sync>;

/// Something that is wrong with the CA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The part of the CA, for example `readiness`.
    pub what: &'static str,
    /// Whether an operator must act now; otherwise it happened since the start and should be looked into.
    pub urgent: bool,
    /// Text for people.
    pub finding: String,
    /// What to do, for people.
    pub next: &'static str,
}

#[tonic::async_trait]
impl AuthorityService for Api {
    async fn get_condition(
        &self,
        request: Request<v1::GetConditionRequest>,
    ) -> Answer<v1::GetConditionResponse> {
        self.answer("GetCondition", request, async |_, _| {
            let troubles = (self.troubles)().into_iter().map(convert::trouble).collect();
            Ok(v1::GetConditionResponse {
                troubles,
                ..convert::condition(&self.authority.condition().await?)
            })
        })
        .await
    }
}

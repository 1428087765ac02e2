//! `PrincipalService`: for operators.

use std::sync::Arc;

use authority::{Authority, PrincipalRevocation};
use identity::IssuerName;
use proto::v1;
use proto::v1::principal_service_server::PrincipalService;
use tonic::{Request, Response, Status};

use super::convert;
use super::handler::answer;

pub(super) struct Principals(pub(super) Arc<Authority>);

#[tonic::async_trait]
impl PrincipalService for Principals {
    async fn issue(
        &self,
        request: Request<v1::IssuePrincipalRequest>,
    ) -> Result<Response<v1::IssuePrincipalResponse>, Status> {
        answer(&self.0, "IssuePrincipal", request, async |caller, message| {
            let request = convert::credential_request(message)?;
            let released = self.0.issue_credential(&caller, request).await?;
            Ok(v1::IssuePrincipalResponse {
                certificate: Some(convert::issued(&released)),
                chain: convert::chain(&self.0.chain(IssuerName::Infrastructure)),
                trust_bundle: Some(convert::trust_bundle(self.0.trust())),
            })
        })
        .await
    }

    async fn list(
        &self,
        request: Request<v1::ListPrincipalsRequest>,
    ) -> Result<Response<v1::ListPrincipalsResponse>, Status> {
        answer(&self.0, "ListPrincipals", request, async |_, message| {
            let (cursor, rows) = convert::page(message.page)?;
            let page = self.0.principals(cursor.as_ref(), rows).await?;
            Ok(v1::ListPrincipalsResponse {
                principals: page.rows.iter().map(convert::principal).collect(),
                next_cursor: convert::next_cursor(page.next.as_ref()),
            })
        })
        .await
    }

    async fn revoke(
        &self,
        request: Request<v1::RevokePrincipalRequest>,
    ) -> Result<Response<v1::RevokePrincipalResponse>, Status> {
        answer(&self.0, "RevokePrincipal", request, async |caller, message| {
            let role = convert::role(message.role)?;
            let name = convert::principal_name("name", &message.name)?;
            let reason = convert::revocation_reason(&message.reason)?;
            let remark = convert::remark("remark", &message.remark)?;
            let last_operator = message.last_operator;
            let revocation = PrincipalRevocation { role, name, reason, remark, last_operator };
            let revoked = self.0.revoke_principal(&caller, revocation).await?;
            Ok(v1::RevokePrincipalResponse { revoked: u32::try_from(revoked).unwrap_or(u32::MAX) })
        })
        .await
    }
}

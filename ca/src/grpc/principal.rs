//! `PrincipalService`: for operators.

use authority::PrincipalRevocation;
use identity::IssuerName;
use proto::v1;
use proto::v1::principal_service_server::PrincipalService;
use tonic::Request;

use super::{Answer, Api, convert};

#[tonic::async_trait]
impl PrincipalService for Api {
    async fn issue(&self, request: Request<v1::IssuePrincipalRequest>) -> Answer<v1::IssuePrincipalResponse> {
        self.answer("IssuePrincipal", request, async |caller, message| {
            let request = convert::credential_request(message)?;
            let released = self.authority.issue_credential(&caller, request).await?;
            Ok(v1::IssuePrincipalResponse {
                certificate: Some(convert::issued(&released)),
                chain: convert::chain(&self.authority.chain(IssuerName::Infrastructure)),
                trust_bundle: Some(convert::trust_bundle(self.authority.trust())),
            })
        })
        .await
    }

    async fn list(&self, request: Request<v1::ListPrincipalsRequest>) -> Answer<v1::ListPrincipalsResponse> {
        self.answer("ListPrincipals", request, async |_, message| {
            let (cursor, rows) = convert::page(message.page)?;
            let page = self.authority.store().principals(cursor.as_ref(), rows).await?;
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
    ) -> Answer<v1::RevokePrincipalResponse> {
        self.answer("RevokePrincipal", request, async |caller, message| {
            let role = convert::role(message.role)?;
            let name = convert::principal_name("name", &message.name)?;
            let reason = convert::revocation_reason(&message.reason)?;
            let remark = convert::remark("remark", &message.remark)?;
            let last_operator = message.last_operator;
            let revocation = PrincipalRevocation { role, name, reason, remark, last_operator };
            let revoked = self.authority.revoke_principal(&caller, revocation).await?;
            Ok(v1::RevokePrincipalResponse { revoked: u32::try_from(revoked).unwrap_or(u32::MAX) })
        })
        .await
    }
}

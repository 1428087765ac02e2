//! `touchmark principal …`

mod issue;
mod pending_request;

pub(crate) use issue::issue;

use cli::count;
use identity::{Clock, Role, SystemClock};
use proto::v1 as wire;
use serde::Serialize;

use crate::arguments::{PageArguments, PrincipalCommand};
use crate::confirmation::confirm_name;
use crate::failure::Failure;
use crate::table::{Column, always, short, spare};
use crate::view::{CertificateView, or_dash, word};
use crate::{Context, certificate, paging, timestamp};

pub(crate) async fn run(command: PrincipalCommand, context: &mut Context<'_>) -> Result<(), Failure> {
    match command {
        PrincipalCommand::Issue(arguments) => {
            let issued = issue(&arguments, &context.connection).await?;
            context.output.one(&issued, issue::Issued::to_text)
        }
        PrincipalCommand::List(page) => list(&page, context).await,
        PrincipalCommand::Revoke { role, name, reason, remark, yes, last_operator } => {
            let principal = identity::Principal::named(role, name.clone());
            let usable =
                certificate::usable_credentials(&principal, SystemClock.now(), &context.connection).await?;
            if usable > 0 {
                let credentials = count(usable as u64, "credential");
                confirm_name(name.as_str(), &format!("revoke {credentials} of {principal} for ever"), yes)?;
            }
            let request = wire::RevokePrincipalRequest {
                role: role_to_wire(role).into(),
                name: name.to_string(),
                reason: reason.to_string(),
                remark,
                last_operator,
            };
            let revoked = context.connection.principals().await?.revoke(request).await?.into_inner().revoked;
            let report = Revoked { principal: principal.to_string(), revoked };
            context.output.one(&report, |report| match report.revoked {
                0 => format!("{} has no credential that is not revoked", report.principal),
                revoked => format!("{}: {} revoked", report.principal, count(revoked.into(), "credential")),
            })
        }
    }
}

async fn list(page: &PageArguments, context: &mut Context<'_>) -> Result<(), Failure> {
    let mut client = context.connection.principals().await?;
    let ask = async |page| {
        let answer = client.list(wire::ListPrincipalsRequest { page: Some(page) }).await?.into_inner();
        Ok((answer.principals, answer.next_cursor))
    };
    paging::print(COLUMNS, page, context.output, ask).await
}

const COLUMNS: &[Column<PrincipalView>] = &[
    always("ROLE", |principal| principal.role.clone()),
    always("NAME", |principal| principal.name.clone()),
    always("ACTIVE", |principal| if principal.active { "yes" } else { "no" }.to_owned()),
    spare(2, always("CREATED", |principal| or_dash(&principal.created_at))),
    spare(
        1,
        short("NEWEST CREDENTIAL", |principal| {
            principal.of_credential(|credential| &credential.serial_number)
        }),
    ),
    always("NOT AFTER", |principal| principal.of_credential(|credential| &credential.not_after_for_people)),
];

/// The role of the same name, for example `ROLE_RELYING_PARTY`.
pub(crate) fn role_to_wire(role: Role) -> wire::Role {
    let name = role.as_str().to_ascii_uppercase().replace('-', "_");
    wire::Role::from_str_name(&format!("ROLE_{name}")).unwrap_or_default()
}

#[derive(Debug, Serialize)]
struct PrincipalView {
    role: String,
    name: String,
    active: bool,
    created_at: Option<String>,
    credential: Option<CertificateView>,
}

#[derive(Debug, Serialize)]
struct Revoked {
    principal: String,
    revoked: u32,
}

impl PrincipalView {
    fn of_credential(&self, field: fn(&CertificateView) -> &String) -> String {
        self.credential.as_ref().map_or_else(|| "-".to_owned(), |credential| field(credential).clone())
    }
}

impl From<wire::Principal> for PrincipalView {
    fn from(principal: wire::Principal) -> Self {
        let role = word(principal.role().as_str_name(), "ROLE_").replace(' ', "-");
        Self {
            role,
            name: principal.name,
            active: principal.active,
            created_at: timestamp::text(principal.created_at.as_ref()),
            credential: principal.credential.map(CertificateView::from),
        }
    }
}

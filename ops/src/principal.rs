//! `touchmark principal …`

mod issue;

pub use issue::IssueArguments;
pub(crate) use issue::issue;

use cli::count;
use identity::{Clock, SystemClock};
use proto::v1 as wire;
use proto::v1::principal_service_client::PrincipalServiceClient;
use serde::Serialize;
use tonic::transport::Channel;

use crate::arguments::{PageArguments, PrincipalCommand};
use crate::certificate::{self, CertificateView};
use crate::confirmation::confirm_name;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::Output;
use crate::paging::Listing;
use crate::table::{always, short};
use crate::timestamp;

/// Does what the command says.
///
/// # Errors
/// As the CA answers.
pub(crate) async fn run(
    command: PrincipalCommand,
    connection: &Connection,
    output: &mut Output,
) -> Result<(), Failure> {
    match command {
        PrincipalCommand::Issue(arguments) => {
            let issued = issue(&arguments, connection).await?;
            output.one(&issued, issue::Issued::in_words)
        }
        PrincipalCommand::List(page) => list(&page, connection, output).await,
        PrincipalCommand::Revoke { role, name, reason, remark, yes, last_operator } => {
            let principal = identity::Principal::named(role, name.clone());
            let usable = certificate::usable_credentials(&principal, SystemClock.now(), connection).await?;
            if usable > 0 {
                let credentials = count(usable as u64, "credential");
                confirm_name(name.as_str(), &format!("revoke {credentials} of {principal} for ever"), yes)?;
            }
            let request = wire::RevokePrincipalRequest {
                role: on_the_wire(role).into(),
                name: name.to_string(),
                reason: reason.to_string(),
                remark,
                last_operator,
            };
            let revoked = client(connection).await?.revoke(request).await?.into_inner().revoked;
            let report = Revoked { principal: principal.to_string(), revoked };
            output.one(&report, |report| match report.revoked {
                0 => format!("{} has no credential that is not revoked", report.principal),
                revoked => format!("{}: {} revoked", report.principal, count(revoked.into(), "credential")),
            })
        }
    }
}

async fn list(page: &PageArguments, connection: &Connection, output: &mut Output) -> Result<(), Failure> {
    let client = client(connection).await?;
    let listing = Listing {
        columns: &[
            always("ROLE"),
            always("NAME"),
            always("ACTIVE"),
            always("CREATED").spare(2),
            short("NEWEST CREDENTIAL").spare(1),
            always("NOT AFTER"),
        ],
        cells: |principal: &PrincipalView| {
            let credential = principal.credential.as_ref();
            let of = |field: fn(&CertificateView) -> &String| {
                credential.map_or_else(|| "-".to_owned(), |credential| field(credential).clone())
            };
            vec![
                principal.role.to_owned(),
                principal.name.clone(),
                if principal.active { "yes" } else { "no" }.to_owned(),
                principal.created_at.clone().unwrap_or_else(|| "-".to_owned()),
                of(|credential| &credential.serial_number),
                of(|credential| &credential.not_after_for_people),
            ]
        },
    };
    let ask = |page| {
        let mut client = client.clone();
        async move {
            let answer = client.list(wire::ListPrincipalsRequest { page: Some(page) }).await?.into_inner();
            Ok((answer.principals, answer.next_cursor))
        }
    };
    listing.print(page, output, ask, |principal| Some(PrincipalView::from(principal))).await
}

/// Opens the service that makes credentials.
pub(crate) async fn client(connection: &Connection) -> Result<PrincipalServiceClient<Channel>, Failure> {
    Ok(PrincipalServiceClient::new(connection.open().await?))
}

/// The role on the wire.
pub(crate) fn on_the_wire(role: identity::Role) -> wire::Role {
    match role {
        identity::Role::Station => wire::Role::Station,
        identity::Role::Operator => wire::Role::Operator,
        identity::Role::RelyingParty => wire::Role::RelyingParty,
        identity::Role::Service => wire::Role::Service,
    }
}

/// A principal as it is printed.
#[derive(Debug, Serialize)]
struct PrincipalView {
    role: &'static str,
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

impl From<wire::Principal> for PrincipalView {
    fn from(principal: wire::Principal) -> Self {
        let role = match principal.role() {
            wire::Role::Unspecified => "unknown",
            wire::Role::Station => "station",
            wire::Role::Operator => "operator",
            wire::Role::RelyingParty => "relying-party",
            wire::Role::Service => "service",
        };
        Self {
            role,
            name: principal.name,
            active: principal.active,
            created_at: timestamp::text(principal.created_at.as_ref()),
            credential: principal.credential.map(CertificateView::from),
        }
    }
}

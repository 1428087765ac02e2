//! `touchmark certificate …`

mod places;
mod story;

use std::time::SystemTime;

use identity::SerialNumber;
use proto::v1 as wire;
use proto::v1::lifecycle_service_client::LifecycleServiceClient;
use proto::v1::list_certificates_request::Selection as Filter;
use serde::Serialize;
use tonic::transport::Channel;

use crate::arguments::{CertificateCommand, CertificateFilter, PageArguments};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::Output;
use crate::paging::{self, Listing};
use crate::revoke::revoke;
use crate::selection::Selection;
use crate::table::{always, short};
use crate::{device, files, timestamp};
pub(crate) use places::Places;
use story::CertificateStory;

/// Does what the command says.
///
/// # Errors
/// As the CA answers.
pub(crate) async fn run(
    command: CertificateCommand,
    connection: &Connection,
    output: &mut Output,
) -> Result<(), Failure> {
    match command {
        CertificateCommand::List { filter, page } => list(filter.into(), &page, connection, output).await,
        CertificateCommand::Show { serial, pem } => show(&serial, pem, connection, output).await,
        CertificateCommand::Revoke { serial, lineage, why, confirmation } => {
            let selection =
                if lineage { Selection::lineage(&serial) } else { Selection::certificate(&serial) };
            revoke(&selection, &why, &confirmation, connection, output).await
        }
    }
}

impl From<CertificateFilter> for Filter {
    fn from(filter: CertificateFilter) -> Self {
        match (filter.device, filter.principal, filter.expiring_before) {
            (Some(device), ..) => Self::Device(wire::DeviceId {
                product: device.product.to_string(),
                serial: device.serial.to_string(),
            }),
            (None, Some(principal), _) => Self::Principal(principal.to_string()),
            (None, None, Some(time)) => Self::ExpiringBefore(timestamp::to_wire(time)),
            (None, None, None) => {
                Self::All(wire::AllCertificates { issuer: filter.issuer.unwrap_or_default() })
            }
        }
    }
}

async fn list(
    selection: Filter,
    page: &PageArguments,
    connection: &Connection,
    output: &mut Output,
) -> Result<(), Failure> {
    let client = device::client(connection).await?;
    let listing = Listing {
        columns: &[
            short("SERIAL NUMBER"),
            always("STATUS"),
            always("PROFILE").spare(1),
            always("HOLDER"),
            always("ISSUER").spare(2),
            always("NOT BEFORE").spare(3),
            always("NOT AFTER"),
        ],
        cells: |certificate: &CertificateView| {
            vec![
                certificate.serial_number.clone(),
                certificate.status.to_owned(),
                certificate.profile.clone(),
                or_dash(&certificate.holder),
                certificate.issuer.clone(),
                certificate.not_before.clone().unwrap_or_default(),
                certificate.not_after_for_people.clone(),
            ]
        },
    };
    let ask = |page| {
        let mut client = client.clone();
        let request = wire::ListCertificatesRequest { selection: Some(selection.clone()), page: Some(page) };
        async move {
            let answer = client.list_certificates(request).await?.into_inner();
            Ok((answer.certificates, answer.next_cursor))
        }
    };
    let exists = async || match &selection {
        Filter::Device(id) => {
            let request = wire::GetDeviceRequest { device: Some(id.clone()) };
            device::client(connection).await?.get_device(request).await?;
            Ok(())
        }
        Filter::Principal(principal) => Err(Failure::not_found(format!("there is no principal {principal}"))
            .next("see `touchmark principal list`")),
        _ => Ok(()),
    };
    listing.print_or(page, output, ask, |summary| Some(CertificateView::from(summary)), exists).await
}

/// Issuers and the CA's own signers are nobody's.
fn or_dash(holder: &str) -> String {
    if holder.is_empty() { "-".to_owned() } else { holder.to_owned() }
}

async fn show(
    serial: &SerialNumber,
    pem: bool,
    connection: &Connection,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut client = device::client(connection).await?;
    let Some(summary) = by_serial(&mut client, serial.as_bytes()).await? else {
        return Err(Failure::not_found(format!("there is no certificate {serial} on record"))
            .next("see `touchmark certificate list`; a serial number has 32 hexadecimal digits"));
    };
    if pem && !output.is_json() {
        return output.line(&CertificateView::from(summary).pem);
    }
    let story = CertificateStory::of(summary, &mut client).await?;
    output.one(&story, CertificateStory::in_words)
}

/// The certificate with a serial number, if there is one.
async fn by_serial(
    client: &mut LifecycleServiceClient<Channel>,
    serial: &[u8],
) -> Result<Option<wire::CertificateSummary>, tonic::Status> {
    let request = wire::ListCertificatesRequest {
        selection: Some(Filter::SerialNumber(serial.to_vec().into())),
        page: Some(wire::PageRequest { size: 1, cursor: String::new() }),
    };
    Ok(client.list_certificates(request).await?.into_inner().certificates.into_iter().next())
}

/// The certificates of a principal that are neither revoked nor past their end.
///
/// # Errors
/// As the CA answers.
pub(crate) async fn usable_credentials(
    principal: &identity::Principal,
    now: SystemTime,
    connection: &Connection,
) -> Result<usize, Failure> {
    let client = device::client(connection).await?;
    let all = paging::all(|page| {
        let mut client = client.clone();
        let selection = Some(Filter::Principal(principal.to_string()));
        async move {
            let request = wire::ListCertificatesRequest { selection, page: Some(page) };
            let answer = client.list_certificates(request).await?.into_inner();
            Ok((answer.certificates, answer.next_cursor))
        }
    })
    .await?;
    let usable = |certificate: &&wire::CertificateSummary| {
        certificate.status() != wire::CertificateStatus::Revoked
            && timestamp::system(certificate.not_after.as_ref()).is_some_and(|end| end > now)
    };
    Ok(all.iter().filter(usable).count())
}

/// A certificate serial number in hexadecimal; `None` if there is none.
pub(crate) fn serial_text(octets: &[u8]) -> Option<String> {
    (!octets.is_empty()).then(|| hex::encode(octets))
}

/// A certificate as it is printed.
#[derive(Debug, Serialize)]
pub(crate) struct CertificateView {
    pub(crate) serial_number: String,
    pub(crate) status: &'static str,
    pub(crate) profile: String,
    /// `product/serial` of a device, or a principal such as `station:line-3`.
    pub(crate) holder: String,
    pub(crate) issuer: String,
    pub(crate) not_before: Option<String>,
    pub(crate) not_after: Option<String>,
    #[serde(skip)]
    pub(crate) not_after_for_people: String,
    pub(crate) requested_by: String,
    pub(crate) work_order: Option<String>,
    pub(crate) parent_serial_number: Option<String>,
    pub(crate) child_serial_numbers: Vec<String>,
    /// When it is to be revoked because its child is in use.
    pub(crate) ends_at: Option<String>,
    /// The shard of its issuer's CRL that it would be on.
    pub(crate) shard: Option<u32>,
    pub(crate) revoked_at: Option<String>,
    pub(crate) revocation_reason: Option<String>,
    /// From when on its key is not to be trusted.
    pub(crate) invalid_since: Option<String>,
    pub(crate) key_fingerprint: String,
    pub(crate) ledger_entry: u64,
    pub(crate) pem: String,
    #[serde(skip)]
    pub(crate) der: Vec<u8>,
}

impl From<wire::CertificateSummary> for CertificateView {
    fn from(summary: wire::CertificateSummary) -> Self {
        let status = match summary.status() {
            wire::CertificateStatus::Unspecified => "unknown",
            wire::CertificateStatus::Issued => "issued",
            wire::CertificateStatus::InUse => "in use",
            wire::CertificateStatus::Revoked => "revoked",
            wire::CertificateStatus::Superseded => "superseded",
            wire::CertificateStatus::Held => "held",
        };
        let nonempty = |text: String| (!text.is_empty()).then_some(text);
        Self {
            status,
            serial_number: hex::encode(&summary.serial_number),
            holder: summary.device.as_ref().map_or(summary.principal, device::name),
            profile: summary.profile,
            issuer: summary.issuer,
            not_before: timestamp::text(summary.not_before.as_ref()),
            not_after: timestamp::text(summary.not_after.as_ref()),
            not_after_for_people: timestamp::for_people(summary.not_after.as_ref()),
            requested_by: summary.requested_by,
            work_order: nonempty(summary.work_order),
            parent_serial_number: serial_text(&summary.parent_serial_number),
            child_serial_numbers: summary.child_serial_numbers.iter().map(hex::encode).collect(),
            ends_at: timestamp::text(summary.ends_at.as_ref()),
            shard: summary.shard,
            invalid_since: timestamp::text(summary.invalidity_date.as_ref()),
            revoked_at: timestamp::text(summary.revoked_at.as_ref()),
            revocation_reason: nonempty(summary.revocation_reason),
            key_fingerprint: hex::encode(&summary.key_fingerprint),
            ledger_entry: summary.ledger_entry,
            pem: files::pem([summary.certificate.as_ref()]),
            der: summary.certificate.to_vec(),
        }
    }
}

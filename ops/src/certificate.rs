//! `touchmark certificate …`

use identity::SerialNumber;
use proto::v1 as wire;
use proto::v1::list_certificates_request::Selection;
use serde::Serialize;

use crate::arguments::{CertificateCommand, CertificateFilter, PageArguments};
use crate::client::Connection;
use crate::failure::Failure;
use crate::output::Output;
use crate::{device, files, paging, timestamp};

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
        CertificateCommand::List { filter, page } => list(filter.into(), page, connection, output).await,
        CertificateCommand::Show { serial, pem } => show(&serial, pem, connection, output).await,
    }
}

impl From<CertificateFilter> for Selection {
    fn from(filter: CertificateFilter) -> Self {
        match (filter.device, filter.principal, filter.expiring_before) {
            (Some(device), ..) => Self::Device(wire::DeviceId {
                product: device.product.to_string(),
                serial: device.serial.to_string(),
            }),
            (None, Some(principal), _) => Self::Principal(principal.to_string()),
            // clap lets no other case through: one of the three is there.
            (None, None, time) => Self::ExpiringBefore(time.map(timestamp::to_wire).unwrap_or_default()),
        }
    }
}

async fn list(
    selection: Selection,
    page: PageArguments,
    connection: &Connection,
    output: &mut Output,
) -> Result<(), Failure> {
    let certificates = ask(selection, page, connection, output).await?;
    let columns = ["SERIAL NUMBER", "STATUS", "PROFILE", "HOLDER", "ISSUER", "NOT BEFORE", "NOT AFTER"];
    output.rows(&certificates, &columns, |certificate| {
        vec![
            certificate.serial_number.clone(),
            certificate.status.to_owned(),
            certificate.profile.clone(),
            certificate.holder.clone(),
            certificate.issuer.clone(),
            certificate.not_before.clone().unwrap_or_default(),
            certificate.not_after_for_people.clone(),
        ]
    })
}

async fn show(
    serial: &SerialNumber,
    pem: bool,
    connection: &Connection,
    output: &mut Output,
) -> Result<(), Failure> {
    let selection = Selection::SerialNumber(serial.as_bytes().to_vec().into());
    let found = ask(selection, PageArguments { limit: 1 }, connection, output).await?;
    let Some(certificate) = found.into_iter().next() else {
        return Err(Failure::local(format!("there is no certificate {serial} on record"))
            .next("see `touchmark certificate list`; a serial number has 32 hexadecimal digits"));
    };
    if pem && !output.is_json() {
        return output.line(&certificate.pem);
    }
    output.one(&certificate, CertificateView::in_words)
}

async fn ask(
    selection: Selection,
    page: PageArguments,
    connection: &Connection,
    output: &mut Output,
) -> Result<Vec<CertificateView>, Failure> {
    let client = device::client(connection).await?;
    let certificates = paging::collect(page, |page| {
        let mut client = client.clone();
        let request = wire::ListCertificatesRequest { selection: Some(selection.clone()), page: Some(page) };
        async move {
            let answer = client.list_certificates(request).await?.into_inner();
            Ok((answer.certificates, answer.next_cursor))
        }
    })
    .await?
    .say_more(output);
    Ok(certificates.into_iter().map(CertificateView::from).collect())
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
    pub(crate) revoked_at: Option<String>,
    pub(crate) revocation_reason: Option<String>,
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
            revoked_at: timestamp::text(summary.revoked_at.as_ref()),
            revocation_reason: nonempty(summary.revocation_reason),
            key_fingerprint: hex::encode(&summary.key_fingerprint),
            ledger_entry: summary.ledger_entry,
            pem: files::pem([summary.certificate.as_ref()]),
            der: summary.certificate.to_vec(),
        }
    }
}

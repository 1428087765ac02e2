//! `touchmark certificate …`

mod details;
mod revocation_urls;

use std::time::SystemTime;

use identity::SerialNumber;
use proto::v1 as wire;
use proto::v1::lifecycle_service_client::LifecycleServiceClient;
use proto::v1::list_certificates_request::Selection as Filter;
use tonic::transport::Channel;

use crate::Context;
use crate::arguments::{CertificateCommand, CertificateFilter, PageArguments};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::paging::{self, one_row};
use crate::revoke::revoke;
use crate::selection::{Selection, device_to_wire};
use crate::table::{Column, always, short, spare};
use crate::timestamp;
use crate::view::{CertificateView, nonempty, or_dash};
use details::CertificateDetails;
pub(crate) use revocation_urls::RevocationUrls;

pub(crate) async fn run(command: CertificateCommand, context: &mut Context<'_>) -> Result<(), Failure> {
    match command {
        CertificateCommand::List { filter, page } => list(filter.into(), &page, context).await,
        CertificateCommand::Show { serial, pem } => show(&serial, pem, context).await,
        CertificateCommand::Revoke { serial, lineage, why, confirmation } => {
            let selection =
                if lineage { Selection::lineage(&serial) } else { Selection::certificate(&serial) };
            revoke(&selection, &why, &confirmation, context).await
        }
    }
}

impl From<CertificateFilter> for Filter {
    fn from(filter: CertificateFilter) -> Self {
        match (filter.device, filter.principal, filter.expiring_before) {
            (Some(device), ..) => Self::Device(device_to_wire(&device)),
            (None, Some(principal), _) => Self::Principal(principal.to_string()),
            (None, None, Some(time)) => Self::ExpiringBefore(timestamp::to_wire(time)),
            (None, None, None) => {
                Self::All(wire::AllCertificates { issuer: filter.issuer.unwrap_or_default() })
            }
        }
    }
}

async fn list(selection: Filter, page: &PageArguments, context: &mut Context<'_>) -> Result<(), Failure> {
    let client = &context.connection.lifecycle().await?;
    let ask = async |page| list_page(client, selection.clone(), page).await;
    let view = |summary| Some(CertificateView::from(summary));
    let exists = async || match &selection {
        Filter::Device(id) => {
            let request = wire::GetDeviceRequest { device: Some(id.clone()) };
            client.clone().get_device(request).await?;
            Ok(())
        }
        Filter::Principal(principal) => Err(Failure::not_found(format!("there is no principal {principal}"))
            .next("see `touchmark principal list`")),
        _ => Ok(()),
    };
    paging::print_some(COLUMNS, page, context.output, ask, view, exists).await
}

const COLUMNS: &[Column<CertificateView>] = &[
    short("SERIAL NUMBER", |certificate| certificate.serial_number.clone()),
    always("STATUS", |certificate| certificate.status.clone()),
    spare(1, always("PROFILE", |certificate| certificate.profile.clone())),
    // The certificates of issuers and OCSP signers have no holder.
    always("HOLDER", |certificate| or_dash(&nonempty(certificate.holder.clone()))),
    spare(2, always("ISSUER", |certificate| certificate.issuer.clone())),
    spare(3, always("NOT BEFORE", |certificate| certificate.not_before.clone().unwrap_or_default())),
    always("NOT AFTER", |certificate| certificate.not_after_for_people.clone()),
];

pub(crate) async fn list_page(
    client: &LifecycleServiceClient<Channel>,
    selection: Filter,
    page: wire::PageRequest,
) -> Result<(Vec<wire::CertificateSummary>, String), tonic::Status> {
    let request = wire::ListCertificatesRequest { selection: Some(selection), page: Some(page) };
    let answer = client.clone().list_certificates(request).await?.into_inner();
    Ok((answer.certificates, answer.next_cursor))
}

async fn show(serial: &SerialNumber, pem: bool, context: &mut Context<'_>) -> Result<(), Failure> {
    let mut client = context.connection.lifecycle().await?;
    let Some(summary) = by_serial(&mut client, serial.as_bytes()).await? else {
        return Err(Failure::not_found(format!("there is no certificate {serial} on record"))
            .next("see `touchmark certificate list`; a serial number has 32 hexadecimal digits"));
    };
    if pem && !context.output.is_json() {
        return context.output.line(&CertificateView::from(summary).pem);
    }
    let details = CertificateDetails::of(summary, &mut client).await?;
    context.output.one(&details, CertificateDetails::to_text)
}

async fn by_serial(
    client: &mut LifecycleServiceClient<Channel>,
    serial: &[u8],
) -> Result<Option<wire::CertificateSummary>, tonic::Status> {
    let request = wire::ListCertificatesRequest {
        selection: Some(Filter::SerialNumber(serial.to_vec().into())),
        page: one_row(),
    };
    Ok(client.list_certificates(request).await?.into_inner().certificates.into_iter().next())
}

/// The number of certificates of a principal that are neither revoked nor expired.
pub(crate) async fn usable_credentials(
    principal: &identity::Principal,
    now: SystemTime,
    connection: &Connection,
) -> Result<usize, Failure> {
    let client = &connection.lifecycle().await?;
    let of_principal = Filter::Principal(principal.to_string());
    let all = paging::all(async |page| list_page(client, of_principal.clone(), page).await).await?;
    let usable = |certificate: &&wire::CertificateSummary| {
        certificate.status() != wire::CertificateStatus::Revoked
            && timestamp::system(certificate.not_after.as_ref()).is_some_and(|end| end > now)
    };
    Ok(all.iter().filter(usable).count())
}

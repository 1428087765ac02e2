//! A selection that has no certificate: is it because all are revoked, or because there is no such thing?

use proto::v1 as wire;
use proto::v1::list_certificates_request::Selection as Certificates;
use proto::v1::selection::By;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::selection::Selection;
use crate::{device, work_order};

/// Whether what is selected exists at all.
///
/// # Errors
/// When it does not, with where to look.
pub(crate) async fn check(selection: &Selection, connection: &Connection) -> Result<(), Failure> {
    match selection.to_wire().by {
        Some(By::Device(id)) => {
            let request = wire::GetDeviceRequest { device: Some(id) };
            device::client(connection).await?.get_device(request).await?;
            Ok(())
        }
        Some(By::WorkOrder(id)) => work_order::read(&id, connection).await.map(drop),
        Some(By::Product(product)) => {
            let page = Some(wire::PageRequest { size: 1, cursor: String::new() });
            let request = wire::ListDevicesRequest {
                product: product.clone(),
                page,
                ..wire::ListDevicesRequest::default()
            };
            let answer = device::client(connection).await?.list_devices(request).await?.into_inner();
            let missing = || Failure::not_found(format!("there is no device of product {product}"));
            found(
                !answer.devices.is_empty(),
                missing,
                "see `touchmark device list` and `touchmark work-order list`",
            )
        }
        Some(By::Station(name)) => {
            let known = any(Certificates::Principal(format!("station:{name}")), connection).await?;
            let missing = || Failure::not_found(format!("there is no station {name}"));
            found(known, missing, "see `touchmark principal list`")
        }
        Some(By::SerialNumber(serial) | By::Lineage(serial)) => {
            let known = any(Certificates::SerialNumber(serial.clone()), connection).await?;
            let serial = hex::encode(&serial);
            let missing = || Failure::not_found(format!("there is no certificate {serial} on record"));
            found(
                known,
                missing,
                "see `touchmark certificate list`; a serial number has 32 hexadecimal digits",
            )
        }
        // Nobody can be asked for a key or a time alone: that it has no certificate is all there is to say.
        Some(By::KeyFingerprint(_) | By::Issued(_)) | None => Ok(()),
    }
}

async fn any(selection: Certificates, connection: &Connection) -> Result<bool, Failure> {
    let page = Some(wire::PageRequest { size: 1, cursor: String::new() });
    let request = wire::ListCertificatesRequest { selection: Some(selection), page };
    let answer = device::client(connection).await?.list_certificates(request).await?.into_inner();
    Ok(!answer.certificates.is_empty())
}

fn found(known: bool, missing: impl FnOnce() -> Failure, next: &str) -> Result<(), Failure> {
    if known { Ok(()) } else { Err(missing().next(next)) }
}

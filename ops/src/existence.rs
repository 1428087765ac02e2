//! Tells whether a selection without certificates exists at all.

use proto::v1 as wire;
use proto::v1::list_certificates_request::Selection as Certificates;
use proto::v1::selection::By;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::paging::one_row;
use crate::selection::Selection;
use crate::work_order;

/// An error if what is selected does not exist.
pub(crate) async fn check(selection: &Selection, connection: &Connection) -> Result<(), Failure> {
    let (known, what, next) = match selection.to_wire().by {
        Some(By::Device(id)) => {
            let request = wire::GetDeviceRequest { device: Some(id) };
            connection.lifecycle().await?.get_device(request).await?;
            return Ok(());
        }
        Some(By::WorkOrder(id)) => return work_order::read(&id, connection).await.map(drop),
        Some(By::Product(product)) => {
            let what = format!("device of product {product}");
            let request =
                wire::ListDevicesRequest { product, page: one_row(), ..wire::ListDevicesRequest::default() };
            let answer = connection.lifecycle().await?.list_devices(request).await?.into_inner();
            let next = "see `touchmark device list` and `touchmark work-order list`";
            (!answer.devices.is_empty(), what, next)
        }
        Some(By::Station(name)) => {
            let known = any(Certificates::Principal(format!("station:{name}")), connection).await?;
            (known, format!("station {name}"), "see `touchmark principal list`")
        }
        Some(By::SerialNumber(serial) | By::Lineage(serial)) => {
            let what = format!("certificate {} on record", hex::encode(&serial));
            let known = any(Certificates::SerialNumber(serial), connection).await?;
            (known, what, "see `touchmark certificate list`; a serial number has 32 hexadecimal digits")
        }
        // A key or a time exists without certificates.
        Some(By::KeyFingerprint(_) | By::Issued(_)) | None => return Ok(()),
    };
    if known { Ok(()) } else { Err(Failure::not_found(format!("there is no {what}")).next(next)) }
}

async fn any(selection: Certificates, connection: &Connection) -> Result<bool, Failure> {
    let request = wire::ListCertificatesRequest { selection: Some(selection), page: one_row() };
    let answer = connection.lifecycle().await?.list_certificates(request).await?.into_inner();
    Ok(!answer.certificates.is_empty())
}

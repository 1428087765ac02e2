//! What commands print, as text and as JSON.

mod alarm;
mod certificate;
mod device;
mod product;
mod reservation;
mod work_order;

pub(crate) use alarm::AlarmView;
pub(crate) use certificate::CertificateView;
pub(crate) use device::DeviceView;
pub(crate) use product::{PauseView, ProductView};
pub(crate) use reservation::ReservationView;
pub(crate) use work_order::WorkOrderView;

use proto::v1 as wire;

/// A device as it is written: `product/serial`.
pub(crate) fn device_name(device: &wire::DeviceId) -> String {
    format!("{}/{}", device.product, device.serial)
}

/// A certificate serial number in hexadecimal; `None` if there is none.
pub(crate) fn serial_text(octets: &[u8]) -> Option<String> {
    (!octets.is_empty()).then(|| hex::encode(octets))
}

/// `None` for the empty text, by which the wire says that there is none.
pub(crate) fn nonempty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// A cell of a table; `-` where there is no value.
pub(crate) fn or_dash(text: &Option<String>) -> String {
    text.clone().unwrap_or_else(|| "-".to_owned())
}

/// A value of the wire in words, for example `in use` for `CERTIFICATE_STATUS_IN_USE`.
pub(crate) fn word(name: &str, prefix: &str) -> String {
    match name.strip_prefix(prefix) {
        None | Some("UNSPECIFIED") => "unknown".to_owned(),
        Some(word) => word.to_lowercase().replace('_', " "),
    }
}

/// The state of a certificate in a word.
pub(crate) fn revocation_word(state: wire::RevocationState) -> String {
    word(state.as_str_name(), "REVOCATION_STATE_")
}

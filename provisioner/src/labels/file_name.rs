//! File names that are safe whatever the serial number is: no separators, no dots, no names that differ only
//! in case, none that a file system reserves.

use aws_lc_rs::digest::{SHA256, digest};
use identity::DeviceId;

/// `product_SERIAL`, without a suffix. What is not a capital letter, a digit or `-` becomes `-`, and a digest
/// of the serial number behind it keeps the names apart.
pub(super) fn of(device: &DeviceId) -> String {
    let (product, serial) = (device.product.as_str(), device.serial.as_str());
    let is_plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-';
    if serial.chars().all(is_plain) {
        return format!("{product}_{serial}");
    }
    let plain: String = serial.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let digest = digest(&SHA256, serial.as_bytes());
    let digest = hex::encode(digest.as_ref().get(..DIGEST_BYTES).unwrap_or_default());
    format!("{product}_{plain}_{digest}")
}

/// Enough that two serial numbers of a line never have the same.
const DIGEST_BYTES: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(serial: &str) -> String {
        of(&format!("cam-2/{serial}").parse().unwrap())
    }

    #[test]
    fn names_of_usual_serial_numbers_are_plain_and_others_have_a_digest() {
        assert_eq!(name("SN000123"), "cam-2_SN000123");
        assert!(name("../../etc/passwd").starts_with("cam-2_------etc-passwd_"));
        assert!(name("=1+1").starts_with("cam-2_-1-1_"));
        assert_ne!(name("sn1").to_lowercase(), name("SN1").to_lowercase());
        assert_ne!(name("a/b"), name("a.b"));
    }

    proptest! {
        #[test]
        fn a_name_is_one_component_of_harmless_characters(serial in "[A-Za-z0-9 '()+,\\-./:=?]{1,64}") {
            prop_assume!(serial.parse::<identity::DeviceSerial>().is_ok());
            let name = name(&serial);
            prop_assert!(name.len() < 200);
            let is_harmless = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            prop_assert!(name.chars().all(is_harmless), "{name}");
        }
    }
}

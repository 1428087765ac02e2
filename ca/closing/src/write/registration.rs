//! Delivered units for bulk registration at AWS: one JSON object a line, whose members are the parameters of
//! a provisioning template.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::Row;

#[derive(Debug)]
pub(crate) struct Registration {
    issuer: String,
    left_out: u64,
}

impl Registration {
    /// `issuer` is the certificate of the issuer, DER.
    pub(crate) fn new(issuer: &[u8]) -> Self {
        Self { issuer: pem(issuer), left_out: 0 }
    }

    /// Delivered units whose names AWS does not take: they are not in the file.
    pub(crate) fn left_out(&self) -> u64 {
        self.left_out
    }

    pub(crate) fn row(&mut self, row: &Row<'_>, out: &mut Vec<u8>) {
        let Some(certificate) = row.certificate.filter(|_| row.outcome.is_delivered()) else { return };
        let serial = row.device.serial.as_str();
        // Neither a product nor a usual serial has `_`: the name is split in one way only.
        let name = format!("{}_{serial}", row.device.product);
        if !is_thing_name(&name) {
            self.left_out += 1;
            return;
        }
        let line = json!({
            "ThingName": name,
            "SerialNumber": serial,
            "CertificatePem": pem(&certificate.der),
            // Needed where several CAs with one subject are registered, as after a new key of the issuer.
            "CACertificatePem": self.issuer,
        });
        out.extend_from_slice(line.to_string().as_bytes());
        out.push(b'\n');
    }
}

/// The name of a thing: 1 to 128 letters, digits, `:`, `_` and `-`.
fn is_thing_name(name: &str) -> bool {
    let fits = |c: u8| c.is_ascii_alphanumeric() || b":_-".contains(&c);
    (1..=THING_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(fits)
}

fn pem(der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let mut text = String::with_capacity(base64.len() + base64.len() / 64 + 56);
    text.push_str("-----BEGIN CERTIFICATE-----\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, behind) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = behind;
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

const THING_NAME_BYTES_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_aws_does_not_take_is_told_from_one_that_it_does() {
        for good in ["cam-2_SN000123", "cam-2_A:1"] {
            assert!(is_thing_name(good), "{good}");
        }
        for bad in ["", "cam-2_SN/1", "cam-2_SN 1", "cam-2_SN.1", "cam-2_SN=1", &"n".repeat(129)] {
            assert!(!is_thing_name(bad), "{bad}");
        }
    }
}

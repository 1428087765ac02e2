//! A certificate as it is printed.

use proto::v1 as wire;
use serde::Serialize;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{device_name, nonempty, serial_text, word};
use crate::output::fact_lines;
use crate::{files, timestamp};

#[derive(Debug, Serialize)]
pub(crate) struct CertificateView {
    pub(crate) serial_number: String,
    pub(crate) status: String,
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
    /// When it will be revoked because its child is in use, RFC 3339.
    pub(crate) ends_at: Option<String>,
    pub(crate) shard: Option<u32>,
    pub(crate) revoked_at: Option<String>,
    pub(crate) revocation_reason: Option<String>,
    /// When its key became untrustworthy (invalidityDate), RFC 3339.
    pub(crate) invalid_since: Option<String>,
    pub(crate) key_fingerprint: String,
    pub(crate) ledger_entry: u64,
    pub(crate) pem: String,
    #[serde(skip)]
    pub(crate) der: Vec<u8>,
}

impl From<wire::CertificateSummary> for CertificateView {
    fn from(summary: wire::CertificateSummary) -> Self {
        Self {
            status: word(summary.status().as_str_name(), "CERTIFICATE_STATUS_"),
            serial_number: hex::encode(&summary.serial_number),
            holder: summary.device.as_ref().map_or(summary.principal, device_name),
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

impl CertificateView {
    pub(crate) fn to_text(&self) -> String {
        let mut lines = vec![
            ("certificate", self.serial_number.clone()),
            ("holder", self.holder.clone()),
            ("profile", format!("{}: {}", self.profile, purpose(&self.profile))),
            ("status", self.status_text()),
            ("valid", self.validity_text()),
        ];
        match X509Certificate::from_der(&self.der) {
            Ok((_, certificate)) => {
                lines.push(("subject", certificate.subject().to_string()));
                lines.push(("issuer", format!("{}: {}", self.issuer, certificate.issuer())));
            }
            Err(_) => lines.push(("issuer", self.issuer.clone())),
        }
        lines.push(("requested by", self.requested_by.clone()));
        if let Some(work_order) = &self.work_order {
            lines.push(("work order", work_order.clone()));
        }
        if let Some(parent) = &self.parent_serial_number {
            lines.push(("authorised by", format!("certificate {parent}")));
        }
        if let Some(shard) = self.shard {
            lines.push(("CRL shard", format!("{shard} of issuer {}", self.issuer)));
        }
        lines.push(("key SHA-256", self.key_fingerprint.clone()));
        lines.push(("on record", format!("ledger entry {}", self.ledger_entry)));
        fact_lines(&lines)
    }

    fn status_text(&self) -> String {
        match self.status.as_str() {
            "issued" if self.is_of_a_device() => {
                "issued: on record; its holder has not been seen using it".to_owned()
            }
            // Use is recorded only for devices.
            "issued" => "issued: on record and not revoked; whether it is used is not recorded".to_owned(),
            "in use" => "in use: its holder proved that it has the key".to_owned(),
            "superseded" => match &self.ends_at {
                Some(end) => {
                    format!("superseded: a newer certificate of the same holder is in use; revoked at {end}")
                }
                None => "superseded: a newer certificate of the same holder is in use".to_owned(),
            },
            "held" => format!(
                "on hold since {}: not accepted until its device is released",
                self.revoked_at.as_deref().unwrap_or("an unknown time"),
            ),
            "revoked" => format!(
                "revoked at {}, reason {}: whoever checks revocation no longer accepts it{}",
                self.revoked_at.as_deref().unwrap_or("an unknown time"),
                self.revocation_reason.as_deref().unwrap_or("unspecified"),
                self.invalid_since
                    .as_ref()
                    .map(|since| format!("; its key is not to be trusted from {since} on"))
                    .unwrap_or_default(),
            ),
            other => other.to_owned(),
        }
    }

    fn is_of_a_device(&self) -> bool {
        self.holder.contains('/')
    }

    fn validity_text(&self) -> String {
        let from = self.not_before.as_deref().unwrap_or("-");
        match self.not_after_for_people.as_str() {
            "never" => format!("from {from}, with no well-defined expiration (9999-12-31T23:59:59Z)"),
            until => format!("from {from} until {until}"),
        }
    }
}

fn purpose(profile: &str) -> &'static str {
    match profile {
        "root" => "the trust anchor: signs the issuers' certificates",
        "factory-ca" => "signs birth certificates",
        "operational-ca" => "signs operational certificates of devices",
        "infrastructure-ca" => "signs credentials of servers, stations, operators and relying parties",
        "idevid" => "birth certificate of a device, for its whole life (IEEE 802.1AR)",
        "ldevid" => "operational certificate of a device, renewed (IEEE 802.1AR)",
        "station" => "credential of a line computer",
        "operator" => "credential of a person or program in operations",
        "relying-party" => "credential of a relying party: a broker, gateway or cloud that checks devices",
        "service" => "credential of a server",
        "ocsp-signer" => "signs OCSP responses for its issuer, for a few days",
        _ => "a profile that this program does not know",
    }
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;
    use proto::v1::{CertificateStatus, CertificateSummary, DeviceId};

    use super::*;

    fn birth_certificate() -> CertificateSummary {
        CertificateSummary {
            serial_number: vec![0x4a; 16].into(),
            issuer: "factory".to_owned(),
            profile: "idevid".to_owned(),
            device: Some(DeviceId { product: "cam-2".to_owned(), serial: "SN000123".to_owned() }),
            not_before: Some(Timestamp { seconds: 1_795_305_600, nanos: 0 }),
            not_after: Some(Timestamp { seconds: 253_402_300_799, nanos: 0 }),
            status: CertificateStatus::Issued.into(),
            work_order: "wo-000017".to_owned(),
            requested_by: "station:line-3".to_owned(),
            ..CertificateSummary::default()
        }
    }

    #[test]
    fn a_birth_certificate_is_explained_with_who_why_and_how_long() {
        let words = CertificateView::from(birth_certificate()).to_text();
        for expected in [
            "cam-2/SN000123",
            "birth certificate of a device",
            "no well-defined expiration",
            "station:line-3",
            "wo-000017",
            "has not been seen using it",
        ] {
            assert!(words.contains(expected), "{expected} is missing in:\n{words}");
        }
    }

    #[test]
    fn of_a_principal_it_is_not_said_that_it_does_not_use_its_certificate() {
        let words = CertificateView::from(CertificateSummary {
            device: None,
            principal: "station:line-3".to_owned(),
            ..birth_certificate()
        })
        .to_text();
        assert!(words.contains("whether it is used is not recorded"), "{words}");
    }

    #[test]
    fn a_certificate_on_hold_says_since_when_and_that_it_may_come_back() {
        let words = CertificateView::from(CertificateSummary {
            status: CertificateStatus::Held.into(),
            revoked_at: Some(Timestamp { seconds: 1_795_305_600, nanos: 0 }),
            ..birth_certificate()
        })
        .to_text();
        assert!(words.contains("on hold since 2026-11-22T00:00:00Z"), "{words}");
        assert!(words.contains("until its device is released"), "{words}");
    }

    #[test]
    fn a_superseded_certificate_says_when_it_will_be_revoked() {
        let words = CertificateView::from(CertificateSummary {
            status: CertificateStatus::Superseded.into(),
            ends_at: Some(Timestamp { seconds: 1_795_305_600, nanos: 0 }),
            ..birth_certificate()
        })
        .to_text();
        assert!(words.contains("revoked at 2026-11-22T00:00:00Z"), "{words}");
    }

    #[test]
    fn a_revoked_certificate_says_when_and_why() {
        let words = CertificateView::from(CertificateSummary {
            status: CertificateStatus::Revoked.into(),
            revoked_at: Some(Timestamp { seconds: 1_795_305_600, nanos: 0 }),
            revocation_reason: "keyCompromise".to_owned(),
            ..birth_certificate()
        })
        .to_text();
        assert!(words.contains("revoked at 2026-11-22T00:00:00Z, reason keyCompromise"), "{words}");
    }
}

//! Certificates as a device reads them: its own, and those it is asked to trust.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::{DeviceId, PublicKey, is_unseen};
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::X509Name;

/// What a device shows to others, and what it trusts itself: everything of a credential but the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The device's certificate, X.509 DER.
    pub certificate: Vec<u8>,
    /// Its issuer's chain, the leaf's issuer first, without the root. X.509 DER.
    pub chain: Vec<Vec<u8>>,
    /// The roots that the device trusts, X.509 DER.
    pub anchors: Vec<Vec<u8>>,
}

impl Credential {
    /// Whether a peer that trusts the same anchors would take it as the credential of `device` with `key`, and what it says.
    ///
    /// `now` is the least that the time can be. A certificate may begin later: it shows that the clock is behind, not that the
    /// certificate is wrong (R-LIFE-06).
    ///
    /// # Errors
    /// The first reason for which a peer, or the device itself, would not take it.
    pub fn check(
        &self,
        device: &DeviceId,
        key: &PublicKey,
        kind: Kind,
        now: SystemTime,
    ) -> Result<Certificate, Unfit> {
        if self.chain.len() > CHAIN_CERTIFICATES_MAX {
            return Err(Unfit::TooMany { what: "chain", max: CHAIN_CERTIFICATES_MAX });
        }
        if self.anchors.len() > ANCHORS_MAX {
            return Err(Unfit::TooMany { what: "trust bundle", max: ANCHORS_MAX });
        }
        let certificate = Certificate::from_der(&self.certificate)?;
        if certificate.public_key_spki != key.spki() {
            return Err(Unfit::OtherKey);
        }
        if certificate.product.as_deref() != Some(device.product.as_str())
            || certificate.serial.as_deref() != Some(device.serial.as_str())
        {
            return Err(Unfit::OtherDevice { expected: device.clone(), found: certificate.subject });
        }
        if kind == Kind::Operational && !certificate.for_clients {
            return Err(Unfit::NotForClients);
        }
        self.verify_chain(&self.anchors, now)?;
        Ok(certificate)
    }

    /// Whether a peer that trusts what `in_use` came with would take it too: not the new anchors but those that this device has now.
    ///
    /// # Errors
    /// Why not.
    pub fn check_chain_to_anchors_of(&self, in_use: &Self, now: SystemTime) -> Result<(), Unfit> {
        self.verify_chain(&in_use.anchors, now).map_err(|why| Unfit::StrangeChain(Box::new(why)))
    }

    fn verify_chain(&self, anchors: &[Vec<u8>], now: SystemTime) -> Result<(), Unfit> {
        let anchors: Vec<CertificateDer<'_>> =
            anchors.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        if anchors.is_empty() {
            return Err(Unfit::NoAnchors);
        }
        let anchors = anchors
            .iter()
            .map(anchor_from_trusted_cert)
            .collect::<Result<Vec<_>, _>>()
            .map_err(Unfit::BrokenChain)?;
        let chain: Vec<CertificateDer<'_>> =
            self.chain.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        let leaf = CertificateDer::from(self.certificate.as_slice());
        let presented = std::iter::once(&leaf).chain(&chain);
        let leaf = EndEntityCert::try_from(&leaf).map_err(Unfit::BrokenChain)?;
        leaf.verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &anchors,
            &chain,
            unix_time(earliest_moment(now, presented)),
            KeyUsage::client_auth(),
            None,
            None,
        )
        .map_err(Unfit::BrokenChain)?;
        Ok(())
    }
}

/// Which of a device's two kinds of certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The birth certificate, IDevID.
    Birth,
    /// The operational certificate, LDevID: must say that it is for TLS clients.
    Operational,
}

/// What a certificate says, as far as its device cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Its serial number as in the certificate.
    pub serial_number: Vec<u8>,
    /// The product in its subject (`OU`), if there is exactly one.
    pub product: Option<String>,
    /// The device's serial number in its subject (`serialNumber`), if there is exactly one.
    pub serial: Option<String>,
    /// Its subject, for people.
    pub subject: String,
    /// Its first second.
    pub not_before: SystemTime,
    /// Its last second.
    pub not_after: SystemTime,
    public_key_spki: Vec<u8>,
    for_clients: bool,
}

impl Certificate {
    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// When it is not one, or is followed by something else.
    pub fn from_der(der: &[u8]) -> Result<Self, Unfit> {
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|_| Unfit::Malformed)?;
        if !rest.is_empty() {
            return Err(Unfit::Malformed);
        }
        let subject = parsed.subject();
        let for_clients = parsed
            .extended_key_usage()
            .map_err(|_| Unfit::Malformed)?
            .is_some_and(|usage| usage.value.client_auth);
        Ok(Self {
            serial_number: parsed.raw_serial().to_vec(),
            product: the_only(subject.iter_organizational_unit()),
            serial: the_only(subject.iter_by_oid(&x509_parser::oid_registry::OID_X509_SERIALNUMBER)),
            subject: text(subject),
            not_before: time(parsed.validity().not_before.timestamp()),
            not_after: time(parsed.validity().not_after.timestamp()),
            public_key_spki: parsed.public_key().raw.to_vec(),
            for_clients,
        })
    }

    /// One that says nothing but its serial number and its life.
    #[cfg(test)]
    pub(crate) fn of_life(serial_number: &[u8], not_before: SystemTime, life: Duration) -> Self {
        Self {
            serial_number: serial_number.to_vec(),
            product: None,
            serial: None,
            subject: String::new(),
            not_before,
            not_after: not_before + life,
            public_key_spki: Vec::new(),
            for_clients: true,
        }
    }

    /// Whether it has ended at `now`.
    pub fn has_ended(&self, now: SystemTime) -> bool {
        self.not_after < now
    }
}

/// Why a certificate is not what this device can use.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// Not a certificate in DER.
    #[error("a certificate is not X.509 in DER")]
    Malformed,
    /// For another key than the one that this device has.
    #[error("the certificate is for another key than this device's")]
    OtherKey,
    /// For another device.
    #[error("the certificate is not for {expected}: it says {found}")]
    OtherDevice {
        /// Who we are.
        expected: DeviceId,
        /// The subject, for people.
        found: String,
    },
    /// An operational certificate without the extended key usage `clientAuth` (R-5280-13).
    #[error("the certificate is not for TLS clients")]
    NotForClients,
    /// It is due for its own renewal, and would end before the one that it is to replace.
    #[error(
        "the certificate ends at {ends}, before the one in use, which ends at {in_use}, and most of its life is over"
    )]
    EndsEarlier {
        /// When.
        ends: String,
        /// When the one in use ends.
        in_use: String,
    },
    /// Its chain leads to a root, but to none that this device trusts now.
    #[error("the certificate's chain does not lead to a root that this device trusts now")]
    StrangeChain(#[source] Box<Self>),
    /// Nothing to trust.
    #[error("the trust bundle is empty")]
    NoAnchors,
    /// More than a device keeps.
    #[error("the {what} has more than {max} certificates")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The most.
        max: usize,
    },
    /// It does not lead to an anchor, or not at this time.
    #[error("the certificate's chain does not lead to a trusted root")]
    BrokenChain(#[source] webpki::Error),
}

/// The earliest moment at which all of the presented certificates can be valid, if it is at least `now`. A device knows only what
/// time it is at least, so a certificate that begins later than `now` tells it the time; one that has ended stays ended.
pub fn earliest_moment<'a>(
    now: SystemTime,
    presented: impl IntoIterator<Item = &'a CertificateDer<'a>>,
) -> SystemTime {
    presented
        .into_iter()
        .filter_map(|der| Certificate::from_der(der).ok())
        .fold(now, |moment, certificate| moment.max(certificate.not_before))
}

/// As webpki wants it.
pub fn unix_time(moment: SystemTime) -> UnixTime {
    UnixTime::since_unix_epoch(moment.duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn time(seconds_since_epoch: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds_since_epoch).unwrap_or(0))
}

fn the_only<'a>(
    mut attributes: impl Iterator<Item = &'a x509_parser::x509::AttributeTypeAndValue<'a>>,
) -> Option<String> {
    let only = attributes.next()?.as_str().ok()?.to_owned();
    attributes.next().is_none().then_some(only)
}

/// The name for people, with whatever a stranger put in it made harmless for a terminal.
fn text(name: &X509Name<'_>) -> String {
    let text = name.to_string();
    text.chars().map(|c| if is_unseen(c) { '?' } else { c }).take(SUBJECT_CHARACTERS_MAX).collect()
}

/// A subject for people is cut here: O, OU and serialNumber at their longest fit.
const SUBJECT_CHARACTERS_MAX: usize = 200;

/// The longest chain we keep: two levels below the root, and one to spare for a change of issuers.
pub const CHAIN_CERTIFICATES_MAX: usize = 4;

/// The most anchors we keep: the old and the new root while one follows the other, and as many again.
pub const ANCHORS_MAX: usize = 4;

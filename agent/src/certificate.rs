//! A device's certificates and those that it trusts: parsing and checks.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::{DeviceId, PublicKey, is_unseen};
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::X509Name;

/// A device's certificate, its chain and the roots that it trusts: a credential without its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The device's certificate.
    pub leaf: Certificate,
    /// Its issuer's chain, the leaf's issuer first, without the root. X.509 DER.
    pub chain: Vec<Vec<u8>>,
    /// The roots that the device trusts, X.509 DER.
    pub anchors: Vec<Vec<u8>>,
}

impl Credential {
    /// Reads the leaf; chain and anchors are read when they are checked. All are X.509 DER.
    pub(crate) fn from_wire<D: Into<Vec<u8>>>(
        leaf: D,
        chain: Vec<D>,
        anchors: Vec<D>,
    ) -> Result<Self, CertificateError> {
        let der = |certificates: Vec<D>| certificates.into_iter().map(Into::into).collect();
        Ok(Self { leaf: Certificate::from_der(leaf.into())?, chain: der(chain), anchors: der(anchors) })
    }

    /// Checks that a peer that trusts the same anchors would accept it as the credential of `device` with
    /// `key`.
    /// `now` is the least that the time can be: a certificate that begins later shows it (R-LIFE-06).
    pub fn check(
        &self,
        device: &DeviceId,
        key: &PublicKey,
        kind: Kind,
        now: SystemTime,
    ) -> Result<(), CertificateError> {
        if self.chain.len() > CHAIN_CERTIFICATES_MAX {
            return Err(CertificateError::TooMany("chain", CHAIN_CERTIFICATES_MAX));
        }
        if self.anchors.len() > ANCHORS_MAX {
            return Err(CertificateError::TooMany("trust bundle", ANCHORS_MAX));
        }
        let certificate = &self.leaf;
        if certificate.public_key_spki != key.spki() {
            return Err(CertificateError::OtherKey);
        }
        if certificate.product.as_deref() != Some(device.product.as_str())
            || certificate.serial.as_deref() != Some(device.serial.as_str())
        {
            return Err(CertificateError::OtherDevice(device.clone(), certificate.subject.clone()));
        }
        if kind == Kind::Operational && !certificate.for_clients {
            return Err(CertificateError::NotForClients);
        }
        self.verify_chain(&self.anchors, now)
    }

    /// Checks the chain against the anchors of `in_use`, which the device trusts now, instead of its own.
    pub fn check_chain_to_anchors_of(&self, in_use: &Self, now: SystemTime) -> Result<(), CertificateError> {
        self.verify_chain(&in_use.anchors, now).map_err(|why| CertificateError::StrangeChain(Box::new(why)))
    }

    /// The leaf and its chain, as shown in a handshake. X.509 DER.
    pub fn presented(&self) -> impl Iterator<Item = CertificateDer<'_>> {
        std::iter::once(&self.leaf.der).chain(&self.chain).map(|der| CertificateDer::from(der.as_slice()))
    }

    fn verify_chain(&self, anchors: &[Vec<u8>], now: SystemTime) -> Result<(), CertificateError> {
        let anchors: Vec<CertificateDer<'_>> =
            anchors.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        let anchors = trust_anchors(&anchors)?;
        let chain: Vec<CertificateDer<'_>> =
            self.chain.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        let now = earliest_moment(now.max(self.leaf.not_before), &chain);
        let leaf = CertificateDer::from(self.leaf.der.as_slice());
        let leaf = EndEntityCert::try_from(&leaf).map_err(CertificateError::BrokenChain)?;
        leaf.verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &anchors,
            &chain,
            unix_time(now),
            KeyUsage::client_auth(),
            None,
            None,
        )
        .map_err(CertificateError::BrokenChain)?;
        Ok(())
    }
}

/// Checks anchors that come before the certificate that they are for: how many, and that a chain can lead to
/// each.
pub(crate) fn check_anchors(anchors: &[Vec<u8>]) -> Result<(), CertificateError> {
    if anchors.len() > ANCHORS_MAX {
        return Err(CertificateError::TooMany("trust bundle", ANCHORS_MAX));
    }
    let anchors: Vec<_> = anchors.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    trust_anchors(&anchors).map(|_| ())
}

fn trust_anchors<'a>(anchors: &'a [CertificateDer<'a>]) -> Result<Vec<TrustAnchor<'a>>, CertificateError> {
    if anchors.is_empty() {
        return Err(CertificateError::NoAnchors);
    }
    let anchors = anchors.iter().map(anchor_from_trusted_cert).collect::<Result<_, _>>();
    anchors.map_err(CertificateError::BrokenChain)
}

/// The kind of a device's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The birth certificate, IDevID.
    Birth,
    /// The operational certificate, LDevID: must say that it is for TLS clients.
    Operational,
}

/// A certificate and the fields of it that its device needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// X.509 DER.
    pub der: Vec<u8>,
    /// Its serial number: the content of the DER INTEGER.
    pub serial_number: Vec<u8>,
    /// The product in its subject (`OU`), if there is exactly one.
    pub product: Option<String>,
    /// The device's serial number in its subject (`serialNumber`), if there is exactly one.
    pub serial: Option<String>,
    /// Its subject as text, cut to 200 characters and harmless for a terminal.
    pub subject: String,
    /// The first second of its validity.
    pub not_before: SystemTime,
    /// The last second of its validity.
    pub not_after: SystemTime,
    public_key_spki: Vec<u8>,
    for_clients: bool,
}

impl Certificate {
    /// Reads a certificate in DER, which nothing may follow.
    pub fn from_der(der: Vec<u8>) -> Result<Self, CertificateError> {
        let (rest, parsed) = X509Certificate::from_der(&der).map_err(|_| CertificateError::Malformed)?;
        if !rest.is_empty() {
            return Err(CertificateError::Malformed);
        }
        let subject = parsed.subject();
        let for_clients = parsed
            .extended_key_usage()
            .map_err(|_| CertificateError::Malformed)?
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
            der,
        })
    }

    /// One with a serial number and a validity only.
    #[cfg(test)]
    pub(crate) fn of_life(serial_number: &[u8], not_before: SystemTime, life: Duration) -> Self {
        Self {
            der: Vec::new(),
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

/// Why this device cannot use a certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// Not a certificate in DER.
    #[error("a certificate is not X.509 in DER")]
    Malformed,
    /// Not for this device's key.
    #[error("the certificate is for another key than this device's")]
    OtherKey,
    /// Not for this device but for the subject in the text.
    #[error("the certificate is not for {0}: it says {1}")]
    OtherDevice(DeviceId, String),
    /// An operational certificate without the extended key usage `clientAuth` (R-5280-13).
    #[error("the certificate is not for TLS clients")]
    NotForClients,
    /// It ends before the certificate that it is to replace, and is due for its own renewal.
    #[error(
        "the certificate ends at {ends}, before the one in use, which ends at {in_use}, and most of its life is over"
    )]
    EndsEarlier {
        /// RFC 3339.
        ends: String,
        /// When the one in use ends, RFC 3339.
        in_use: String,
    },
    /// Its chain leads to a root that this device does not trust now.
    #[error("the certificate's chain does not lead to a root that this device trusts now")]
    StrangeChain(#[source] Box<Self>),
    /// The trust bundle is empty.
    #[error("the trust bundle is empty")]
    NoAnchors,
    /// The chain or trust bundle has more than a device keeps.
    #[error("the {0} has more than {1} certificates")]
    TooMany(&'static str, usize),
    /// Its chain leads to no anchor, or to none at this time.
    #[error("the certificate's chain does not lead to a trusted root")]
    BrokenChain(#[source] webpki::Error),
}

/// The earliest time, not before `now`, at which all presented certificates have begun: one that begins later
/// tells a device the time. One that has ended stays ended.
pub fn earliest_moment<'a>(
    now: SystemTime,
    presented: impl IntoIterator<Item = &'a CertificateDer<'a>>,
) -> SystemTime {
    presented
        .into_iter()
        .filter_map(|der| Certificate::from_der(der.to_vec()).ok())
        .fold(now, |moment, certificate| moment.max(certificate.not_before))
}

/// A time as webpki takes it.
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

/// A name as text, with control and invisible characters replaced.
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

//! Whether a unit has installed what it should have. Pure.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use identity::{DeviceId, PublicKey, SerialNumber};
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter, anchor_from_trusted_cert};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::oid_registry::OID_X509_SERIALNUMBER;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{BirthCertificate, Outcome, ProvisioningBundle, ReadBack};

/// What a device signs at its read-back.
pub fn read_back_message(nonce: &[u8; 32]) -> Vec<u8> {
    [READ_BACK_CONTEXT, nonce].concat()
}

/// SHA-256 over the anchors, each preceded by its length as four bytes, big-endian.
pub fn anchors_digest(anchors: &[Vec<u8>]) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    for anchor in anchors {
        context.update(&u32::try_from(anchor.len()).unwrap_or(u32::MAX).to_be_bytes());
        context.update(anchor);
    }
    context.finish().as_ref().to_vec()
}

/// Whether two requests are for one key. A request that cannot be read is for none.
pub(super) fn same_key(one: &[u8], other: &[u8]) -> bool {
    matches!((key_of_request(one), key_of_request(other)), (Some(one), Some(other)) if one == other)
}

/// Whether the CA's answer is for this device and for its key.
pub(crate) fn verify_issued(
    certificate: &BirthCertificate,
    csr: &[u8],
    device: &DeviceId,
) -> Result<(), VerificationFault> {
    let (key, serial_number) = read(&certificate.der, device)?;
    if key_of_request(csr) != Some(key) {
        return Err(VerificationFault::Key);
    }
    if serial_number != certificate.serial_number {
        return Err(VerificationFault::SerialNumber);
    }
    Ok(())
}

/// What a device was sent.
pub(super) struct Sent<'a> {
    /// `None` when the journal does not know; then the CA is asked whether it knows the certificate.
    pub(super) certificate: Option<&'a BirthCertificate>,
    pub(super) bundle: &'a ProvisioningBundle,
    /// Of the anchors that it was sent.
    pub(super) anchors_digest: &'a [u8],
}

/// Whether a device has everything but its certificate: the anchors, and the key of its request.
pub(super) fn verify_deferred(
    read_back: &ReadBack,
    csr: &[u8],
    anchors_digest: &[u8],
    nonce: &[u8; 32],
) -> Result<(), VerificationFault> {
    if !read_back.certificate.is_empty() {
        return Err(VerificationFault::StoredCertificate);
    }
    if !read_back.chain.is_empty() {
        return Err(VerificationFault::StoredChain);
    }
    if read_back.anchors_digest != anchors_digest {
        return Err(VerificationFault::StoredAnchors);
    }
    let key = key_of_request(csr).and_then(|spki| PublicKey::from_spki(&spki).ok());
    let key = key.ok_or(VerificationFault::Key)?;
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.key_bits())
        .verify(&read_back_message(nonce), &read_back.signature)
        .map_err(|_| VerificationFault::Signature)
}

/// Whether the device has what it was sent, a chain to an anchor, and the key. Returns its serial number.
pub(super) fn verify_read_back(
    read_back: &ReadBack,
    sent: &Sent<'_>,
    device: &DeviceId,
    nonce: &[u8; 32],
    now: SystemTime,
) -> Result<SerialNumber, VerificationFault> {
    let bundle = sent.bundle;
    if sent.certificate.is_some_and(|sent| sent.der != read_back.certificate) {
        return Err(VerificationFault::StoredCertificate);
    }
    if read_back.chain != bundle.chain {
        return Err(VerificationFault::StoredChain);
    }
    if read_back.anchors_digest != sent.anchors_digest {
        return Err(VerificationFault::StoredAnchors);
    }
    let (_, serial_number) = read(&read_back.certificate, device)?;
    let leaf = CertificateDer::from(read_back.certificate.as_slice());
    let leaf = EndEntityCert::try_from(&leaf).map_err(VerificationFault::Chain)?;
    verify_chain(&leaf, bundle, now)?;
    leaf.verify_signature(
        webpki::aws_lc_rs::ECDSA_P256_SHA256,
        &read_back_message(nonce),
        &read_back.signature,
    )
    .map_err(|_| VerificationFault::Signature)?;
    Ok(serial_number)
}

fn verify_chain(
    leaf: &EndEntityCert<'_>,
    bundle: &ProvisioningBundle,
    now: SystemTime,
) -> Result<(), VerificationFault> {
    let anchors: Vec<CertificateDer<'_>> =
        bundle.anchors.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    let anchors = anchors
        .iter()
        .map(anchor_from_trusted_cert)
        .collect::<Result<Vec<_>, _>>()
        .map_err(VerificationFault::Chain)?;
    let chain: Vec<CertificateDer<'_>> =
        bundle.chain.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    let now = UnixTime::since_unix_epoch(now.duration_since(UNIX_EPOCH).unwrap_or_default());
    leaf.verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &anchors, &chain, now, AnyUsage, None, None)
        .map(|_| ())
        .map_err(VerificationFault::Chain)
}

/// The key (SubjectPublicKeyInfo) and serial number of a certificate that names this device (R-AR-03).
fn read(der: &[u8], device: &DeviceId) -> Result<(Vec<u8>, SerialNumber), VerificationFault> {
    let (rest, certificate) =
        X509Certificate::from_der(der).map_err(|_| VerificationFault::NotACertificate)?;
    if !rest.is_empty() {
        return Err(VerificationFault::NotACertificate);
    }
    let subject = certificate.subject();
    let names = |mut values: Vec<&str>, wanted: &str| values.len() == 1 && values.pop() == Some(wanted);
    let serials =
        subject.iter_by_oid(&OID_X509_SERIALNUMBER).filter_map(|value| value.as_str().ok()).collect();
    let products = subject.iter_organizational_unit().filter_map(|value| value.as_str().ok()).collect();
    if !names(serials, device.serial.as_str()) || !names(products, device.product.as_str()) {
        return Err(VerificationFault::Subject);
    }
    let serial_number =
        SerialNumber::try_from(certificate.raw_serial()).map_err(|_| VerificationFault::SerialNumber)?;
    Ok((certificate.public_key().raw.to_vec(), serial_number))
}

fn key_of_request(csr: &[u8]) -> Option<Vec<u8>> {
    let (_, csr) = X509CertificationRequest::from_der(csr).ok()?;
    Some(csr.certification_request_info.subject_pki.raw.to_vec())
}

/// Accepts every extended key usage: a birth certificate has none.
struct AnyUsage;

impl ExtendedKeyUsageValidator for AnyUsage {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum VerificationFault {
    /// It is not X.509, or bytes follow it.
    #[error("the certificate cannot be read")]
    NotACertificate,
    #[error("the certificate names another device")]
    Subject,
    #[error("the serial number of the certificate is not what the CA said")]
    SerialNumber,
    #[error("the certificate is for another key than the device asked for")]
    Key,
    #[error("the device does not keep the certificate that it was sent")]
    StoredCertificate,
    #[error("the device does not keep the chain that it was sent")]
    StoredChain,
    #[error("the device does not keep the trust anchors that it was sent")]
    StoredAnchors,
    #[error("the certificate does not lead to a trust anchor: {}", words(.0))]
    Chain(webpki::Error),
    #[error("the device cannot prove that it has the key of its certificate")]
    Signature,
}

impl VerificationFault {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::NotACertificate => "NOT_A_CERTIFICATE",
            Self::Subject => "SUBJECT",
            Self::SerialNumber => "SERIAL_NUMBER",
            Self::Key => "KEY",
            Self::StoredCertificate => "STORED_CERTIFICATE",
            Self::StoredChain => "STORED_CHAIN",
            Self::StoredAnchors => "STORED_ANCHORS",
            Self::Chain(_) => "CHAIN",
            Self::Signature => "SIGNATURE",
        }
    }
}

impl From<VerificationFault> for Outcome {
    /// The CA has the certificate on record: if it is not valid now, the station's clock is wrong.
    fn from(fault: VerificationFault) -> Self {
        let (time, bound, what) = match fault {
            VerificationFault::Chain(webpki::Error::CertNotValidYet { time, not_before }) => {
                (time, not_before, "begins only at")
            }
            VerificationFault::Chain(webpki::Error::CertExpired { time, not_after }) => {
                (time, not_after, "ended at")
            }
            fault => return Self::VerificationFailed(fault),
        };
        let (time, bound) = (for_people(time), for_people(bound));
        let detail = format!(
            "this station's clock shows {time}, and a certificate that the CA gives out now {what} {bound}: set the station's clock"
        );
        Self::ClockWrong(detail)
    }
}

fn for_people(time: UnixTime) -> String {
    let time = UNIX_EPOCH + Duration::from_secs(time.as_secs());
    humantime::format_rfc3339_seconds(time).to_string()
}

/// The kind of error in words; otherwise the name that the library gives it.
fn words(error: &webpki::Error) -> String {
    match error {
        webpki::Error::UnknownIssuer => "none of the anchors signed it or an issuer of its chain".to_owned(),
        webpki::Error::InvalidSignatureForPublicKey => "a signature in the chain is wrong".to_owned(),
        webpki::Error::BadDer | webpki::Error::BadDerTime => "a certificate cannot be read".to_owned(),
        error => {
            let text = format!("{error:?}");
            text.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
        }
    }
}

/// Prefix of the signed message, so that the signature fits nothing else.
const READ_BACK_CONTEXT: &[u8] = b"touchmark read-back v1\0";

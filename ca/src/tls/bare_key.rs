//! Self-signed client certificates: a client proves possession of a key, and no more (ADR 0057).

use authority::{PeerCertificate, Proof};
use identity::PublicKey;
use rustls::pki_types::CertificateDer;
use rustls::server::danger::ClientCertVerified;
use rustls::{CertificateError, Error};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Whether a client certificate names itself as its issuer. Our issuers never sign such a one.
pub(super) fn is_self_issued(certificate: &CertificateDer<'_>) -> bool {
    parse(certificate).is_ok_and(|parsed| parsed.issuer().as_raw() == parsed.subject().as_raw())
}

/// Verifies a self-issued client certificate: of a sensible size, alone, no CA, with a key of a type that we
/// certify, and signed by that key. Its names and its validity period mean nothing.
pub(super) fn verify(
    certificate: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
) -> Result<ClientCertVerified, Error> {
    let refused = |why| Err(Error::InvalidCertificate(why));
    if !intermediates.is_empty() {
        return refused(CertificateError::UnknownIssuer);
    }
    if certificate.len() > CERTIFICATE_BYTES_MAX {
        return refused(CertificateError::BadEncoding);
    }
    let parsed = parse(certificate)?;
    if parsed.is_ca() || PublicKey::from_spki(parsed.public_key().raw).is_err() {
        return refused(CertificateError::ApplicationVerificationFailure);
    }
    match parsed.verify_signature(None) {
        Ok(()) => Ok(ClientCertVerified::assertion()),
        Err(_) => refused(CertificateError::BadSignature),
    }
}

/// What a client proved by a certificate with which it finished the handshake.
pub(crate) fn proof_of(certificate: &CertificateDer<'_>) -> Proof {
    let self_issued =
        parse(certificate).ok().filter(|parsed| parsed.issuer().as_raw() == parsed.subject().as_raw());
    match self_issued.and_then(|parsed| PublicKey::from_spki(parsed.public_key().raw).ok()) {
        Some(key) => Proof::BareKey(key.fingerprint()),
        None => Proof::Certificate(PeerCertificate::new(certificate)),
    }
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Error> {
    match X509Certificate::from_der(certificate) {
        Ok(([], parsed)) => Ok(parsed),
        _ => Err(Error::InvalidCertificate(CertificateError::BadEncoding)),
    }
}

/// The largest self-signed certificate: with an RSA-4096 key and a few names it has less than 2 kB.
const CERTIFICATE_BYTES_MAX: usize = 4 * 1024;

//! Verifies client certificates in the handshake.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use identity::Clock;
use issuance::Certificate;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use webpki::EndEntityCert;

use super::bare_key;
use super::issuer::OwnIssuer;

/// As webpki's verifier, with these differences:
///
/// - The root's signature over our own issuers is not verified again for every client.
/// - A certificate of ours may be out of its time where the authority decides on every call: an operational
///   one may have expired within the grace (R-LIFE-05), one that was issued while the CA's clock was ahead
///   may not be valid yet (ADR 0035), and while the clock is in doubt no time is checked: a client that is
///   refused in the handshake does not learn that it should come again later.
/// - A self-signed certificate is accepted as proof of a bare key (`bare_key.rs`).
pub(super) struct ClientVerifier {
    webpki: Arc<dyn ClientCertVerifier>,
    issuers: Vec<OwnIssuer>,
    late: RenewalGrace,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for ClientVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").field("issuers", &self.issuers).finish_non_exhaustive()
    }
}

/// Which certificates may have expired, and how long ago.
#[derive(Debug, Clone)]
pub struct RenewalGrace {
    /// The subject of their issuer, raw DER.
    pub issuer: Vec<u8>,
    /// How long after its expiry a certificate is still accepted.
    pub grace: Duration,
}

impl ClientVerifier {
    pub(super) fn new(
        webpki: Arc<dyn ClientCertVerifier>,
        issuers: Vec<OwnIssuer>,
        late: RenewalGrace,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { webpki, issuers, late, clock }
    }

    /// Verifies a client at `then` by our issuer that it names, valid `now`; `None`: ask webpki's verifier.
    fn verify_by_issuer(
        &self,
        end_entity: &CertificateDer<'_>,
        then: UnixTime,
        now: UnixTime,
    ) -> Option<ClientCertVerified> {
        let shown = EndEntityCert::try_from(end_entity).ok()?;
        let issuer = self.issuers.iter().find(|issuer| issuer.is_named_by(&shown))?;
        issuer.verify_client(end_entity, then, now)
    }

    /// The nearest time within the validity of one that may be out of it; `None`: it may not.
    fn verification_time(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Option<UnixTime> {
        let shown = Certificate::from_der(end_entity).ok()?;
        let time = UNIX_EPOCH + Duration::from_secs(now.as_secs());
        let validity = shown.validity();
        let nearest = match time.duration_since(validity.not_after()) {
            Ok(late_by) => {
                let may = shown.issuer() == self.late.issuer && late_by <= self.late.grace;
                (may || self.clock.doubt().is_some()).then_some(validity.not_after())?
            }
            Err(_) => validity.not_before(),
        };
        for issuer in intermediates {
            if !Certificate::from_der(issuer).ok()?.validity().contains(time) {
                return None;
            }
        }
        Some(UnixTime::since_unix_epoch(nearest.duration_since(UNIX_EPOCH).ok()?))
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if let Some(verified) = self.verify_by_issuer(end_entity, now, now) {
            return Ok(verified);
        }
        if bare_key::is_self_issued(end_entity) {
            return bare_key::verify(end_entity, intermediates);
        }
        if intermediates.len() > INTERMEDIATES_MAX {
            return Err(Error::InvalidCertificate(CertificateError::UnknownIssuer));
        }
        let refused = match self.webpki.verify_client_cert(end_entity, intermediates, now) {
            Err(
                error @ Error::InvalidCertificate(
                    CertificateError::Expired
                    | CertificateError::ExpiredContext { .. }
                    | CertificateError::NotValidYet
                    | CertificateError::NotValidYetContext { .. },
                ),
            ) => error,
            otherwise => return otherwise,
        };
        let Some(then) = self.verification_time(end_entity, intermediates, now) else { return Err(refused) };
        match self.verify_by_issuer(end_entity, then, now) {
            Some(verified) => Ok(verified),
            None => self.webpki.verify_client_cert(end_entity, intermediates, then),
        }
    }

    fn offer_client_auth(&self) -> bool {
        self.webpki.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.webpki.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.webpki.root_hint_subjects()
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

/// webpki tries every order of the intermediates as a path: thirty of them cost a hundred signatures.
const INTERMEDIATES_MAX: usize = 3;

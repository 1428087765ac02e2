//! Which client certificates may finish a handshake.

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

use super::issuer::KnownIssuer;

/// As the usual verifier, but for three things. That the root signed our own issuers is not verified again for every client. A certificate
/// that one of them signed may be out of its time where the gate of `grpc` has the last word: an operational one may have expired a while ago
/// (R-LIFE-05), one that was issued while the CA's clock was ahead may not have begun (ADR 0035), and while the clock is in doubt nobody's
/// time is judged here: whoever is refused in the handshake does not learn that it should come again later.
pub(super) struct Clients {
    usual: Arc<dyn ClientCertVerifier>,
    issuers: Vec<KnownIssuer>,
    late: Late,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").field("issuers", &self.issuers).finish_non_exhaustive()
    }
}

/// Who may be late, and by how much.
#[derive(Debug, Clone)]
pub struct Late {
    /// Subject of the issuer whose certificates may be expired, as raw DER.
    pub issuer: Vec<u8>,
    /// For how long.
    pub grace: Duration,
}

impl Clients {
    pub(super) fn new(
        usual: Arc<dyn ClientCertVerifier>,
        issuers: Vec<KnownIssuer>,
        late: Late,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { usual, issuers, late, clock }
    }

    /// Whether one of our issuers, good now, certified a client that was good `then`. `None` tells nothing: the usual verifier has the
    /// last word.
    fn by_a_known_issuer(
        &self,
        end_entity: &CertificateDer<'_>,
        then: UnixTime,
        now: UnixTime,
    ) -> Option<ClientCertVerified> {
        let shown = EndEntityCert::try_from(end_entity).ok()?;
        let issuer = self.issuers.iter().find(|issuer| issuer.is_named_by(&shown))?;
        issuer.verify_client(end_entity, then, now)
    }

    /// The moment of its life that is nearest to now, of a certificate that may be out of its time; `None`: it may not.
    /// The issuers above it must be good now: only the end entity may be late or early.
    fn nearest_second(
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

impl ClientCertVerifier for Clients {
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if let Some(verified) = self.by_a_known_issuer(end_entity, now, now) {
            return Ok(verified);
        }
        if intermediates.len() > INTERMEDIATES_MAX {
            return Err(Error::InvalidCertificate(CertificateError::UnknownIssuer));
        }
        let refused = match self.usual.verify_client_cert(end_entity, intermediates, now) {
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
        let Some(then) = self.nearest_second(end_entity, intermediates, now) else { return Err(refused) };
        match self.by_a_known_issuer(end_entity, then, now) {
            Some(verified) => Ok(verified),
            None => self.usual.verify_client_cert(end_entity, intermediates, then),
        }
    }

    fn offer_client_auth(&self) -> bool {
        self.usual.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.usual.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.usual.root_hint_subjects()
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}

/// An issuer, the root, and one to spare. Every order of them is a path that is tried, and each path is a signature to verify: a stranger
/// with thirty made us verify a hundred.
const INTERMEDIATES_MAX: usize = 3;

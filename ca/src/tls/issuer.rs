//! Our own issuers as trust anchors, verified when the CA starts.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use identity::Validity;
use issuance::Certificate;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use webpki::EndEntityCert;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::TlsError;

/// One of our own issuers, verified by the root once and not for every client: a tenth of a handshake.
#[derive(Debug)]
pub(super) struct OwnIssuer {
    /// The content of its Name, without the outer SEQUENCE.
    subject: Box<[u8]>,
    validity: Validity,
    verifier: Arc<dyn ClientCertVerifier>,
}

impl OwnIssuer {
    /// Verifies the issuer's certificate by one of `roots`.
    pub(super) fn new(
        issuer: &Certificate,
        roots: &[CertificateDer<'_>],
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, TlsError> {
        if !issuer.is_ca() || !roots.iter().any(|root| signed_by(issuer.der(), root)) {
            return Err(TlsError::ForeignIssuer);
        }
        let mut anchor = RootCertStore::empty();
        anchor.add(CertificateDer::from(issuer.der())).map_err(TlsError::Root)?;
        let subject = anchor.roots.first().map(|anchor| anchor.subject.as_ref().into());
        let subject = subject.ok_or(TlsError::ForeignIssuer)?;
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(anchor), Arc::clone(provider))
            .build()
            .map_err(TlsError::Verifier)?;
        Ok(Self { subject, validity: issuer.validity(), verifier })
    }

    /// Verifies a client at `then`; the issuer must be valid `now`. `None`: another may have certified it.
    pub(super) fn verify_client(
        &self,
        end_entity: &CertificateDer<'_>,
        then: UnixTime,
        now: UnixTime,
    ) -> Option<ClientCertVerified> {
        // webpki does not check the validity of a trust anchor.
        if !self.validity.contains(UNIX_EPOCH + Duration::from_secs(now.as_secs())) {
            return None;
        }
        self.verifier.verify_client_cert(end_entity, &[], then).ok()
    }

    pub(super) fn is_named_by(&self, end_entity: &EndEntityCert<'_>) -> bool {
        end_entity.issuer() == &*self.subject
    }
}

fn signed_by(certificate: &[u8], root: &[u8]) -> bool {
    let (Ok((_, certificate)), Ok((_, root))) =
        (X509Certificate::from_der(certificate), X509Certificate::from_der(root))
    else {
        return false;
    };
    certificate.issuer().as_raw() == root.subject().as_raw()
        && certificate.verify_signature(Some(root.public_key())).is_ok()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use identity::{Clock, SystemClock};
    use rustls::crypto::aws_lc_rs;
    use rustls_pki_types::pem::PemObject;

    use super::*;

    /// An installation made by `init`.
    struct Installation(tempfile::TempDir);

    impl Installation {
        async fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            crate::init::Plan::for_a_test(dir.path().join("ca")).made().await;
            Self(dir)
        }

        fn certificate(&self, name: &str) -> CertificateDer<'static> {
            let path: PathBuf = self.0.path().join("ca").join(name);
            CertificateDer::from_pem_file(path).unwrap()
        }

        fn issuer(&self, name: &str) -> Certificate {
            Certificate::from_der(&self.certificate(&format!("issuers/{name}.cert.pem"))).unwrap()
        }

        fn known(&self, name: &str) -> Result<OwnIssuer, TlsError> {
            let roots = [self.certificate("issuers/root.cert.pem")];
            OwnIssuer::new(&self.issuer(name), &roots, &Arc::new(aws_lc_rs::default_provider()))
        }
    }

    fn now() -> UnixTime {
        UnixTime::since_unix_epoch(SystemClock.now().duration_since(UNIX_EPOCH).unwrap())
    }

    #[tokio::test]
    async fn a_client_of_a_known_issuer_is_verified_without_the_root() {
        let ca = Installation::new().await;
        let operator = ca.certificate("operators/admin/cert.pem");
        assert!(ca.known("infrastructure").unwrap().verify_client(&operator, now(), now()).is_some());
        assert!(ca.known("factory").unwrap().verify_client(&operator, now(), now()).is_none());
    }

    #[tokio::test]
    async fn an_issuer_of_another_root_is_never_known() {
        let (ours, theirs) = (Installation::new().await, Installation::new().await);
        // Their names are the same as ours.
        let roots = [ours.certificate("issuers/root.cert.pem")];
        let provider = Arc::new(aws_lc_rs::default_provider());
        let refused = OwnIssuer::new(&theirs.issuer("factory"), &roots, &provider).unwrap_err();
        assert!(matches!(refused, TlsError::ForeignIssuer));
        let operator = theirs.certificate("operators/admin/cert.pem");
        assert!(ours.known("infrastructure").unwrap().verify_client(&operator, now(), now()).is_none());
    }

    #[tokio::test]
    async fn whoever_is_no_issuer_is_never_known() {
        let ca = Installation::new().await;
        let operator = Certificate::from_der(&ca.certificate("operators/admin/cert.pem")).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let above = [ca.certificate("issuers/infrastructure.cert.pem")];
        assert!(OwnIssuer::new(&operator, &above, &provider).is_err());
    }

    #[tokio::test]
    async fn a_server_is_no_client_and_neither_may_have_ended() {
        let ca = Installation::new().await;
        let known = ca.known("infrastructure").unwrap();
        assert!(known.verify_client(&ca.certificate("server/cert.pem"), now(), now()).is_none());
        let operator = ca.certificate("operators/admin/cert.pem");
        let ended = Certificate::from_der(&operator).unwrap().validity().not_after() + Duration::from_secs(1);
        let ended = UnixTime::since_unix_epoch(ended.duration_since(UNIX_EPOCH).unwrap());
        assert!(known.verify_client(&operator, ended, ended).is_none());
        let tomorrow = SystemClock.now() + Duration::from_secs(86_400);
        let validity = Validity::new(tomorrow, tomorrow + Duration::from_secs(86_400)).unwrap();
        let too_early = OwnIssuer { validity, ..known };
        assert!(
            too_early.verify_client(&operator, now(), now()).is_none(),
            "the issuer's own time counts too"
        );
    }
}

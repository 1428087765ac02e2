//! Verification of the CA's server certificate by a device whose clock may be wrong.

use std::sync::Arc;
use std::time::SystemTime;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::certificate::{Credential, earliest_moment, unix_time};

/// The verification of webpki at the earliest possible time: not before the device's time floor, and not
/// before any presented certificate begins (R-LIFE-06, ADR 0014).
#[derive(Debug)]
pub(super) struct TimeFloorVerifier {
    webpki: Arc<WebPkiServerVerifier>,
    floor: SystemTime,
}

impl TimeFloorVerifier {
    /// Trusts the anchors of `credential`. `floor` is the least that the time can be.
    pub(super) fn new(credential: &Credential, floor: SystemTime) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        for anchor in &credential.anchors {
            roots.add(CertificateDer::from(anchor.clone()))?;
        }
        let webpki =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider()))
                .build()
                .map_err(|error| rustls::Error::General(error.to_string()))?;
        Ok(Self { webpki, floor })
    }

    /// Whether presented certificates are valid at exactly `time`.
    pub(super) fn verify_at(
        &self,
        presented: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        time: SystemTime,
    ) -> bool {
        let verify = |leaf, chain| self.webpki.verify_server_cert(leaf, chain, name, &[], unix_time(time));
        presented.split_first().is_some_and(|(leaf, chain)| verify(leaf, chain).is_ok())
    }
}

impl ServerCertVerifier for TimeFloorVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        _clock: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let time = earliest_moment(self.floor, std::iter::once(end_entity).chain(intermediates));
        self.webpki.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, unix_time(time))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

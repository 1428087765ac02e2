//! The TLS configuration of the server.

use std::fmt;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use identity::Clock;
use issuance::Certificate;
use rustls::crypto::aws_lc_rs;
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use rustls::time_provider::TimeProvider;
use rustls::{CipherSuite, RootCertStore, ServerConfig};
use rustls_pki_types::UnixTime;

use super::client_verifier::ClientVerifier;
use super::issuer::OwnIssuer;
use super::{RenewalGrace, ServerCredentials};

/// TLS 1.3 only, X25519MLKEM768 before others, HTTP/2 only, no tickets and no early data: a resumed session
/// would not show the client's certificate again (R-CA-11).
///
/// A client without a certificate finishes the handshake, because health needs none. A certificate must pass
/// `ClientVerifier`; the authority decides what its holder may call. `issuers` are
/// those that certify most clients.
///
/// # Errors
/// When the key does not belong to the certificate, there is no root, or it did not sign an issuer.
pub fn server_config<'a>(
    credentials: ServerCredentials,
    issuers: impl IntoIterator<Item = &'a Certificate>,
    clock: Arc<dyn Clock>,
    late: RenewalGrace,
) -> Result<ServerConfig, TlsError> {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != SUITE);
    let provider = Arc::new(provider);
    let issuers = issuers.into_iter().map(|issuer| OwnIssuer::new(issuer, &credentials.trust, &provider));
    let issuers = issuers.collect::<Result<Vec<_>, _>>()?;
    let mut roots = RootCertStore::empty();
    for root in credentials.trust {
        roots.add(root).map_err(TlsError::Root)?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()
        .map_err(TlsError::Verifier)?;
    let mut config = ServerConfig::builder_with_details(provider, Arc::new(Time(Arc::clone(&clock))))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(TlsError::Certificate)?
        .with_client_cert_verifier(Arc::new(ClientVerifier::new(verifier, issuers, late, clock)))
        .with_single_cert(credentials.chain, credentials.key)
        .map_err(TlsError::Certificate)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.ignore_client_order = true;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

/// The mandatory suite (RFC 8446, section 9.1): SHA-384 costs a small device much more (ADR 0029).
const SUITE: CipherSuite = CipherSuite::TLS13_AES_128_GCM_SHA256;

struct Time(Arc<dyn Clock>);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        self.0.now().duration_since(UNIX_EPOCH).ok().map(UnixTime::since_unix_epoch)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Time")
    }
}

/// Why there is no TLS configuration: the operator must act.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum TlsError {
    #[error("trust.pem holds something that is not a root")]
    Root(#[source] rustls::Error),
    #[error("an issuer's certificate is not signed by a root in trust.pem; do both belong to this CA?")]
    ForeignIssuer,
    #[error("trust.pem holds no root")]
    Verifier(#[source] VerifierBuilderError),
    #[error("the server's certificate and key cannot be used together")]
    Certificate(#[source] rustls::Error),
}

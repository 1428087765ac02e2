//! The TLS of a CA in memory: client certificates under its root, and self-signed ones, which prove a key.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig, SignatureScheme};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::issuers::Issuers;

/// For a server's certificate chain and key (PEM).
pub fn acceptor(issuers: &Issuers, (chain, key): (String, String)) -> TlsAcceptor {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(issuers.root.clone())).unwrap();
    let provider = Arc::new(default_provider());
    let known =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
    let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let mut configuration = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(Arc::new(KnownOrSelfSigned(known)))
        .with_single_cert(chain, key)
        .unwrap();
    configuration.alpn_protocols = vec![b"h2".to_vec()];
    TlsAcceptor::from(Arc::new(configuration))
}

/// Connections that finished the handshake.
pub fn incoming(
    listener: TcpListener,
    acceptor: TlsAcceptor,
) -> ReceiverStream<std::io::Result<TlsStream<TcpStream>>> {
    let (sender, receiver) = tokio::sync::mpsc::channel(16);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (sender, handshake) = (sender.clone(), acceptor.accept(stream));
            tokio::spawn(async move {
                if let Ok(stream) = handshake.await {
                    sender.send(Ok(stream)).await.ok();
                }
            });
        }
    });
    ReceiverStream::new(receiver)
}

#[derive(Debug)]
struct KnownOrSelfSigned(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for KnownOrSelfSigned {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let is_self_signed = X509Certificate::from_der(leaf).is_ok_and(|(_, parsed)| {
            parsed.issuer().as_raw() == parsed.subject().as_raw() && parsed.verify_signature(None).is_ok()
        });
        match is_self_signed {
            true => Ok(ClientCertVerified::assertion()),
            false => self.0.verify_client_cert(leaf, intermediates, now),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

//! Mutual TLS with a credential directory. One of the few rooms that hold a private key: the operator's own mTLS key.

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::Uri;
use zeroize::Zeroizing;

use crate::credential::{CERTIFICATE_FILE, CHAIN_FILE, KEY_FILE, TRUST_FILE, read_private};
use crate::failure::Failure;

/// Connects to one server: TCP, then TLS 1.3 with the credential.
#[derive(Clone)]
pub(crate) struct Connector {
    tls: TlsConnector,
    name: ServerName<'static>,
    address: (String, u16),
}

impl Connector {
    /// Reads the credential in `directory` for a server.
    ///
    /// # Errors
    /// When a file is missing or not PEM, or others than its owner can read the key.
    pub(crate) fn new(directory: &Path, server: &Uri) -> Result<Self, Failure> {
        let host = server.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host.clone())
            .map_err(|_| Failure::usage(format!("{host} is neither a host name nor an address")))?;
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| Failure::local(error.to_string()))?
            .with_root_certificates(trust(&directory.join(TRUST_FILE))?)
            .with_client_auth_cert(chain(directory)?, key(&directory.join(KEY_FILE))?)
            .map_err(|error| {
                Failure::local(format!("{}: certificate and key do not fit: {error}", directory.display()))
            })?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self { tls: Arc::new(config).into(), name, address: (host, server.port_u16().unwrap_or(443)) })
    }

    async fn connect(self) -> io::Result<TokioIo<TlsStream<TcpStream>>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(TokioIo::new(self.tls.connect(self.name, stream).await?))
    }
}

impl tower::Service<Uri> for Connector {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        Box::pin(self.clone().connect())
    }
}

fn trust(path: &Path) -> Result<RootCertStore, Failure> {
    let mut anchors = RootCertStore::empty();
    for certificate in certificates(path)? {
        anchors.add(certificate).map_err(|error| Failure::local(format!("{}: {error}", path.display())))?;
    }
    Ok(anchors)
}

fn chain(directory: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let mut chain = certificates(&directory.join(CERTIFICATE_FILE))?;
    chain.extend(certificates(&directory.join(CHAIN_FILE))?);
    Ok(chain)
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, Failure> {
    let pem: Zeroizing<Vec<u8>> = read_private(path)?;
    PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|_| Failure::local(format!("{}: not a private key in PEM", path.display())))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let pem = std::fs::read(path).map_err(|source| Failure::file(path, source))?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|_| Failure::local(format!("{}: not certificates in PEM", path.display())))?;
    if certificates.is_empty() {
        return Err(Failure::local(format!("{}: no certificate in it", path.display())));
    }
    Ok(certificates)
}

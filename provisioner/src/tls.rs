//! Mutual TLS with the station's credential directory: the only place here that sees the station's private key.

use std::future::Future;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
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

/// Connects to the CA: TCP, then TLS 1.3 with the station's credential.
#[derive(Clone)]
pub struct Connector {
    tls: TlsConnector,
    name: ServerName<'static>,
    address: (String, u16),
}

impl Connector {
    /// Reads the credential in `directory`: `cert.pem`, `chain.pem`, `trust.pem`, `key.pem`.
    ///
    /// # Errors
    /// All that is wrong with it at once.
    pub fn new(directory: &Path, server: &Uri) -> Result<Self, Vec<CredentialError>> {
        let mut mistakes = Vec::new();
        let mut read = |name: &str| {
            certificates(&directory.join(name)).unwrap_or_else(|mistake| {
                mistakes.push(mistake);
                Vec::new()
            })
        };
        let mut chain = read("cert.pem");
        chain.extend(read("chain.pem"));
        let trust = read("trust.pem");
        let key = key(&directory.join("key.pem")).map_err(|mistake| mistakes.push(mistake)).ok();
        let mut anchors = RootCertStore::empty();
        for anchor in trust {
            if anchors.add(anchor).is_err() {
                mistakes.push(CredentialError::NotCertificates { path: directory.join("trust.pem") });
            }
        }
        let host = server.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host.clone())
            .map_err(|_| mistakes.push(CredentialError::ServerName { host: host.clone() }))
            .ok();
        let (true, Some(key), Some(name)) = (mistakes.is_empty(), key, name) else { return Err(mistakes) };
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map(|builder| builder.with_root_certificates(anchors))
            .and_then(|builder| builder.with_client_auth_cert(chain, key))
            .map_err(|source| vec![CredentialError::Unusable { path: directory.to_owned(), source }])?;
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

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CredentialError> {
    let pem =
        std::fs::read(path).map_err(|source| CredentialError::File { path: path.to_owned(), source })?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem).flatten().collect();
    if certificates.is_empty() {
        return Err(CredentialError::NotCertificates { path: path.to_owned() });
    }
    Ok(certificates)
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, CredentialError> {
    let refused = |source| CredentialError::File { path: path.to_owned(), source };
    let mode = std::fs::metadata(path).map_err(refused)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(CredentialError::KeyIsReadable { path: path.to_owned(), mode: mode & 0o777 });
    }
    let pem = Zeroizing::new(std::fs::read(path).map_err(refused)?);
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| CredentialError::NotAKey { path: path.to_owned() })
}

/// Why a credential cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// A file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No certificates in it.
    #[error("{path}: no certificates in PEM")]
    NotCertificates {
        /// Which.
        path: PathBuf,
    },
    /// No key in it.
    #[error("{path}: not a private key in PEM")]
    NotAKey {
        /// Which.
        path: PathBuf,
    },
    /// Others can read the key.
    #[error("{path}: others than its owner can use this key (mode {mode:03o}); run: chmod 600 {path}")]
    KeyIsReadable {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Not a host.
    #[error("{host} is neither a host name nor an address")]
    ServerName {
        /// What it is.
        host: String,
    },
    /// Certificate and key do not fit.
    #[error("{path}: {source}")]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

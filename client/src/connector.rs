//! The way to one server.

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Endpoint, Uri};

use crate::credential::{Credential, CredentialError};

/// Connects to one server: TCP, then TLS 1.3 with the credential.
#[derive(Clone)]
pub struct Connector {
    tls: TlsConnector,
    name: ServerName<'static>,
    address: (String, u16),
}

impl Connector {
    /// Reads the credential in `directory` for a server. The port is 443 unless the server says another.
    ///
    /// # Errors
    /// All that is wrong with it at once.
    pub fn new(directory: &Path, server: &Uri) -> Result<Self, Vec<CredentialError>> {
        let host = server.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host.clone())
            .map_err(|_| vec![CredentialError::ServerName { host: host.clone() }]);
        let (credential, name) = match (Credential::read(directory), name) {
            (Ok(credential), Ok(name)) => (credential, name),
            (credential, name) => {
                let mistakes = [credential.err(), name.err()].into_iter().flatten().flatten();
                return Err(mistakes.collect());
            }
        };
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map(|builder| builder.with_root_certificates(credential.anchors))
            .and_then(|builder| builder.with_client_auth_cert(credential.chain, credential.key))
            .map_err(|source| vec![CredentialError::Unusable { path: directory.to_owned(), source }])?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self { tls: Arc::new(config).into(), name, address: (host, server.port_u16().unwrap_or(443)) })
    }

    async fn connect(self) -> io::Result<TokioIo<TlsStream<TcpStream>>> {
        let (host, port) = self.address;
        let handshake = move |stream: TcpStream| {
            let (tls, name) = (self.tls.clone(), self.name.clone());
            async move {
                stream.set_nodelay(true)?;
                tls.connect(name, stream).await
            }
        };
        Ok(TokioIo::new(dial::connect_and_handshake(&host, port, CONNECT_TIME, handshake).await?))
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

/// The endpoint of a server that a [`Connector`] connects to.
///
/// # Errors
/// When the server's URI has no authority that tonic takes.
pub fn endpoint(server: &Uri) -> Result<Endpoint, tonic::transport::Error> {
    // The connector speaks TLS; tonic is told http so that it adds none of its own.
    let authority = server.authority().map_or("", |authority| authority.as_str());
    Ok(Endpoint::from_shared(format!("http://{authority}"))?.origin(server.clone()))
}

/// For the resolution of the name, all its addresses and the handshake. Shorter than what callers allow for
/// the whole connection, so that people see which address did not answer.
const CONNECT_TIME: Duration = Duration::from_secs(8);

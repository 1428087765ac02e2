//! Connects to one server.

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
    /// Reads the credential in `directory`. The default port is 443. The errors are all mistakes at once.
    pub fn new(directory: &Path, server: &Uri) -> Result<Self, Vec<CredentialError>> {
        let address = dial::host_and_port(server);
        let name = ServerName::try_from(address.0.clone())
            .map_err(|_| vec![CredentialError::ServerName(address.0.clone())]);
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
            .map_err(|source| vec![CredentialError::Unusable(directory.to_owned(), source)])?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self { tls: Arc::new(config).into(), name, address })
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

/// The endpoint for a [`Connector`].
pub fn endpoint(server: &Uri) -> Result<Endpoint, tonic::transport::Error> {
    // The connector speaks TLS; with http, tonic adds no TLS of its own.
    let authority = server.authority().map_or("", |authority| authority.as_str());
    Ok(Endpoint::from_shared(format!("http://{authority}"))?.origin(server.clone()))
}

/// For the name, its addresses and the handshake. Shorter than the callers' limit for the whole connection,
/// so that the error names the address that did not answer.
const CONNECT_TIME: Duration = Duration::from_secs(8);

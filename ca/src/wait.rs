//! `touchmark-ca wait`: connects to gRPC, compares the server's certificate, and asks `/readyz`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cli::Status;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use crate::config::Settings;

/// Returns when the CA of these settings is ready, within `time`. Waiting ends when `process` does, which
/// should become ready.
///
/// # Errors
/// When it is not in time, with the last obstacle, or the process has ended.
pub async fn wait(settings: &Settings, time: Duration, process: Option<u32>) -> Result<(), WaitError> {
    if settings.listen.port() == 0 || settings.metrics_listen.port() == 0 {
        return Err(WaitError::NoPort);
    }
    let certificate = settings.server_credentials.join("cert.pem");
    let expected = CertificateDer::from_pem_file(&certificate)
        .map_err(|error| WaitError::Certificate { path: certificate.clone(), what: error.to_string() })?;
    let deadline = Instant::now() + time;
    let mut obstacle = Obstacle::Nothing;
    loop {
        // An attempt that has begun is finished, so that the obstacle is known.
        let look_until = deadline.max(Instant::now() + ANSWER_TIME * 2);
        match timeout_at(look_until, look(settings, &expected, &certificate)).await {
            // If it has ended, somebody else answers at its addresses.
            Ok(Ok(())) => match process.filter(|process| has_ended(*process)) {
                Some(process) => return Err(WaitError::Ended { process, obstacle: Obstacle::Older }),
                None => return Ok(()),
            },
            Ok(Err(found)) => obstacle = found,
            Err(_) => return Err(WaitError::NotInTime { timeout: time, obstacle }),
        }
        if let Some(process) = process.filter(|process| has_ended(*process)) {
            return Err(WaitError::Ended { process, obstacle });
        }
        if Instant::now() + LOOK_AGAIN >= deadline {
            return Err(WaitError::NotInTime { timeout: time, obstacle });
        }
        sleep(LOOK_AGAIN).await;
    }
}

async fn look(settings: &Settings, expected: &CertificateDer<'static>, file: &Path) -> Result<(), Obstacle> {
    let grpc = reachable(settings.listen);
    let silent = |_| Obstacle::Silent { address: grpc };
    timeout(ANSWER_TIME, handshake(grpc, expected, file)).await.map_err(silent)??;
    let http = reachable(settings.metrics_listen);
    match timeout(ANSWER_TIME, ready(http)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(why)) => Err(Obstacle::NotReady { address: http, why }),
        Err(_) => Err(Obstacle::Silent { address: http }),
    }
}

/// Completes a TLS handshake without a client certificate, and compares the server's with the one of `file`.
async fn handshake(
    address: SocketAddr,
    expected: &CertificateDer<'static>,
    file: &Path,
) -> Result<(), Obstacle> {
    let stream = TcpStream::connect(address).await.map_err(|why| Obstacle::Closed { address, why })?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Expected { certificate: expected.clone(), provider: Arc::clone(&provider) };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| Obstacle::NoTls { address, why: std::io::Error::other(error) })?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::IpAddress(address.ip().into());
    let shaken = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    shaken.map(drop).map_err(|why| match why.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(rustls::Error::InvalidCertificate(_)) => Obstacle::Another { address, file: file.to_owned() },
        _ => Obstacle::NoTls { address, why },
    })
}

/// Accepts only the certificate in the server's credential directory.
#[derive(Debug)]
struct Expected {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Expected {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if *end_entity == self.certificate {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::Error::InvalidCertificate(rustls::CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 only".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Asks `/readyz`; the error says why the CA is not ready.
async fn ready(address: SocketAddr) -> Result<(), String> {
    let text = |error: hyper::Error| error.to_string();
    let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(text)?;
    let request =
        Request::get("/readyz").header(header::HOST, address.to_string()).body(Empty::<Bytes>::new());
    let request = request.map_err(|error| error.to_string())?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(text)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), REASON_BYTES_MAX).collect().await;
        let body = body.map(|body| String::from_utf8_lossy(&body.to_bytes()).trim().to_owned());
        match status {
            StatusCode::OK => Ok(()),
            status => Err(body.ok().filter(|body| !body.is_empty()).unwrap_or_else(|| status.to_string())),
        }
    };
    tokio::pin!(exchange);
    tokio::select! {
        outcome = &mut exchange => outcome,
        _ = connection => exchange.await,
    }
}

/// The loopback address for a server that listens on all addresses.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Whether a process has ended, or is a zombie (proc(5), state Z).
fn has_ended(process: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{process}/stat")) else { return true };
    // The state follows the name, which is in parentheses and can contain anything.
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    matches!(state, Some('Z' | 'X') | None)
}

/// Why the CA is not ready yet.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum Obstacle {
    #[error("there was no time to look")]
    Nothing,
    #[error("another process of the same CA answers at its addresses")]
    Older,
    #[error("nobody listens on {address}: {why}")]
    Closed { address: SocketAddr, why: std::io::Error },
    #[error("another program listens on {address}: its certificate is not {}", file.display())]
    Another { address: SocketAddr, file: PathBuf },
    #[error("what listens on {address} is not this CA: {why}")]
    NoTls { address: SocketAddr, why: std::io::Error },
    #[error("what listens on {address} does not answer")]
    Silent { address: SocketAddr },
    #[error("it is not ready, says http://{address}/readyz: {why}")]
    NotReady { address: SocketAddr, why: String },
}

/// Why the CA did not become ready.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum WaitError {
    #[error("the configuration lets the system choose a port: there is nothing to ask")]
    NoPort,
    #[error("{} cannot be read: {what}", path.display())]
    Certificate { path: PathBuf, what: String },
    #[error("the CA is not ready after {}", humantime::format_duration(*timeout))]
    NotInTime {
        timeout: Duration,
        #[source]
        obstacle: Obstacle,
    },
    #[error("process {process} has ended, and the CA is not ready")]
    Ended {
        process: u32,
        #[source]
        obstacle: Obstacle,
    },
}

impl WaitError {
    /// The exit status.
    pub fn status(&self) -> Status {
        match self {
            Self::NoPort | Self::Certificate { .. } => Status::Unusable,
            Self::NotInTime { .. } => Status::Later,
            Self::Ended { .. } => Status::Failed,
        }
    }

    /// The next step for the operator.
    pub fn next_step(&self) -> String {
        match self {
            Self::NoPort => "name the ports in the configuration: listen and metrics-listen".to_owned(),
            Self::Certificate { .. } => "see server.credentials in the configuration".to_owned(),
            Self::NotInTime { obstacle, .. } | Self::Ended { obstacle, .. } => match obstacle {
                Obstacle::Another { address, .. } | Obstacle::NoTls { address, .. } => format!(
                    "stop what listens on {address} (`ss -ltnp` names it), or change the address in the configuration"
                ),
                _ => "read what touchmark-ca serve wrote to stderr".to_owned(),
            },
        }
    }
}

const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How long one attempt may take.
const ANSWER_TIME: Duration = Duration::from_secs(3);

/// The most that is read of the reason in `/readyz`.
const REASON_BYTES_MAX: usize = 4 * 1024;

//! `touchmark-ca wait`: waits, for a bounded time, until the CA of a configuration answers. It asks what a caller would: the gRPC
//! port for the server's certificate, and then `/readyz`.

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

/// What to wait for, and for how long.
#[derive(Debug)]
pub struct Wait {
    /// The most time that it takes.
    pub timeout: Duration,
    /// The process that is to become ready; when it has ended, there is nothing to wait for.
    pub process: Option<u32>,
}

/// Returns when the CA of these settings answers calls and says that it is ready.
///
/// # Errors
/// What stood in the way when the time was over, or that the process has ended.
pub async fn wait(settings: &Settings, wait: &Wait) -> Result<(), WaitError> {
    if settings.listen.port() == 0 || settings.metrics_listen.port() == 0 {
        return Err(WaitError::NoPort);
    }
    let certificate = settings.server_credentials.join("cert.pem");
    let expected = CertificateDer::from_pem_file(&certificate)
        .map_err(|error| WaitError::Certificate { path: certificate.clone(), what: error.to_string() })?;
    let deadline = Instant::now() + wait.timeout;
    let mut obstacle = Obstacle::Nothing;
    loop {
        // A look that was begun is finished, so that what stands in the way is known.
        let look_until = deadline.max(Instant::now() + ANSWER_TIME * 2);
        match timeout_at(look_until, look(settings, &expected, &certificate)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(found)) => obstacle = found,
            Err(_) => return Err(WaitError::NotInTime { timeout: wait.timeout, obstacle }),
        }
        if let Some(process) = wait.process.filter(|process| has_ended(*process)) {
            return Err(WaitError::Ended { process, obstacle });
        }
        if Instant::now() + LOOK_AGAIN >= deadline {
            return Err(WaitError::NotInTime { timeout: wait.timeout, obstacle });
        }
        sleep(LOOK_AGAIN).await;
    }
}

async fn look(settings: &Settings, expected: &CertificateDer<'static>, file: &Path) -> Result<(), Obstacle> {
    let grpc = reachable(settings.listen);
    match timeout(ANSWER_TIME, handshake(grpc, expected)).await {
        Ok(Ok(())) => {}
        Ok(Err(Shake::Connect(why))) => return Err(Obstacle::Closed { address: grpc, why }),
        Ok(Err(Shake::Another)) => return Err(Obstacle::Another { address: grpc, file: file.to_owned() }),
        Ok(Err(Shake::NoTls(why))) => return Err(Obstacle::NoTls { address: grpc, why }),
        Err(_) => return Err(Obstacle::Silent { address: grpc }),
    }
    let http = reachable(settings.metrics_listen);
    match timeout(ANSWER_TIME, ready(http)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(why)) => Err(Obstacle::NotReady { address: http, why }),
        Err(_) => Err(Obstacle::Silent { address: http }),
    }
}

enum Shake {
    Connect(std::io::Error),
    NoTls(std::io::Error),
    Another,
}

/// Completes a TLS handshake without a client certificate, and compares the server's.
async fn handshake(address: SocketAddr, expected: &CertificateDer<'static>) -> Result<(), Shake> {
    let stream = TcpStream::connect(address).await.map_err(Shake::Connect)?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Expected { certificate: expected.clone(), provider: Arc::clone(&provider) };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| Shake::NoTls(std::io::Error::other(error)))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::IpAddress(address.ip().into());
    match TlsConnector::from(Arc::new(config)).connect(name, stream).await {
        Ok(_) => Ok(()),
        Err(error) => {
            let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            match tls {
                Some(rustls::Error::InvalidCertificate(_)) => Err(Shake::Another),
                _ => Err(Shake::NoTls(error)),
            }
        }
    }
}

/// Takes one certificate and no other: the one that lies where the configuration says.
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

/// Asks `/readyz`; says why not.
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

/// Where something that listens on all addresses is reached on this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Whether a process is gone, or only waits for its parent to notice its end (proc(5), state Z).
fn has_ended(process: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{process}/stat")) else { return true };
    // The state follows the name, which is in parentheses and may hold anything.
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    matches!(state, Some('Z' | 'X') | None)
}

/// What stands between us and a CA that is ready.
#[derive(Debug, thiserror::Error)]
pub enum Obstacle {
    /// It was not looked at to the end.
    #[error("there was no time to look")]
    Nothing,
    /// Nobody listens.
    #[error("nobody listens on {address}: {why}")]
    Closed {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        why: std::io::Error,
    },
    /// Another server has the port.
    #[error("another program listens on {address}: its certificate is not {}", file.display())]
    Another {
        /// Where.
        address: SocketAddr,
        /// The certificate that is expected.
        file: PathBuf,
    },
    /// What listens does not speak TLS 1.3.
    #[error("what listens on {address} is not this CA: {why}")]
    NoTls {
        /// Where.
        address: SocketAddr,
        /// What came of it.
        why: std::io::Error,
    },
    /// It accepts and says nothing.
    #[error("what listens on {address} does not answer")]
    Silent {
        /// Where.
        address: SocketAddr,
    },
    /// It says why it is not ready.
    #[error("it is not ready, says http://{address}/readyz: {why}")]
    NotReady {
        /// Where.
        address: SocketAddr,
        /// Its own words.
        why: String,
    },
}

/// Why waiting ended without a CA that is ready.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    /// Ports that the system chooses are known to nobody else.
    #[error("the configuration lets the system choose a port: there is nothing to ask")]
    NoPort,
    /// The server's certificate cannot be read.
    #[error("{} cannot be read: {what}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        what: String,
    },
    /// The time is over.
    #[error("the CA is not ready after {}", humantime::format_duration(*timeout))]
    NotInTime {
        /// How long it was waited for.
        timeout: Duration,
        /// What stood in the way last.
        #[source]
        obstacle: Obstacle,
    },
    /// The process has ended.
    #[error("process {process} has ended, and the CA is not ready")]
    Ended {
        /// Which.
        process: u32,
        /// What stood in the way last.
        #[source]
        obstacle: Obstacle,
    },
}

impl WaitError {
    /// How the program ends.
    pub fn status(&self) -> Status {
        match self {
            Self::NoPort | Self::Certificate { .. } => Status::Unusable,
            Self::NotInTime { .. } => Status::Later,
            Self::Ended { .. } => Status::Failed,
        }
    }

    /// What to do next.
    pub fn next_step(&self) -> String {
        match self {
            Self::NoPort => "name the ports in the configuration: listen and metrics-listen".to_owned(),
            Self::Certificate { .. } => "see server.credentials in the configuration".to_owned(),
            Self::NotInTime {
                obstacle: Obstacle::Another { address, .. } | Obstacle::NoTls { address, .. },
                ..
            }
            | Self::Ended {
                obstacle: Obstacle::Another { address, .. } | Obstacle::NoTls { address, .. },
                ..
            } => {
                format!(
                    "stop what listens on {address} (`ss -ltnp` names it), or change the address in the configuration"
                )
            }
            Self::NotInTime { .. } | Self::Ended { .. } => {
                "read what touchmark-ca serve wrote to stderr".to_owned()
            }
        }
    }
}

/// A person does not notice it, and a start takes longer.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// On one machine an answer takes milliseconds.
const ANSWER_TIME: Duration = Duration::from_secs(3);

/// Of the reason in `/readyz`.
const REASON_BYTES_MAX: usize = 4 * 1024;

//! Other relying parties: mosquitto and nginx, which read CRLs from files.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::{Credentials, Process};

/// A running relying party. Dropping it stops it gracefully, because a killed master process leaves its
/// workers behind.
#[derive(Debug)]
pub struct Broker {
    kind: Kind,
    address: SocketAddr,
    process: Option<Process>,
    log: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Mosquitto,
    Nginx,
}

/// The result of a device's connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Accepted and served.
    Served,
    /// Refused, with the broker's message.
    Refused(String),
}

impl Broker {
    /// mosquitto on a free port, with its own credential and a file of CRLs.
    pub fn mosquitto(directory: &Path, own: &Credentials, lists: &Path) -> Self {
        let (address, command) = Self::configured(directory, own, lists);
        Self::start(Kind::Mosquitto, address, command, &directory.join("mosquitto.log"))
    }

    fn configured(directory: &Path, own: &Credentials, lists: &Path) -> (SocketAddr, Command) {
        let files = Files::write(directory, own);
        let address = free_address();
        let config = format!(
            "listener {} 127.0.0.1\ncafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true\n\
             use_subject_as_username true\ncrlfile {}\nuser root\n",
            address.port(),
            files.trust.display(),
            files.certificate.display(),
            files.key.display(),
            lists.display(),
        );
        let path = directory.join("mosquitto.conf");
        fs::write(&path, config).expect("it can be written");
        let mut command = program("mosquitto");
        command.arg("-c").arg(&path);
        (address, command)
    }

    /// As [`Broker::mosquitto`], on a machine whose clock is behind by this much.
    pub fn mosquitto_behind(directory: &Path, own: &Credentials, lists: &Path, by: Duration) -> Self {
        let (address, mut command) = Self::configured(directory, own, lists);
        crate::clock::fake(&mut command, &format!("-{}s", by.as_secs()));
        Self::start(Kind::Mosquitto, address, command, &directory.join("mosquitto.log"))
    }

    /// nginx on a free port, with its own credential and a file of CRLs.
    pub fn nginx(directory: &Path, own: &Credentials, lists: &Path) -> Self {
        let (address, command) = Self::nginx_configured(directory, own, lists);
        Self::start(Kind::Nginx, address, command, &directory.join("nginx.log"))
    }

    /// As [`Broker::nginx`], on a machine whose clock is behind by this much.
    pub fn nginx_behind(directory: &Path, own: &Credentials, lists: &Path, by: Duration) -> Self {
        let (address, mut command) = Self::nginx_configured(directory, own, lists);
        crate::clock::fake(&mut command, &format!("-{}s", by.as_secs()));
        Self::start(Kind::Nginx, address, command, &directory.join("nginx.log"))
    }

    fn nginx_configured(directory: &Path, own: &Credentials, lists: &Path) -> (SocketAddr, Command) {
        let files = Files::write(directory, own);
        let address = free_address();
        let at = directory.display();
        let config = format!(
            "daemon off; worker_processes 1; pid {at}/nginx.pid; error_log {at}/nginx.log info;\n\
             events {{ worker_connections 64; }}\n\
             http {{ access_log off; client_body_temp_path {at}/b; proxy_temp_path {at}/p;\n\
             fastcgi_temp_path {at}/f; uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;\n\
             server {{ listen {address} ssl; ssl_protocols TLSv1.3; ssl_certificate {};\n\
             ssl_certificate_key {}; ssl_client_certificate {}; ssl_verify_client on; ssl_verify_depth 2;\n\
             ssl_crl {}; return 200 hello; }} }}\n",
            files.certificate.display(),
            files.key.display(),
            files.trust.display(),
            lists.display(),
        );
        let path = directory.join("nginx.conf");
        fs::write(&path, config).expect("it can be written");
        let log = directory.join("nginx.log");
        let mut command = program("nginx");
        command.arg("-c").arg(&path).arg("-p").arg(directory).arg("-e").arg(&log);
        (address, command)
    }

    fn start(kind: Kind, address: SocketAddr, mut command: Command, log: &Path) -> Self {
        let file = fs::File::options().create(true).append(true).open(log).expect("the log opens");
        let errors = file.try_clone().expect("the log opens twice");
        command.stdin(Stdio::null()).stdout(file).stderr(errors);
        Self { kind, address, process: Some(Process::start(&mut command)), log: log.to_path_buf() }
    }

    /// The process id, for a SIGHUP that reloads its files.
    pub fn id(&self) -> u32 {
        self.process.as_ref().expect("it runs").id()
    }

    /// Its log.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Connects as a device and makes a request; `None` while it does not listen or answer.
    pub async fn admits(&self, device: &Credentials) -> Option<Admission> {
        tokio::time::timeout(ANSWERED_WITHIN, self.ask(device)).await.ok()?
    }

    async fn ask(&self, device: &Credentials) -> Option<Admission> {
        let tcp = TcpStream::connect(self.address).await.ok()?;
        let name = ServerName::try_from("localhost").expect("a name");
        let mut stream = match connector(device).connect(name, tcp).await {
            Ok(stream) => stream,
            Err(why) => return refused(&why),
        };
        let question: &[u8] = match self.kind {
            // CONNECT of MQTT 3.1.1 with a clean session, a minute's keep-alive and the client id `a`.
            Kind::Mosquitto => b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a",
            Kind::Nginx => b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        };
        if let Err(why) = stream.write_all(question).await {
            return refused(&why);
        }
        let mut answer = vec![0; 512];
        // With TLS 1.3 a client learns only now that its certificate was refused.
        match stream.read(&mut answer).await {
            Ok(length) => self.judge(&answer[..length]),
            Err(why) => refused(&why),
        }
    }

    fn judge(&self, answer: &[u8]) -> Option<Admission> {
        let served = match self.kind {
            Kind::Mosquitto => answer == b"\x20\x02\x00\x00",
            Kind::Nginx => answer.starts_with(b"HTTP/1.1 200"),
        };
        match served {
            true => Some(Admission::Served),
            false if answer.is_empty() => None,
            false => Some(Admission::Refused(String::from_utf8_lossy(answer).into_owned())),
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(process) = self.process.take() {
            process.end(ENDED_WITHIN);
        }
    }
}

impl Admission {
    /// Whether it was refused because of its certificate.
    pub fn is_refusal_of_the_certificate(&self) -> bool {
        match self {
            Self::Served => false,
            Self::Refused(said) => {
                said.contains("CertificateRevoked") || said.contains("SSL certificate error")
            }
        }
    }
}

/// A refusal by TLS; `None` for a connection that broke for another reason.
fn refused(why: &std::io::Error) -> Option<Admission> {
    let tls = why.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    tls.map(|tls| Admission::Refused(format!("{tls:?}")))
}

fn connector(device: &Credentials) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    for anchor in device.anchors_der() {
        roots.add(anchor.into()).expect("an anchor");
    }
    let chain = device.presented_der().into_iter().map(CertificateDer::from).collect();
    let key = PrivateKeyDer::from_pem_slice(device.key.as_bytes()).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .expect("usable credentials");
    Arc::new(config).into()
}

/// The broker's own files: the certificate with its chain in one file.
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    trust: PathBuf,
}

impl Files {
    fn write(directory: &Path, own: &Credentials) -> Self {
        own.write(directory);
        let certificate = directory.join("full.pem");
        fs::write(&certificate, format!("{}{}", own.certificate, own.chain)).expect("it can be written");
        Self { certificate, key: directory.join("key.pem"), trust: directory.join("trust.pem") }
    }
}

/// A program that is only on root's PATH.
fn program(name: &str) -> Command {
    let path = ["/usr/sbin", "/usr/bin", "/usr/local/sbin"].map(|place| Path::new(place).join(name));
    let found = path.iter().find(|path| path.exists());
    Command::new(
        found.unwrap_or_else(|| panic!("this test needs {name}: cargo xtask test --install installs it")),
    )
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

/// For the loopback on a busy machine.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// Nothing is left to be served.
const ENDED_WITHIN: Duration = Duration::from_secs(10);

//! A CA as a process: made, run, killed and run again.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::{Caller, Credentials, Process, Program, plain_http};

/// A CA in a directory of its own. Its ports stay the same over restarts.
#[derive(Debug)]
pub struct CertificateAuthority {
    directory: PathBuf,
    process: Option<Process>,
    grpc: Option<SocketAddr>,
    http: Option<SocketAddr>,
    public: Option<SocketAddr>,
    environment: Vec<(String, String)>,
    log: PathBuf,
    stderr: Option<File>,
    core: Option<usize>,
    _own: Option<tempfile::TempDir>,
}

impl CertificateAuthority {
    /// Makes (`init`) and runs (`serve`) one in a temporary directory.
    pub fn start() -> Self {
        let mut authority = Self::founded();
        authority.serve();
        authority
    }

    /// Makes one in a temporary directory, without running it.
    pub fn founded() -> Self {
        let own = tempfile::tempdir().expect("a temporary directory");
        let mut authority = Self::founded_in(&own.path().join("ca"));
        authority._own = Some(own);
        authority
    }

    /// Makes one in this directory, which must not exist, without running it.
    pub fn founded_in(directory: &Path) -> Self {
        Self::founded_with(directory, &[])
    }

    /// Makes one in a temporary directory, without running it. Its certificates name the URLs of CRLs and
    /// OCSP, on a port that is chosen now.
    pub fn founded_with_public_url() -> Self {
        let free =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a free port");
        let own = tempfile::tempdir().expect("a temporary directory");
        let mut authority =
            Self::founded_with(&own.path().join("ca"), &["--public-url", &format!("http://{free}")]);
        authority.public = Some(free);
        authority._own = Some(own);
        authority
    }

    fn founded_with(directory: &Path, arguments: &[&str]) -> Self {
        let mut init = Program::CertificateAuthority.command();
        init.arg("init").arg("--dir").arg(directory).args(["--organization", ORGANIZATION]).args(arguments);
        let output = init.output().expect("touchmark-ca starts");
        assert!(output.status.success(), "init: {}", String::from_utf8_lossy(&output.stderr));
        let directory = directory.to_path_buf();
        let log = directory.with_extension("log");
        Self {
            directory,
            process: None,
            grpc: None,
            http: None,
            public: None,
            environment: Vec::new(),
            log,
            stderr: None,
            core: None,
            _own: None,
        }
    }

    /// The certificate and the key that sign documents, as if a thief called with them.
    pub fn document_signer(&self) -> Credentials {
        let issuers = self.directory.join("issuers");
        let read = |name: &str| std::fs::read_to_string(issuers.join(name)).expect("it is there");
        let names = std::fs::read_dir(&issuers).expect("the issuers' directory");
        let names = names.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        let key: Vec<_> =
            names.filter(|name| name.starts_with("document-") && name.ends_with(".key.pem")).collect();
        assert_eq!(key.len(), 1, "one key signs documents");
        let passphrase = format!("file:{}", self.directory.join("passphrase").display());
        let mut openssl = std::process::Command::new("openssl");
        let openssl = openssl.args(["pkey", "-passin", &passphrase, "-in"]).arg(issuers.join(&key[0]));
        let opened = openssl.output().expect("openssl runs");
        assert!(opened.status.success(), "{opened:?}");
        Credentials {
            certificate: read("document.cert.pem"),
            chain: String::new(),
            key: String::from_utf8(opened.stdout).expect("PEM"),
            trust: read("root.cert.pem"),
        }
    }

    /// Sets an environment variable for the next start.
    pub fn with_environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets an environment variable for the next start; an empty value removes it.
    pub fn set_environment(&mut self, name: &str, value: &str) {
        self.environment.retain(|(known, _)| known != name);
        if !value.is_empty() {
            self.environment.push((name.to_owned(), value.to_owned()));
        }
    }

    /// Tells devices to enrol where it listens, on a port that is chosen now.
    pub fn with_enrollment_at_its_own_address(mut self) -> Self {
        let free =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a free port");
        self.grpc = Some(free);
        let url = format!("https://localhost:{}", free.port());
        self.with_environment("TOUCHMARK_CA_ENROLLMENT_URL", &url)
    }

    /// Puts its log elsewhere than beside its directory.
    pub fn with_log(mut self, log: &Path) -> Self {
        self.log = log.to_path_buf();
        self
    }

    /// Sends its standard error here instead of to its log.
    pub fn with_stderr(mut self, stderr: File) -> Self {
        self.stderr = Some(stderr);
        self
    }

    /// Pins it to this core.
    pub fn pinned_to(mut self, core: usize) -> Self {
        self.core = Some(core);
        self
    }

    /// Runs it and waits until it is ready.
    pub fn serve(&mut self) {
        self.serve_within(READY_WITHIN).unwrap_or_else(|why| panic!("{why}\n{}", self.log_tail()));
    }

    /// Runs it; returns the reason when it is not ready in time.
    pub fn serve_within(&mut self, deadline: Duration) -> Result<(), String> {
        self.process = None;
        let log = match &self.stderr {
            Some(stderr) => stderr.try_clone().expect("it can be opened again"),
            None => File::options().create(true).append(true).open(&self.log).expect("the log opens"),
        };
        let mut command = match self.core {
            Some(core) => Program::CertificateAuthority.command_on(core),
            None => Program::CertificateAuthority.command(),
        };
        command.arg("serve").arg("--config").arg(self.directory.join("ca.toml"));
        command.env("TOUCHMARK_CA_LISTEN", address_or_any(self.grpc));
        command.env("TOUCHMARK_CA_METRICS_LISTEN", address_or_any(self.http));
        command.env("TOUCHMARK_CA_HTTP_LISTEN", address_or_any(self.public));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut process = Process::start(&mut command);
        let ready = first_line(&mut process, deadline)?;
        let ready: serde_json::Value =
            serde_json::from_str(&ready).map_err(|why| format!("{why}: {ready}"))?;
        let address = |key: &str| ready[key].as_str().and_then(|text| text.parse().ok());
        self.grpc = Some(address("grpc").ok_or("the ready line has no grpc address")?);
        self.http = Some(address("http").ok_or("the ready line has no http address")?);
        self.public = Some(address("public").ok_or("the ready line has no public address")?);
        self.process = Some(process);
        Ok(())
    }

    /// Kills it (SIGKILL) and waits.
    pub fn kill(&mut self) {
        self.process.take().expect("it runs").kill();
    }

    /// Stops it (SIGTERM) and waits.
    pub fn stop(&mut self) -> ExitStatus {
        self.process.take().expect("it runs").terminate(STOPPED_WITHIN)
    }

    /// Waits until it ends by itself.
    pub fn ended_within(&mut self, deadline: Duration) -> Option<ExitStatus> {
        self.process.as_mut().expect("it runs").wait(deadline)
    }

    /// Its process, for a test that ends it in another way.
    pub fn take_process(&mut self) -> Process {
        self.process.take().expect("it runs")
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.process().id()).expect("a process id");
        let id = rustix::process::Pid::from_raw(id).expect("a process id");
        rustix::process::kill_process(id, signal).expect("it can be sent");
    }

    /// The text of its metrics.
    pub fn metrics(&self) -> String {
        self.page("/metrics").1
    }

    /// The value of a metric that has no labels.
    pub fn metric(&self, name: &str) -> f64 {
        let metrics = self.metrics();
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is not in\n{metrics}")).parse().expect("a number")
    }

    /// The status line and the body of `/readyz`.
    pub fn readiness(&self) -> (String, String) {
        self.page("/readyz")
    }

    fn page(&self, path: &str) -> (String, String) {
        let (head, body) = plain_http(self.http(), &format!("GET {path} HTTP/1.0\r\nhost: ca\r\n\r\n"), &[]);
        (head.lines().next().unwrap_or_default().to_owned(), String::from_utf8_lossy(&body).into_owned())
    }

    /// Its directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub fn process(&self) -> &Process {
        self.process.as_ref().expect("it runs")
    }

    /// The address for gRPC.
    pub fn grpc(&self) -> SocketAddr {
        self.grpc.expect("it ran")
    }

    /// The address for metrics and health.
    pub fn http(&self) -> SocketAddr {
        self.http.expect("it ran")
    }

    /// The address for CRLs and OCSP.
    pub fn public(&self) -> SocketAddr {
        self.public.expect("it ran")
    }

    /// Its URL, for the configuration of devices and stations.
    pub fn url(&self) -> String {
        format!("https://{}", self.grpc())
    }

    /// The first operator.
    pub fn operator(&self) -> Caller {
        self.caller(&Credentials::read(&self.operator_directory()))
    }

    pub fn operator_credentials(&self) -> Credentials {
        Credentials::read(&self.operator_directory())
    }

    pub fn operator_directory(&self) -> PathBuf {
        self.directory.join("operators/admin")
    }

    /// A caller with these credentials.
    pub fn caller(&self, credentials: &Credentials) -> Caller {
        Caller::new(self.grpc(), credentials)
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits a moment until it logs this: a log line is written after the answer.
    pub fn logs(&self, text: &str) -> bool {
        let end = std::time::Instant::now() + LOGGED_WITHIN;
        while std::time::Instant::now() < end {
            if self.log().contains(text) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

/// The first line of its standard output; the rest is read and dropped, so that it never blocks.
fn first_line(process: &mut Process, deadline: Duration) -> Result<String, String> {
    let stdout = process.child_mut().stdout.take().expect("its standard output is piped");
    let (line, first) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let mut lines = BufReader::new(stdout).lines();
        if let Some(Ok(text)) = lines.next() {
            let _ = line.send(text);
        }
        lines.for_each(drop);
    });
    first
        .recv_timeout(deadline)
        .map_err(|why| format!("touchmark-ca is not ready within {deadline:?}: {why}"))
}

fn address_or_any(address: Option<SocketAddr>) -> String {
    address.map_or_else(|| "127.0.0.1:0".to_owned(), |address| address.to_string())
}

/// The organization of the CA.
pub const ORGANIZATION: &str = "Example Devices";

/// A start reads the ledger; the machine may be busy.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// The longest delay of a log line.
const LOGGED_WITHIN: Duration = Duration::from_secs(10);

/// A graceful stop completes the calls in progress.
const STOPPED_WITHIN: Duration = Duration::from_secs(20);

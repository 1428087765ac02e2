//! The way to the CA: gRPC over mutual TLS with the operator's credential.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use client::{CERTIFICATE_FILE, Connector, CredentialError, Diagnosis, KEY_FILE, diagnose, endpoint};
use serde::Deserialize;
use tonic::transport::{Channel, Uri};

use crate::failure::Failure;

/// How to reach the CA.
#[derive(Debug, Clone, Default, Args)]
pub struct Connection {
    /// The credential directory: cert.pem, chain.pem, trust.pem, key.pem, touchmark.toml
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "DIR", env = "TOUCHMARK_CREDENTIALS", hide_env_values = true)]
    pub credentials: Option<PathBuf>,
    /// The CA, https://HOST:PORT or HOST:PORT [default: as touchmark.toml in the credential directory says]
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "URL", env = "TOUCHMARK_SERVER", hide_env_values = true)]
    pub server: Option<String>,
}

/// The options of every command that calls the CA.
pub(crate) const EVERYWHERE: &str = "Connection and output";

/// `touchmark.toml` in a credential directory.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Settings {
    /// Where the CA listens, for example `https://ca.example.com:8443`.
    server: String,
}

impl Connection {
    /// Where the CA is: as --server says, otherwise as the credential directory says.
    pub(crate) fn server(&self) -> Result<String, Failure> {
        if let Some(server) = &self.server {
            return Ok(server.clone());
        }
        let path = self.directory()?.join("touchmark.toml");
        let text = fs::read_to_string(&path).map_err(|source| {
            Failure::unusable(format!("{}: {source}", path.display()))
                .next("say where the CA is: --server https://HOST:PORT")
        })?;
        let settings: Settings = toml::from_str(&text).map_err(|error| {
            Failure::unusable(format!("{}: {}", path.display(), error.message())).next(
                "it has one field, server = \"https://HOST:PORT\"; or say where the CA is with --server",
            )
        })?;
        Ok(settings.server)
    }

    /// Where the CA is, as a URI.
    ///
    /// # Errors
    /// When it is no such thing, or nobody said it.
    pub(crate) fn uri(&self) -> Result<Uri, Failure> {
        let server = self.server()?;
        client::server(&server).map_err(|error| Failure::usage(error.to_string()))
    }

    /// Opens the connection.
    ///
    /// # Errors
    /// When the credential cannot be used or the CA cannot be reached.
    pub(crate) async fn open(&self) -> Result<Channel, Failure> {
        let uri = self.uri()?;
        let connector = Connector::new(self.directory()?, &uri).map_err(unusable)?;
        let endpoint = endpoint(&uri)
            .map_err(|error| Failure::usage(format!("{uri}: {error}")))?
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .keep_alive_while_idle(true)
            .user_agent(concat!("touchmark/", env!("CARGO_PKG_VERSION")))
            .map_err(|error| Failure::local(error.to_string()))?;
        endpoint.connect_with_connector(connector).await.map_err(|error| {
            let diagnosis = diagnose(&error);
            let next = match diagnosis {
                Diagnosis::NotTls => "use the port of `listen` in ca.toml, 8443 unless it was changed; 8080 and 9443 are its HTTP ports",
                Diagnosis::Expired => {
                    "if this machine's clock is right, the server's certificate has ended: on the CA's machine, `touchmark-ca credential` makes another (docs/operations/server-certificate.md)"
                }
                Diagnosis::NotBegun => {
                    "set this machine's clock, or the CA's (docs/operations/wrong-clock.md)"
                }
                Diagnosis::Stranger => "check that --server and --credentials are of the same CA",
                Diagnosis::Refused | Diagnosis::Other(_) => {
                    "check that `touchmark-ca serve` is running there, and the address; then repeat the command"
                }
            };
            let port = if uri.port().is_none() { " (no port was said, so it is 443; a CA has 8443 unless it was changed)" } else { "" };
            Failure::unreachable(format!("cannot reach the CA at {uri}{port}: {diagnosis}")).next(next)
        })
    }

    /// The credential directory.
    ///
    /// # Errors
    /// When none was given.
    pub(crate) fn directory(&self) -> Result<&Path, Failure> {
        let directory = self.credentials.as_deref().ok_or_else(|| {
            Failure::unusable("no operator credential: use --credentials DIR").next(
                "or set TOUCHMARK_CREDENTIALS; `touchmark-ca init` made the first one, in DIR/operators/admin",
            )
        })?;
        if directory.join(CERTIFICATE_FILE).exists() || directory.join(KEY_FILE).exists() {
            return Ok(directory);
        }
        if directory.is_dir() {
            let within = directory.join("operators/admin");
            let next = match within.is_dir() {
                true => format!("name the operator's directory in it: --credentials {}", within.display()),
                false => "name the directory with cert.pem and key.pem: --credentials DIR; an operator makes one with `touchmark principal issue`".to_owned(),
            };
            return Err(Failure::unusable(format!(
                "{} is not a credential directory: it has neither cert.pem nor key.pem",
                directory.display()
            ))
            .next(next));
        }
        let what = if directory.exists() { "is not a directory" } else { "does not exist" };
        Err(Failure::unusable(format!("the credential directory {} {what}", directory.display())).next(
            "name the directory with cert.pem and key.pem: --credentials DIR; `touchmark-ca init` made the first one, in DIR/operators/admin",
        ))
    }
}

/// All that is wrong with a credential; only with the server's name, it is the person who typed it that must act.
pub(crate) fn unusable(mistakes: Vec<CredentialError>) -> Failure {
    let said = mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n       ");
    match mistakes[..] {
        [CredentialError::ServerName { .. }] => Failure::usage(said),
        _ => Failure::unusable(said).next("use a whole credential: --credentials DIR; an operator makes one with `touchmark principal issue`"),
    }
}

/// Long enough for a handshake over a bad line, short enough for a person.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Longer than the CA takes for its largest order (a manifest of 100,000 serial numbers) on a slow disk.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// A stream that says nothing for hours must find out that the other side is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

//! The connection to the CA: gRPC over mutual TLS with the operator's credential.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use client::{CERTIFICATE_FILE, Connector, CredentialError, Diagnosis, KEY_FILE, diagnose, endpoint};
use proto::v1::lifecycle_service_client::LifecycleServiceClient;
use proto::v1::principal_service_client::PrincipalServiceClient;
use proto::v1::product_service_client::ProductServiceClient;
use proto::v1::revocation_service_client::RevocationServiceClient;
use proto::v1::work_order_service_client::WorkOrderServiceClient;
use serde::Deserialize;
use tonic::transport::{Channel, Uri};

use crate::failure::Failure;

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Connection {
    /// The credential directory: cert.pem, chain.pem, trust.pem, key.pem, touchmark.toml
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "DIR", env = "TOUCHMARK_CREDENTIALS", hide_env_values = true)]
    pub(crate) credentials: Option<PathBuf>,
    /// The CA, https://HOST:PORT or HOST:PORT [default: as touchmark.toml in the credential directory says]
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "URL", env = "TOUCHMARK_SERVER", hide_env_values = true)]
    pub(crate) server: Option<String>,
}

pub(crate) const EVERYWHERE: &str = "Connection and output";

/// `touchmark.toml` in a credential directory.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Settings {
    /// The address of the CA, for example `https://ca.example.com:8443`.
    server: String,
}

impl Connection {
    /// The address of the CA: from --server, otherwise from the credential directory.
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

    pub(crate) fn uri(&self) -> Result<Uri, Failure> {
        let server = self.server()?;
        dial::server(&server).map_err(|error| Failure::usage(error.to_string()))
    }

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

    pub(crate) async fn lifecycle(&self) -> Result<LifecycleServiceClient<Channel>, Failure> {
        Ok(LifecycleServiceClient::new(self.open().await?))
    }

    pub(crate) async fn work_orders(&self) -> Result<WorkOrderServiceClient<Channel>, Failure> {
        Ok(WorkOrderServiceClient::new(self.open().await?))
    }

    pub(crate) async fn products(&self) -> Result<ProductServiceClient<Channel>, Failure> {
        Ok(ProductServiceClient::new(self.open().await?))
    }

    pub(crate) async fn principals(&self) -> Result<PrincipalServiceClient<Channel>, Failure> {
        Ok(PrincipalServiceClient::new(self.open().await?))
    }

    pub(crate) async fn revocations(&self) -> Result<RevocationServiceClient<Channel>, Failure> {
        Ok(RevocationServiceClient::new(self.open().await?))
    }

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

/// All that is wrong with a credential. A wrong server name alone is wrong usage.
pub(crate) fn unusable(mistakes: Vec<CredentialError>) -> Failure {
    let said = mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n       ");
    match mistakes[..] {
        [CredentialError::ServerName { .. }] => Failure::usage(said),
        _ => Failure::unusable(said).next("use a whole credential: --credentials DIR; an operator makes one with `touchmark principal issue`"),
    }
}

/// Long enough for a handshake over a bad line, short enough for a person.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Longer than the CA takes for the largest part of a manifest on a slow disk.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// A stream without messages notices within this time that the CA is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

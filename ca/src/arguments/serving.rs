//! The command lines of `touchmark-ca serve`, and of what is asked before and while it serves: `check-config`
//! and `wait`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::config::{LogFormat, manual};

/// Of `serve`.
#[derive(Debug, Args)]
pub struct ServeArguments {
    /// The configuration, made by init
    #[arg(long, value_name = "FILE", env = "TOUCHMARK_CA_CONFIG")]
    pub config: PathBuf,
    /// How logs are written to stderr; overrides the configuration
    #[arg(long, value_enum)]
    pub log_format: Option<LogFormat>,
}

/// Of `check-config`.
#[derive(Debug, Args)]
pub struct ConfigArguments {
    /// The configuration, made by init
    #[arg(long, value_name = "FILE", env = "TOUCHMARK_CA_CONFIG")]
    pub config: PathBuf,
    /// Print the outcome as one JSON object; errors too, on stderr
    #[arg(long)]
    pub json: bool,
}

/// Of `wait`.
#[derive(Debug, Args)]
pub struct WaitArguments {
    /// The configuration, made by init
    #[arg(long, value_name = "FILE", env = "TOUCHMARK_CA_CONFIG")]
    pub config: PathBuf,
    /// Wait at most this long, for example 30s
    #[arg(long, value_name = "TIME_SPAN", default_value = "30s", value_parser = humantime::parse_duration)]
    pub timeout: Duration,
    /// Stop waiting when this process, touchmark-ca serve, has ended
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,
    /// Print the outcome as one JSON object; errors too, on stderr
    #[arg(long)]
    pub json: bool,
}

pub(super) fn manual_of_config() -> String {
    format!(
        "The configuration is one TOML file. Relative paths in it are relative to the file.\n\n{}Variables that override the \
         file are listed by touchmark-ca serve --help.\n\nExit status:\n  0  it has no mistakes\n  2  wrong usage\n  3  it has \
         mistakes, or cannot be read\n\nExample:\n  touchmark-ca check-config --config /srv/ca/ca.toml",
        manual()
    )
}

pub(super) const SERVE_MORE: &str = "\
When callers are answered, prints one line on stdout:
  {\"ready\":true,\"grpc\":\"127.0.0.1:8443\",\"http\":\"127.0.0.1:9443\",\"public\":\"127.0.0.1:8080\"}
Logs go to stderr. http serves /metrics, /healthz and /readyz; public serves everybody /crl/ISSUER/SHARD.crl,
/crl/ISSUER/full.crl, /issuers/ISSUER.cer and /ocsp.

SIGTERM or SIGINT stops it in order: what was begun is answered. A second one stops it at once.
SIGHUP makes it read the server's credentials and the blocked keys again; the configuration file needs a restart.

Environment; overrides the configuration file; never secrets:
  TOUCHMARK_CA_CONFIG              the file itself
  TOUCHMARK_CA_ORGANIZATION        organization
  TOUCHMARK_CA_LISTEN              listen
  TOUCHMARK_CA_METRICS_LISTEN      metrics-listen
  TOUCHMARK_CA_HTTP_LISTEN         http-listen
  TOUCHMARK_CA_PUBLIC_URL          public-url
  TOUCHMARK_CA_ENROLLMENT_URL      enrollment-url
  TOUCHMARK_CA_LOG_FORMAT          log-format
  TOUCHMARK_CA_BLOCKED_KEYS_FILE   blocked-keys-file
  TOUCHMARK_CA_STORE_DIR           store.dir
  TOUCHMARK_CA_ISSUERS_DIR         issuers.dir
  TOUCHMARK_CA_PASSPHRASE_FILE     issuers.passphrase-file
  TOUCHMARK_CA_SERVER_CREDENTIALS  server.credentials
  TOUCHMARK_LOG                    what is logged: info, debug, ca=debug,info

Exit status: see touchmark-ca --help. A supervisor starts it again after 1; after 2, 3 and 4 a restart does not help.

Example:
  touchmark-ca serve --config /srv/ca/ca.toml --log-format json";

pub(super) const WAIT_MORE: &str = "\
Exit status:
  0  the CA answers and is ready
  1  the process of --pid has ended
  2  wrong usage
  3  the configuration or the server's certificate cannot be used
  7  not ready in time

Example:
  touchmark-ca serve --config /srv/ca/ca.toml 2>ca.log &
  touchmark-ca wait --config /srv/ca/ca.toml --pid $! --timeout 30s";

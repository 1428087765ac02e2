//! The command line of `touchmark-ca`. Its help is the manual.

mod document_signer;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::builder::styling::Styles;
use clap::{Args, Parser, Subcommand};
use identity::PrincipalName;

use crate::config::{LogFormat, manual};
use crate::init::{CredentialFor, Plan, parse_host};

pub use document_signer::DocumentSignerArguments;

/// Touchmark's certificate authority: gives every device its identity, and keeps the record of it.
#[derive(Debug, Parser)]
#[command(name = PROGRAM, version, styles = Styles::plain(), after_help = STATUSES, max_term_width = 100)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a certificate authority in a fresh directory
    #[command(after_help = INIT_FILES)]
    Init(InitArguments),
    /// Serve stations, devices and operators until SIGTERM or SIGINT
    #[command(after_help = SERVE_MORE)]
    Serve(ServeArguments),
    /// Make a credential for the server or an operator here, while the CA does not serve
    ///
    /// For the day when nobody can call the CA: the server's certificate or the last operator's has ended or
    /// is lost. The certificate is on record; credentials from before stay good.
    #[command(after_help = CREDENTIAL_MORE)]
    Credential(CredentialArguments),
    /// Sign the root's CRL anew, with its key here or elsewhere, while the CA does not serve
    ///
    /// Brokers and servers that check every certificate of a chain need it. It is good for 12 months; init
    /// signs the first.
    #[command(after_help = ROOT_CRL_MORE)]
    RootCrl(RootCrlArguments),
    /// Make the key and the certificate that sign closing reports, while the CA does not serve
    ///
    /// init makes the first. An installation that is older than closing reports has none, and a certificate
    /// is good for five years. The root issues it, with its key here or elsewhere.
    #[command(after_help = document_signer::MORE)]
    DocumentSigner(DocumentSignerArguments),
    /// Go on with a ledger that was restored from an older backup, while the CA does not serve
    ///
    /// A CA that finds its ledger older than what it has published does not serve: certificates and
    /// revocations since then are missing. This command says that there is no newer ledger. It cannot be
    /// undone. CRLs get numbers above all before; what was revoked since the backup must be revoked again. It
    /// asks for the organization's name on a terminal, and wants --yes elsewhere.
    #[command(after_help = RESTORED_MORE)]
    AcceptRestoredStore(RestoredArguments),
    /// Say that this machine's clock is right although the ledger says otherwise, while the CA does not serve
    ///
    /// A CA whose clock is more than 5 minutes behind the last entry of its ledger, or at a start 30 days
    /// ahead of it, issues and publishes nothing. Put the clock right first; when it is right, because the CA
    /// stood still for long or its clock was wrong before, confirm it.
    #[command(after_help = CONFIRM_TIME_MORE)]
    ConfirmTime(ConfirmTimeArguments),
    /// Check the configuration and report all mistakes at once
    #[command(after_long_help = manual_of_config())]
    CheckConfig(ConfigArguments),
    /// Wait until the CA answers, for a bounded time; otherwise print what stands in the way
    ///
    /// Asks the gRPC port for the server's certificate, which tells another program on that port apart, and
    /// then /readyz.
    #[command(after_help = WAIT_MORE)]
    Wait(WaitArguments),
    /// Print a completion script for a shell
    #[command(after_help = COMPLETIONS_MORE)]
    Completions {
        /// The shell
        shell: cli::Shell,
    },
}

impl Command {
    /// Whether programs read what it prints.
    pub fn json(&self) -> bool {
        match self {
            Self::Init(InitArguments { json, .. })
            | Self::Credential(CredentialArguments { json, .. })
            | Self::RootCrl(RootCrlArguments { json, .. })
            | Self::DocumentSigner(DocumentSignerArguments { json, .. })
            | Self::AcceptRestoredStore(RestoredArguments { json, .. })
            | Self::ConfirmTime(ConfirmTimeArguments { json, .. })
            | Self::CheckConfig(ConfigArguments { json, .. })
            | Self::Wait(WaitArguments { json, .. }) => *json,
            Self::Serve(_) | Self::Completions { .. } => false,
        }
    }
}

/// Of `init`.
#[derive(Debug, Args)]
pub struct InitArguments {
    /// What to make
    #[command(flatten)]
    pub plan: Plan,
    /// Print what was made as one JSON object; errors too, on stderr
    #[arg(long)]
    pub json: bool,
}

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

/// Of `credential`.
#[derive(Debug, Args)]
pub struct CredentialArguments {
    /// The configuration, made by init
    #[arg(long, value_name = "FILE", env = "TOUCHMARK_CA_CONFIG")]
    pub config: PathBuf,
    /// The directory to make; must not exist
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// For this operator; otherwise for the server
    #[arg(long, value_name = "NAME", conflicts_with = "host")]
    pub operator: Option<PrincipalName>,
    /// A name or address at which the server is reached, besides localhost, 127.0.0.1 and ::1; may be given
    /// again
    #[arg(long, value_name = "NAME_OR_IP", value_parser = parse_host)]
    pub host: Vec<String>,
    /// Print what was made as one JSON object; errors too, on stderr
    #[arg(long)]
    pub json: bool,
}

/// Of `root-crl`.
#[derive(Debug, Args)]
pub struct RootCrlArguments {
    /// The configuration, made by init
    #[arg(long, value_name = "FILE", env = "TOUCHMARK_CA_CONFIG")]
    pub config: PathBuf,
    /// Write what is to be signed into this new file, for a key that is elsewhere, and sign nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["import", "signature"])]
    pub export: Option<PathBuf>,
    /// Publish what --export wrote and the root's key signed elsewhere
    #[arg(long, value_name = "FILE", requires = "signature")]
    pub import: Option<PathBuf>,
    /// That signature: ECDSA in DER, as openssl dgst -sign writes it
    #[arg(long, value_name = "FILE", requires = "import")]
    pub signature: Option<PathBuf>,
    /// Print what was made as one JSON object; errors too, on stderr
    #[arg(long)]
    pub json: bool,
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

/// Of `accept-restored-store`.
#[derive(Debug, Args)]
pub struct RestoredArguments {
    /// The configuration, made by init
    #[arg(long, value_name = "FILE", env = "TOUCHMARK_CA_CONFIG")]
    pub config: PathBuf,
    /// It is meant: do not ask
    #[arg(long)]
    pub yes: bool,
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

/// Of `confirm-time`.
#[derive(Debug, Args)]
pub struct ConfirmTimeArguments {
    /// The configuration, made by init
    #[arg(long, value_name = "FILE", env = "TOUCHMARK_CA_CONFIG")]
    pub config: PathBuf,
    /// The time now, by another clock than this machine's, at most 5 minutes from it: this is the
    /// confirmation
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub time: SystemTime,
    /// For people who read the ledger, at most 256 characters: what was wrong, and who looked
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true, value_parser = parse_remark)]
    pub remark: String,
    /// Print the outcome as one JSON object; errors too, on stderr
    #[arg(long)]
    pub json: bool,
}

fn parse_remark(text: &str) -> Result<String, String> {
    if text.chars().count() <= REMARK_MAX {
        Ok(text.to_owned())
    } else {
        Err(format!("at most {REMARK_MAX} characters"))
    }
}

/// Of a remark, in characters.
const REMARK_MAX: usize = 256;

fn parse_time(text: &str) -> Result<SystemTime, String> {
    humantime::parse_rfc3339(text).map_err(|_| "write it as 2026-11-27T16:00:00Z".to_owned())
}

impl CredentialArguments {
    /// Whose credential it will be.
    pub fn holder(&self) -> CredentialFor {
        match &self.operator {
            Some(name) => CredentialFor::Operator { name: name.clone() },
            None => CredentialFor::Server { hosts: self.host.clone() },
        }
    }
}

fn manual_of_config() -> String {
    format!(
        "The configuration is one TOML file. Relative paths in it are relative to the file.\n\n{}Variables that override the \
         file are listed by touchmark-ca serve --help.\n\nExit status:\n  0  it has no mistakes\n  2  wrong usage\n  3  it has \
         mistakes, or cannot be read\n\nExample:\n  touchmark-ca check-config --config /srv/ca/ca.toml",
        manual()
    )
}

/// The program's name, as it stands before each of its errors.
pub const PROGRAM: &str = "touchmark-ca";

const STATUSES: &str = "\
Exit status:
  0  done; serve: stopped in order
  1  failed; trying again may help; serve: also when a part that it needs has ended (a supervisor starts it again)
  2  wrong usage
  3  the configuration, a key, a certificate or a passphrase cannot be used
  4  the ledger is damaged, missing, or older than what was published
  5  not confirmed; nothing was changed
  7  wait: the CA was not ready in time

Errors go to stderr: what happened, because of what, and what to do next.

Example:
  touchmark-ca init --dir /srv/ca --organization 'Example Devices' --host ca.example.com
  touchmark-ca serve --config /srv/ca/ca.toml";

const INIT_FILES: &str = "\
Makes, all or nothing:
  DIR/ca.toml             the configuration
  DIR/passphrase          opens the issuers' keys; keep a copy elsewhere
  DIR/issuers/            root, factory, operational, infrastructure: NAME.cert.pem, and NAME.key.pem (encrypted PKCS#8);
                          root.crl, the root's CRL, for 12 months; document.cert.pem and document-KEY.key.pem, which
                          sign closing reports
  DIR/crl-epoch           the numbers of CRLs, and how far the ledger was; serving makes DIR/publication/ beside it
  DIR/server/             the server's credentials: cert.pem, chain.pem, trust.pem, key.pem
  DIR/operators/admin/    the first operator's credentials, and touchmark.toml for the program touchmark
  DIR/store/              the ledger, with all of these certificates on record

Private keys have mode 0600. Take DIR/issuers/root.key.pem offline: serving does not need it.
A run that is killed leaves DIR as it was, and beside it a directory .NAME.init-PID that can be removed.

Exit status: see touchmark-ca --help.

Example:
  touchmark-ca init --dir /srv/ca --organization 'Example Devices' --host ca.example.com \\
      --listen 0.0.0.0:8443 --enrollment-url https://ca.example.com:8443";

const CREDENTIAL_MORE: &str = "\
The server's names are those that are given here, not those of its certificate so far.
Put the server's new directory where server.credentials of the configuration says, then start the CA.

Exit status: see touchmark-ca --help.

Example:
  touchmark-ca credential --config /srv/ca/ca.toml --out /srv/ca/server-2 --host ca.example.com
  touchmark-ca credential --config /srv/ca/ca.toml --out /srv/ca/operators/admin-2 --operator admin";

const ROOT_CRL_MORE: &str = "\
With --export and --import the root's key stays where it is. Without them it is taken from
root.key.pem in the directory of the issuers: put it there, and take it offline again after.
The CA publishes the new CRL from its next start.

Exit status: see touchmark-ca --help.

Example:
  touchmark-ca root-crl --config /srv/ca/ca.toml --export root-crl.tbs
  openssl dgst -sha256 -sign root.key.pem -out root-crl.sig root-crl.tbs   # where the key is
  touchmark-ca root-crl --config /srv/ca/ca.toml --import root-crl.tbs --signature root-crl.sig";

const RESTORED_MORE: &str = "\
Exit status: see touchmark-ca --help.

Example:
  touchmark-ca accept-restored-store --config /srv/ca/ca.toml";

const WAIT_MORE: &str = "\
Exit status:
  0  the CA answers and is ready
  1  the process of --pid has ended
  2  wrong usage
  3  the configuration or the server's certificate cannot be used
  7  not ready in time

Example:
  touchmark-ca serve --config /srv/ca/ca.toml 2>ca.log &
  touchmark-ca wait --config /srv/ca/ca.toml --pid $! --timeout 30s";

const COMPLETIONS_MORE: &str = "\
Exit status: see touchmark-ca --help.

Example:
  touchmark-ca completions bash > /etc/bash_completion.d/touchmark-ca";

const CONFIRM_TIME_MORE: &str = "\
Only who can open the ledger on this machine can do this; nobody can over the network. The ledger keeps it.

Exit status: see touchmark-ca --help.

Example:
  touchmark-ca confirm-time --config /srv/ca/ca.toml --time 2026-11-27T16:00:00Z \\
      --remark 'clock battery replaced'";

const SERVE_MORE: &str = "\
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

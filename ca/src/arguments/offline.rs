//! The command lines of what is done on the CA's machine while the CA does not serve: `credential`,
//! `root-crl`, `accept-restored-store` and `confirm-time`.

use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;
use identity::PrincipalName;

use crate::init::{CredentialFor, parse_host};

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

impl CredentialArguments {
    /// Whose credential it will be.
    pub fn holder(&self) -> CredentialFor {
        match &self.operator {
            Some(name) => CredentialFor::Operator { name: name.clone() },
            None => CredentialFor::Server { hosts: self.host.clone() },
        }
    }
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

pub(super) const CREDENTIAL_MORE: &str = "\
The server's names are those that are given here, not those of its certificate so far.
Put the server's new directory where server.credentials of the configuration says, then start the CA.

Exit status: see touchmark-ca --help.

Example:
  touchmark-ca credential --config /srv/ca/ca.toml --out /srv/ca/server-2 --host ca.example.com
  touchmark-ca credential --config /srv/ca/ca.toml --out /srv/ca/operators/admin-2 --operator admin";

pub(super) const ROOT_CRL_MORE: &str = "\
With --export and --import the root's key stays where it is. Without them it is taken from
root.key.pem in the directory of the issuers: put it there, and take it offline again after.
The CA publishes the new CRL from its next start.

Exit status: see touchmark-ca --help.

Example:
  touchmark-ca root-crl --config /srv/ca/ca.toml --export root-crl.tbs
  openssl dgst -sha256 -sign root.key.pem -out root-crl.sig root-crl.tbs   # where the key is
  touchmark-ca root-crl --config /srv/ca/ca.toml --import root-crl.tbs --signature root-crl.sig";

pub(super) const RESTORED_MORE: &str = "\
Exit status: see touchmark-ca --help.

Example:
  touchmark-ca accept-restored-store --config /srv/ca/ca.toml";

pub(super) const CONFIRM_TIME_MORE: &str = "\
Only who can open the ledger on this machine can do this; nobody can over the network. The ledger keeps it.

Exit status: see touchmark-ca --help.

Example:
  touchmark-ca confirm-time --config /srv/ca/ca.toml --time 2026-11-27T16:00:00Z \\
      --remark 'clock battery replaced'";

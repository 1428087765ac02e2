//! The command lines of `touchmark-ca ledger`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Of `ledger`.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Check every entry of the ledger, and that it has what a checkpoint from outside says
    ///
    /// Reads the ledger's files, while the CA serves or without it, and computes the Merkle tree anew. With a
    /// checkpoint that was kept elsewhere it proves that nothing before it was changed, removed or added.
    /// Without one it finds damage, but not a ledger that somebody has made anew.
    #[command(after_help = VERIFY_MORE)]
    Verify(VerifyArguments),
    /// Print the public key that checkpoints of the ledger are verified with; keep it elsewhere
    #[command(after_help = PUBLIC_KEY_MORE)]
    PublicKey(PublicKeyArguments),
}

/// Of `ledger verify`.
#[derive(Debug, Args)]
pub struct VerifyArguments {
    /// The configuration, made by init
    #[arg(long, value_name = "FILE", env = "TOUCHMARK_CA_CONFIG", required_unless_present = "dir")]
    pub config: Option<PathBuf>,
    /// The directory of the ledger's files, instead of the configuration's: for a copy
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// The directory of its archives, for those that are not where they were put [default: log.archive-dir of
    /// the configuration]
    #[arg(long, value_name = "DIR")]
    pub archive_dir: Option<PathBuf>,
    /// A checkpoint that was fetched from /ledger/checkpoint and kept elsewhere
    #[arg(long, value_name = "FILE", requires = "public_key")]
    pub checkpoint: Option<PathBuf>,
    /// The public key as ledger public-key printed it, kept elsewhere
    #[arg(long, value_name = "FILE", requires = "checkpoint")]
    pub public_key: Option<PathBuf>,
    /// Print the result as one JSON object; errors too, on stderr
    #[arg(long)]
    pub json: bool,
}

/// Of `ledger public-key`.
#[derive(Debug, Args)]
pub struct PublicKeyArguments {
    /// The configuration, made by init
    #[arg(long, value_name = "FILE", env = "TOUCHMARK_CA_CONFIG")]
    pub config: PathBuf,
    /// As PEM, for openssl
    #[arg(long, conflicts_with = "json")]
    pub pem: bool,
    /// Print both forms as one JSON object; errors too, on stderr
    #[arg(long)]
    pub json: bool,
}

pub(super) const MORE: &str = "\
Exit status: see touchmark-ca --help.

Example:
  touchmark-ca ledger verify --config /srv/ca/ca.toml";

const VERIFY_MORE: &str = "\
Exit status:
  0  every entry is as it was recorded, and those up to the checkpoint are those that were signed
  1  failed; trying again may help
  2  wrong usage
  3  the configuration, the checkpoint or the key cannot be used
  4  the ledger is not as it was recorded or signed; the error names file, offset and entry

Example:
  touchmark-ca ledger public-key --config /srv/ca/ca.toml > ledger.pub   # once; keep it elsewhere
  curl -so checkpoint http://ca.example.com:8080/ledger/checkpoint       # often; keep it elsewhere
  touchmark-ca ledger verify --config /srv/ca/ca.toml \\
      --checkpoint checkpoint --public-key ledger.pub";

const PUBLIC_KEY_MORE: &str = "\
Exit status: see touchmark-ca --help.

Example:
  touchmark-ca ledger public-key --config /srv/ca/ca.toml > ledger.pub";

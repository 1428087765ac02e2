//! The command line of `touchmark-ca document-signer`.

use std::path::PathBuf;

use clap::Args;

/// Of `document-signer`.
#[derive(Debug, Args)]
pub struct DocumentSignerArguments {
    /// The configuration, made by init
    #[arg(long, value_name = "FILE", env = "TOUCHMARK_CA_CONFIG")]
    pub config: PathBuf,
    /// Make the key, write what is to be signed into this new file, for a root's key that is elsewhere, and
    /// sign nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["import", "signature"])]
    pub export: Option<PathBuf>,
    /// Use what --export wrote and the root's key signed elsewhere
    #[arg(long, value_name = "FILE", requires = "signature")]
    pub import: Option<PathBuf>,
    /// That signature: ECDSA in DER, as openssl dgst -sign writes it
    #[arg(long, value_name = "FILE", requires = "import")]
    pub signature: Option<PathBuf>,
    /// Print what was made as one JSON object; errors too, on stderr
    #[arg(long)]
    pub json: bool,
}

pub(super) const MORE: &str = "\
With --export and --import the root's key stays where it is. Without them it is taken from
root.key.pem in the directory of the issuers: put it there, and take it offline again after.
The CA signs with the new key from its next start. Documents that were signed before stay good.

Exit status: see touchmark-ca --help.

Example:
  touchmark-ca document-signer --config /srv/ca/ca.toml --export document.tbs
  openssl dgst -sha256 -sign root.key.pem -out document.sig document.tbs   # where the key is
  touchmark-ca document-signer --config /srv/ca/ca.toml --import document.tbs --signature document.sig";

//! The command line of `touchmark-ca init`.

use clap::Args;

use crate::init::Plan;

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

pub(super) const FILES: &str = "\
Makes, all or nothing:
  DIR/ca.toml             the configuration
  DIR/passphrase          opens the issuers' keys; keep a copy elsewhere
  DIR/issuers/            root, factory, operational, infrastructure: NAME.cert.pem, and NAME.key.pem (encrypted PKCS#8);
                          root.crl, the root's CRL, for 12 months; document.cert.pem and document-KEY.key.pem, which
                          sign closing reports; ledger.key.pem and ledger.pub, which sign and
                          verify checkpoints of the ledger
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

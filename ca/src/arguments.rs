//! The command line of `touchmark-ca`. Its help is the manual.

mod archive;
mod document_signer;
mod init;
mod ledger;
mod offline;
mod serving;

use clap::builder::styling::Styles;
use clap::{Parser, Subcommand};

pub use archive::{ArchiveCommand, ArchivesOf, CreateArguments, ListArguments, VerifyArchivesArguments};
pub use document_signer::DocumentSignerArguments;
pub use init::InitArguments;
pub use ledger::{LedgerCommand, PublicKeyArguments, VerifyArguments};
pub use offline::{ConfirmTimeArguments, CredentialArguments, RestoredArguments, RootCrlArguments};
pub use serving::{ConfigArguments, ServeArguments, WaitArguments};

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
    #[command(after_help = init::FILES)]
    Init(InitArguments),
    /// Serve stations, devices and operators until SIGTERM or SIGINT
    #[command(after_help = serving::SERVE_MORE)]
    Serve(ServeArguments),
    /// Make a credential for the server or an operator here, while the CA does not serve
    ///
    /// For the day when nobody can call the CA: the server's certificate or the last operator's has ended or
    /// is lost. The certificate is on record; credentials from before stay good.
    #[command(after_help = offline::CREDENTIAL_MORE)]
    Credential(CredentialArguments),
    /// Sign the root's CRL anew, with its key here or elsewhere, while the CA does not serve
    ///
    /// Brokers and servers that check every certificate of a chain need it. It is good for 12 months; init
    /// signs the first.
    #[command(after_help = offline::ROOT_CRL_MORE)]
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
    #[command(after_help = offline::RESTORED_MORE)]
    AcceptRestoredStore(RestoredArguments),
    /// Say that this machine's clock is right although the ledger says otherwise, while the CA does not serve
    ///
    /// A CA whose clock is more than 5 minutes behind the last entry of its ledger, or at a start 30 days
    /// ahead of it, issues and publishes nothing. Put the clock right first; when it is right, because the CA
    /// stood still for long or its clock was wrong before, confirm it.
    #[command(after_help = offline::CONFIRM_TIME_MORE)]
    ConfirmTime(ConfirmTimeArguments),
    /// Compress old ledger files into archives, which may lie on another disk, and verify those
    #[command(subcommand, after_help = ARCHIVE_MORE)]
    Archive(ArchiveCommand),
    /// Prove that the ledger was not changed
    #[command(subcommand, after_help = ledger::MORE)]
    Ledger(LedgerCommand),
    /// Check the configuration and report all mistakes at once
    #[command(after_long_help = serving::manual_of_config())]
    CheckConfig(ConfigArguments),
    /// Wait until the CA answers, for a bounded time; otherwise print what stands in the way
    ///
    /// Asks the gRPC port for the server's certificate, which tells another program on that port apart, and
    /// then /readyz.
    #[command(after_help = serving::WAIT_MORE)]
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
            | Self::Ledger(
                LedgerCommand::Verify(VerifyArguments { json, .. })
                | LedgerCommand::PublicKey(PublicKeyArguments { json, .. }),
            )
            | Self::Wait(WaitArguments { json, .. }) => *json,
            Self::Archive(command) => command.json(),
            Self::Serve(_) | Self::Completions { .. } => false,
        }
    }
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

const ARCHIVE_MORE: &str = "\
Exit status: see touchmark-ca --help.

Example:
  touchmark-ca archive create --config /srv/ca/ca.toml --older-than-days 365 --to /mnt/archive
  touchmark-ca archive verify --dir /mnt/archive";

const COMPLETIONS_MORE: &str = "\
Exit status: see touchmark-ca --help.

Example:
  touchmark-ca completions bash > /etc/bash_completion.d/touchmark-ca";

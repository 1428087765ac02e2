//! How the program ends: a status for each kind of failure (`docs/cli.md`).

use std::io::ErrorKind;

use authority::OpenAuthorityError;
use cli::{Complaint, Status};
use publication::{CrlNumberError, RootCrlError};
use signer::IssuersError;
use store::{LogError, StoreError};

use crate::archive::ArchiveError;
use crate::arguments::PROGRAM;
use crate::config::{ConfigError, Exposure};
use crate::init::InitError;
use crate::ledger::VerifyError;
use crate::serve::{NAMES_NEXT, OpenError, ServeError};
use crate::wait::WaitError;

/// Why the program failed.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Init(#[from] InitError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    Wait(#[from] WaitError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Verify(#[from] VerifyError),
    #[error("not confirmed; nothing was changed")]
    NotConfirmed,
    #[error("the CA could not serve with this configuration")]
    Check(#[source] OpenError),
    #[error("the result cannot be written as JSON")]
    Output(#[source] serde_json::Error),
    #[error("cannot write to stdout")]
    Print(#[source] std::io::Error),
}

impl Failure {
    /// How the program ends.
    pub fn status(&self) -> Status {
        match self {
            Self::Config(ConfigError::Exposed { exposures })
                if exposures.iter().any(Exposure::is_of_state) =>
            {
                Status::Damaged
            }
            Self::Config(_) => Status::Unusable,
            Self::Check(error) => of_open(error),
            Self::Init(error) => of_init(error),
            Self::Serve(error) => of_serve(error),
            Self::Wait(error) => error.status(),
            Self::Archive(error) => of_archive(error),
            Self::Verify(error) => of_verify(error),
            Self::NotConfirmed => Status::NotConfirmed,
            Self::Output(_) | Self::Print(_) => Status::Failed,
        }
    }

    /// What happened, because of what, and what to do next.
    pub fn complaint(&self) -> Complaint {
        let complaint = Complaint::of(PROGRAM, self.status(), self);
        match self.next_step() {
            Some(next) => complaint.next(next),
            None => complaint,
        }
    }

    fn next_step(&self) -> Option<String> {
        let next = match self {
            Self::Config(ConfigError::Read { .. }) => {
                "name the file that touchmark-ca init made: --config DIR/ca.toml"
            }
            Self::Config(ConfigError::Exposed { .. }) => {
                "find out who could have changed it, and close it as said; nothing was changed"
            }
            Self::Config(ConfigError::Mistakes { .. }) => {
                "correct them; touchmark-ca check-config --help lists all fields"
            }
            Self::Init(InitError::OnRecord { serial_number, .. }) => {
                return Some(format!(
                    "run the command again when it can be written; once the CA serves, revoke the one that is lost: \
                     touchmark revoke --certificate {serial_number}"
                ));
            }
            Self::Init(error) => init_step(error)?,
            Self::Serve(ServeError::Listen { .. }) => {
                "stop what has the address (`ss -ltnp` names it), or change the address in the configuration"
            }
            Self::Serve(ServeError::Open(error)) | Self::Check(error) => open_step(error)?,
            Self::Serve(ServeError::Store(_) | ServeError::Task(_)) => {
                "start it again; if it ends at once, read docs/operations/restart-backup-restore.md"
            }
            Self::Serve(ServeError::Descriptors | ServeError::Signals(_))
            | Self::Output(_)
            | Self::Print(_) => {
                return None;
            }
            Self::Wait(error) => return Some(error.next_step()),
            Self::Archive(error) => archive_step(error)?,
            Self::Verify(error) => verify_step(error)?,
            Self::NotConfirmed => "say --yes when it is meant and nobody can be asked",
        };
        Some(next.to_owned())
    }
}

fn init_step(error: &InitError) -> Option<&'static str> {
    Some(match error {
        InitError::Exists { .. } => "choose another directory",
        InitError::Ledger(store::OpenError::InUse { .. }) => {
            "stop the CA first, run the command again, and start the CA again"
        }
        InitError::Ledger(error) => store_step(error)?,
        InitError::CrlNumbers(error) => numbers_step(error)?,
        InitError::Option { .. } | InitError::Host(_) => {
            "correct it; touchmark-ca init --help says what each option takes"
        }
        InitError::Clock(_) => {
            "put the clock right; if it is right, confirm it with touchmark-ca confirm-time (docs/operations/wrong-clock.md)"
        }
        InitError::OtherTime { .. } => "put this machine's clock right, or look again at the other one",
        InitError::RootCrl(RootCrlError::Overtaken { .. }) => {
            "the CA publishes what is here from its next start; for a newer list, export again"
        }
        InitError::DocumentKey(_) => "export again, and have that signed",
        InitError::RootKey { .. } => "bring the key back for this, or sign elsewhere: see --export",
        InitError::Passphrase(_) | InitError::Issuers(IssuersError::Passphrase(_)) => {
            "see issuers.passphrase-file in the configuration: one line, mode 0600"
        }
        InitError::OtherInstallation => "use the issuers and the ledger of one installation",
        _ => return None,
    })
}

fn archive_step(error: &ArchiveError) -> Option<&'static str> {
    Some(match error {
        ArchiveError::NoDirectory => "say --to DIR, or log.archive-dir in the configuration",
        ArchiveError::NoManifest { .. } => "name the directory that archive create has made",
        ArchiveError::Faults { .. } => {
            "restore them from a backup (docs/operations/archive.md); delete nothing"
        }
        ArchiveError::Log(LogError::ArchiveMissing { .. }) => {
            "put it back, or say in the configuration where it is (log.archive-dir)"
        }
        ArchiveError::Log(_) => "see docs/operations/archive.md; no entry was lost by this command",
        ArchiveError::Told => return None,
    })
}

fn verify_step(error: &VerifyError) -> Option<&'static str> {
    Some(match error {
        VerifyError::Ledger(error) => store_step(error)?,
        VerifyError::Shorter { .. } | VerifyError::Differs { .. } => {
            "find out who or what changed the ledger; restore the one that was signed from a backup (docs/operations/prove-the-ledger.md)"
        }
        VerifyError::Read { .. } | VerifyError::Unusable { .. } => {
            "see touchmark-ca ledger verify --help for where both come from"
        }
        VerifyError::Thread => return None,
    })
}

fn open_step(error: &OpenError) -> Option<&'static str> {
    Some(match error {
        OpenError::Issuers(IssuersError::Passphrase(_)) => {
            "see issuers.passphrase-file in the configuration: one line, mode 0600"
        }
        OpenError::Credentials(_)
        | OpenError::ForeignServer
        | OpenError::NotAServer { .. }
        | OpenError::ServerRevoked
        | OpenError::Tls(_) => {
            "make another with touchmark-ca credential (docs/operations/server-certificate.md)"
        }
        OpenError::OtherName { .. } => NAMES_NEXT,
        OpenError::Store(error) => store_step(error)?,
        OpenError::CrlNumbers(error) => numbers_step(error)?,
        OpenError::Authority(OpenAuthorityError::OtherInstallation { .. }) => {
            "use the issuers and the ledger of one installation"
        }
        OpenError::Authority(OpenAuthorityError::Store(StoreError::IndexDamaged { .. })) => {
            "start it again: the index is then built from the ledger (docs/operations/projection-rebuild.md)"
        }
        _ => return None,
    })
}

fn numbers_step(error: &CrlNumberError) -> Option<&'static str> {
    Some(match error {
        CrlNumberError::OlderLedger { .. } => OLDER_LEDGER_NEXT,
        CrlNumberError::Read { .. } | CrlNumberError::Damaged { .. } => {
            "if a copy is there, put it back; if it is lost, begin anew: touchmark-ca accept-restored-store --config FILE"
        }
        _ => return None,
    })
}

fn store_step(error: &store::OpenError) -> Option<&'static str> {
    Some(match error {
        store::OpenError::InUse { .. } => "stop the other process first",
        store::OpenError::Missing { .. } => {
            "see store.dir in the configuration; restore the ledger from a backup, or make an installation with touchmark-ca init"
        }
        store::OpenError::LostEnd { .. } => OLDER_LEDGER_NEXT,
        store::OpenError::TooNew { .. } => "run the version of touchmark-ca that wrote it, or a later one",
        store::OpenError::Log(LogError::Damaged { .. }) => {
            "restore the ledger from a backup (docs/operations/restart-backup-restore.md)"
        }
        store::OpenError::Log(LogError::ArchiveMissing { .. }) => {
            "put the archive back, or say in the configuration where it is (docs/operations/archive.md)"
        }
        store::OpenError::Log(LogError::Io { source, .. }) if source.kind() == ErrorKind::StorageFull => {
            "make room on the disk (docs/operations/full-disk.md)"
        }
        _ => return None,
    })
}

fn of_init(error: &InitError) -> Status {
    match error {
        InitError::Ledger(error) => of_opening(error),
        InitError::Store(error) => of_store(error),
        InitError::Conflict(_) => Status::Damaged,
        InitError::CrlNumbers(error) => of_numbers(error),
        InitError::Passphrase(_)
        | InitError::Key(_)
        | InitError::Issuers(_)
        | InitError::OtherInstallation
        | InitError::Signer(_)
        | InitError::RootKey { .. }
        | InitError::NotTheRoots
        | InitError::NoDocumentSigner(_)
        | InitError::DocumentKey(_)
        | InitError::DocumentSigner(_)
        | InitError::LedgerKey(_)
        | InitError::RootCrl(
            RootCrlError::NotSigned | RootCrlError::NoList | RootCrlError::Overtaken { .. },
        ) => Status::Unusable,
        InitError::RootCrl(RootCrlError::Damaged { .. }) => Status::Damaged,
        InitError::Exists { .. } | InitError::Option { .. } | InitError::Host(_) => Status::Usage,
        // Said, but another time than the clock shows.
        InitError::OtherTime { .. } => Status::NotConfirmed,
        InitError::Clock(_)
        | InitError::OnRecord { .. }
        | InitError::RootCrl(_)
        | InitError::Io { .. }
        | InitError::CeremonyFile { .. }
        | InitError::Refused(_)
        | InitError::FreshKey(_) => Status::Failed,
    }
}

fn of_verify(error: &VerifyError) -> Status {
    match error {
        VerifyError::Ledger(error) => of_opening(error),
        VerifyError::Shorter { .. } | VerifyError::Differs { .. } => Status::Damaged,
        VerifyError::Read { .. } | VerifyError::Unusable { .. } => Status::Unusable,
        VerifyError::Thread => Status::Failed,
    }
}

fn of_serve(error: &ServeError) -> Status {
    match error {
        ServeError::Open(error) => of_open(error),
        // It was open, and can record nothing more: a supervisor starts it again.
        ServeError::Store(_)
        | ServeError::Task(_)
        | ServeError::Signals(_)
        | ServeError::Listen { .. }
        | ServeError::Descriptors => Status::Failed,
    }
}

fn of_open(error: &OpenError) -> Status {
    match error {
        OpenError::Publish(_) => Status::Failed,
        OpenError::Store(error) => of_opening(error),
        OpenError::CrlNumbers(error) => of_numbers(error),
        OpenError::Authority(OpenAuthorityError::Store(error)) => of_store(error),
        OpenError::Authority(OpenAuthorityError::NotOnRecord { .. }) => Status::Damaged,
        _ => Status::Unusable,
    }
}

fn of_opening(error: &store::OpenError) -> Status {
    match error {
        store::OpenError::InUse { .. } => Status::Failed,
        store::OpenError::Log(error) => of_log(error),
        store::OpenError::Missing(..)
        | store::OpenError::Exists(..)
        | store::OpenError::LostEnd { .. }
        | store::OpenError::TooNew { .. }
        | store::OpenError::Exposed { .. } => Status::Damaged,
    }
}

fn of_store(error: &StoreError) -> Status {
    match error {
        StoreError::Log(error) => of_log(error),
        StoreError::Full
        | StoreError::Stopped
        | StoreError::IndexDamaged { .. }
        | StoreError::Bug(_)
        | StoreError::Busy
        | StoreError::ListingsUnavailable { .. }
        | StoreError::CursorUnknown => Status::Failed,
    }
}

fn of_log(error: &LogError) -> Status {
    match error {
        LogError::Damaged { .. } => Status::Damaged,
        LogError::ArchiveMissing { .. } | LogError::Io { .. } => Status::Failed,
    }
}

fn of_archive(error: &ArchiveError) -> Status {
    match error {
        ArchiveError::NoDirectory | ArchiveError::NoManifest { .. } => Status::Unusable,
        ArchiveError::Faults { .. } => Status::Damaged,
        ArchiveError::Log(error) => of_log(error),
        ArchiveError::Told => Status::Failed,
    }
}

fn of_numbers(error: &CrlNumberError) -> Status {
    match error {
        CrlNumberError::Damaged { .. } | CrlNumberError::OlderLedger { .. } => Status::Damaged,
        CrlNumberError::Read { source, .. } if source.kind() == ErrorKind::NotFound => Status::Damaged,
        _ => Status::Failed,
    }
}

const OLDER_LEDGER_NEXT: &str = "restore a newer ledger (docs/operations/restart-backup-restore.md); only if there is none: touchmark-ca accept-restored-store --config FILE, then revoke again what was revoked";

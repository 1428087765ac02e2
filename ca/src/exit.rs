//! How the program ends: a status for each kind of failure, so that a supervisor can tell them apart.

use std::process::ExitCode;

use crate::authority::OpenAuthorityError;
use crate::config::ConfigError;
use crate::init::InitError;
use crate::serve::{OpenError, ServeError};

/// What `touchmark-ca` returns to its caller; listed in its help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Done.
    Done = 0,
    /// Something else failed.
    Failed = 1,
    /// The configuration has mistakes. (2 is wrong usage, given by the parser of arguments.)
    Config = 3,
    /// The ledger cannot be opened, or can record nothing more.
    Ledger = 4,
    /// A key, certificate or passphrase cannot be used.
    Keys = 5,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}

/// Why the program failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Reading the configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// `init`.
    #[error(transparent)]
    Init(#[from] InitError),
    /// `serve`.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The result cannot be written as JSON.
    #[error("the result cannot be written as JSON")]
    Output(#[source] serde_json::Error),
    /// Nobody reads the result.
    #[error("cannot write to stdout")]
    Print(#[source] std::io::Error),
}

impl Failure {
    /// How the program ends.
    pub fn status(&self) -> Status {
        match self {
            Self::Config(_) => Status::Config,
            Self::Init(error) => of_init(error),
            Self::Serve(error) => of_serve(error),
            Self::Output(_) | Self::Print(_) => Status::Failed,
        }
    }
}

fn of_init(error: &InitError) -> Status {
    match error {
        InitError::Ledger(_) | InitError::Store(_) | InitError::Conflict(_) | InitError::Numbers(_) => {
            Status::Ledger
        }
        InitError::Passphrase(_)
        | InitError::Key(_)
        | InitError::Issuers(_)
        | InitError::OtherInstallation
        | InitError::Signer(_)
        | InitError::RootKey { .. }
        | InitError::RootList(_) => Status::Keys,
        InitError::Clock(_)
        | InitError::OtherTime { .. }
        | InitError::Exists { .. }
        | InitError::Io { .. }
        | InitError::RootListFile { .. }
        | InitError::Organization { .. }
        | InitError::EnrollmentUrl { .. }
        | InitError::PublicUrl { .. }
        | InitError::Host(_)
        | InitError::Refused(_)
        | InitError::FreshKey(_) => Status::Failed,
    }
}

fn of_serve(error: &ServeError) -> Status {
    match error {
        ServeError::Store(_) | ServeError::Open(OpenError::Store(_) | OpenError::Numbers(_)) => {
            Status::Ledger
        }
        ServeError::Open(OpenError::Publish(_)) => Status::Failed,
        ServeError::Open(OpenError::Authority(OpenAuthorityError::Store(_))) => Status::Ledger,
        ServeError::Open(_) => Status::Keys,
        ServeError::Listen { .. } | ServeError::Descriptors => Status::Failed,
    }
}

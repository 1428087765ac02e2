//! The commands: wiring, results and exit statuses.

mod doctor;
mod enroll;
mod factory;
mod renew;
mod run;
mod status;

use std::process::ExitCode;
use std::time::Duration;

use agent::arguments::{Arguments, Command, PROGRAM};
use agent::ca_client::ObtainError;
use agent::hook::NotifyError;
use agent::state::{RenewalInfo, StateError, Storage};
use anyhow::Context;
use cli::{Complaint, Shell, Status, completion_script};
use rand::SeedableRng;
use rand::rngs::{StdRng, SysRng};

/// Runs a command and reports its result.
pub(crate) async fn run(command: Command) -> ExitCode {
    let json = command.json();
    // The one place that opens a key store.
    let storage = Storage::default();
    let outcome = match command {
        Command::Factory(arguments) => factory::run(arguments, storage).await,
        Command::Enroll(arguments) => enroll::run(arguments, storage).await,
        Command::Renew(arguments) => renew::run(arguments, storage).await,
        Command::Run(arguments) => run::run(arguments, storage).await,
        Command::Doctor(arguments) => doctor::run(arguments, &storage).await,
        Command::Status(arguments) => status::run(&arguments, &storage),
        Command::Completions { shell } => return completions(shell),
    };
    match outcome {
        Ok(status) => status.into(),
        Err(error) => complaint(&error).tell(json),
    }
}

/// Prints a completion script. A closed output is no failure.
pub(crate) fn completions(shell: Shell) -> ExitCode {
    match print(&completion_script::<Arguments>(PROGRAM, shell)) {
        Ok(()) => Status::Done.into(),
        Err(error) => complaint(&error).tell(false),
    }
}

fn complaint(error: &anyhow::Error) -> Complaint {
    let complaint = Complaint::of(PROGRAM, status_of(error), error.as_ref());
    match next_step(error) {
        Some(next) => complaint.next(next),
        None => complaint,
    }
}

fn status_of(error: &anyhow::Error) -> Status {
    match error.downcast_ref::<ObtainError>() {
        Some(ObtainError::State(error)) => of_state(error),
        Some(ObtainError::NotInTime { .. } | ObtainError::Unreachable { .. }) => Status::Later,
        Some(error) if error.is_on_hold() || error.may_pass() => Status::Later,
        Some(error) if error.is_refusal() => Status::Unusable,
        Some(
            ObtainError::NotBorn
            | ObtainError::NoServer
            | ObtainError::ServerAddress { .. }
            | ObtainError::Key(_),
        ) => Status::Unusable,
        Some(_) => Status::Failed,
        None => match error.downcast_ref::<NotifyError>() {
            Some(NotifyError::State(error)) => of_state(error),
            _ => error.downcast_ref::<StateError>().map_or(Status::Failed, of_state),
        },
    }
}

fn of_state(error: &StateError) -> Status {
    match error {
        StateError::NotEnrolled { .. }
        | StateError::Missing { .. }
        | StateError::Foreign { .. }
        | StateError::NotADirectory { .. } => Status::Unusable,
        error if error.is_damage() => Status::Damaged,
        StateError::Key { .. } => Status::Unusable,
        _ => Status::Failed,
    }
}

fn next_step(error: &anyhow::Error) -> Option<&'static str> {
    match (error.downcast_ref::<ObtainError>(), error.downcast_ref::<NotifyError>()) {
        (Some(error), _) => error.next_step(),
        (None, Some(NotifyError::State(error))) => error.next_step(),
        (None, Some(NotifyError::Hook(_))) => Some("look at the hook; the next run tells applications again"),
        (None, None) => error.downcast_ref::<StateError>().and_then(StateError::next_step),
    }
}

/// A generator that the system's randomness seeds.
fn generator() -> anyhow::Result<StdRng> {
    StdRng::try_from_rng(&mut SysRng).context("the system gives no randomness")
}

/// Prints a result.
fn print(text: &str) -> anyhow::Result<()> {
    diagnostics::print(text).context("the result cannot be written to standard output")
}

/// Why the CA wants a renewal when it wants it, as the end of a sentence.
fn why(renewal_info: &RenewalInfo) -> String {
    match (renewal_info.reason.as_str(), renewal_info.explanation.as_str()) {
        ("", _) => String::new(),
        (reason, "") => format!(" ({reason})"),
        (reason, explanation) => format!(" ({reason}: {explanation})"),
    }
}

/// The longest first pause: a CA that restarts is back within seconds.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

//! The commands: wiring, and what they say at the end.

mod doctor;
mod enroll;
mod factory;
mod renew;
mod run;
mod status;

use std::time::Duration;

use agent::enroll::EnrollError;
use agent::hook::TellError;
use agent::state::{Advice, StateError};
use anyhow::Context;

use crate::arguments::Command;

/// Runs a command and returns the exit status.
pub(crate) async fn run(command: Command) -> u8 {
    let outcome = match command {
        Command::Factory(arguments) => factory::run(arguments).await,
        Command::Enroll(arguments) => enroll::run(arguments).await,
        Command::Renew(arguments) => renew::run(arguments).await,
        Command::Run(arguments) => run::run(arguments).await,
        Command::Doctor(arguments) => doctor::run(arguments).await,
        Command::Status(arguments) => status::run(&arguments),
    };
    outcome.unwrap_or_else(|error| {
        tracing::error!("{error:#}");
        status_of(&error)
    })
}

fn status_of(error: &anyhow::Error) -> u8 {
    let state = match error.downcast_ref::<EnrollError>() {
        Some(EnrollError::State(error)) => Some(error),
        Some(EnrollError::NotInTime { .. }) => return NOT_IN_TIME,
        Some(error) if error.is_withheld() => return WITHHELD,
        Some(error) if error.is_refusal() => return REFUSED,
        _ => match error.downcast_ref::<TellError>() {
            Some(TellError::State(error)) => Some(error),
            _ => error.downcast_ref::<StateError>(),
        },
    };
    if matches!(state, Some(StateError::NotEnrolled { .. })) {
        return NOT_ENROLLED;
    }
    if state.is_some_and(StateError::is_damage) { DAMAGED } else { FAILED }
}

/// Prints a result.
fn print(text: &str) -> anyhow::Result<()> {
    diagnostics::print(text).context("the result cannot be written to standard output")
}

/// Why the CA wants a renewal when it wants it, as the end of a sentence.
fn why(advice: &Advice) -> String {
    match (advice.reason.as_str(), advice.explanation.as_str()) {
        ("", _) => String::new(),
        (reason, "") => format!(" ({reason})"),
        (reason, explanation) => format!(" ({reason}: {explanation})"),
    }
}

/// The longest first pause: a CA that restarts is back within seconds.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Exit status: as it was asked.
pub(crate) const DONE: u8 = 0;
/// Exit status: not done, and the message says why.
pub(crate) const FAILED: u8 = 1;
/// Exit status: the unit is not enrolled.
pub(crate) const NOT_ENROLLED: u8 = 3;
/// Exit status: the state directory is damaged.
pub(crate) const DAMAGED: u8 = 4;
/// Exit status: run it again.
pub(crate) const NOT_IN_TIME: u8 = 5;
/// Exit status: a person must act.
pub(crate) const REFUSED: u8 = 6;
/// Exit status: the CA keeps the unit out until its operator decides otherwise.
pub(crate) const WITHHELD: u8 = 7;

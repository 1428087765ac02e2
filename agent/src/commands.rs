//! The commands: wiring, and what they say at the end.

mod factory;

use agent::state::StateError;

use crate::arguments::Command;

/// Runs a command and returns the exit status.
pub(crate) async fn run(command: Command) -> u8 {
    let outcome = match command {
        Command::Factory(arguments) => factory::run(arguments).await,
    };
    outcome.unwrap_or_else(|error| {
        tracing::error!("{error:#}");
        match error.downcast_ref::<StateError>() {
            Some(error) if error.is_damage() => DAMAGED,
            _ => FAILED,
        }
    })
}

/// Exit status: as it was asked.
pub(crate) const DONE: u8 = 0;
/// Exit status: not done, and the message says why.
pub(crate) const FAILED: u8 = 1;
/// Exit status: the state directory is damaged.
pub(crate) const DAMAGED: u8 = 4;

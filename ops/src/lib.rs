//! PEOPLE: the operator's command line as a library. It names the wire and the words, never the CA.
//!
//! Start at [`run`]: arguments in, one file per noun (`work_order`, `principal`, `device`, `certificate`,
//! `revocations`) or verb (`revoke`, `doctor`), text or JSON out.

mod arguments;
mod blast_radius;
mod certificate;
mod confirmation;
mod connection;

mod device;
mod doctor;
mod existence;
mod explain;
mod failure;
mod files;
mod manifest;
mod next_step;
mod output;
mod paging;
mod principal;
mod progress;
mod quickstart;
mod revocations;
mod revoke;
mod selection;
mod table;
mod timestamp;
mod work_order;

pub use arguments::{
    Arguments, CertificateCommand, CertificateFilter, Command, Confirmation, DeviceCommand, DeviceStateName,
    DevicesArguments, NoConnection, NoJson, PROGRAM, PageArguments, PrincipalCommand, RemarkArguments,
    RevocationsCommand, RevokeArguments, RotateArguments, SelectionArguments, WatchArguments, WhyArguments,
    WorkOrderCommand, WorkOrderTerms,
};
pub use connection::Connection;
pub use failure::Failure;
pub use output::Output;
pub use principal::IssueArguments;
pub use quickstart::QuickstartArguments;

/// Does what the arguments ask and writes what they ask for.
///
/// # Errors
/// A [`Failure`] says what happened, what to do next, and the exit status.
pub async fn run(arguments: Arguments, output: &mut Output) -> Result<(), Failure> {
    let connection = arguments.connection;
    match arguments.command {
        Command::WorkOrder { command } => work_order::run(command, &connection, output).await,
        Command::Principal { command } => principal::run(command, &connection, output).await,
        Command::Device { command } => device::run(command, &connection, output).await,
        Command::Certificate { command } => certificate::run(command, &connection, output).await,
        Command::Revoke(arguments) => revoke::run(arguments, &connection, output).await,
        Command::Revocations { command } => revocations::run(command, &connection, output).await,
        Command::Doctor => doctor::run(&connection, output).await,
        Command::Quickstart(quickstart) => quickstart::run(quickstart, output).await,
        Command::Completions { shell, .. } => {
            output.line(&cli::completion_script::<Arguments>(PROGRAM, shell))
        }
    }
}

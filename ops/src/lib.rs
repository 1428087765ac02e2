//! The operator's command line as a library. It depends on the protobuf API, never on the CA.
//!
//! Start at [`run`]. There is one file per noun (`work_order`, `product`, `principal`, `device`,
//! `certificate`, `revocations`) or verb (`revoke`, `doctor`).

mod arguments;
mod blast_radius;
mod certificate;
mod confirmation;
mod connection;
mod device;
mod doctor;
mod existence;
mod failure;
mod files;
mod manifest;
mod next_step;
mod output;
mod paging;
mod principal;
mod product;
mod progress;
mod quickstart;
mod revocations;
mod revoke;
mod selection;
mod table;
mod timestamp;
mod view;
mod work_order;

use cli::Status;
use rand::Rng;

pub use arguments::{Arguments, PROGRAM};
pub use next_step::next_step;
pub use output::Output;

use arguments::Command;
use connection::Connection;
use failure::Failure;

/// Carries out the command line, prints results and errors, and returns the exit status.
pub async fn run(arguments: Arguments, output: &mut Output) -> Status {
    match carry_out(arguments, output).await {
        Ok(()) => Status::Done,
        Err(failure) => {
            output.failure(&failure);
            failure.0.status
        }
    }
}

struct Context<'a> {
    connection: Connection,
    output: &'a mut Output,
}

async fn carry_out(arguments: Arguments, output: &mut Output) -> Result<(), Failure> {
    let context = &mut Context { connection: arguments.connection, output };
    match arguments.command {
        Command::WorkOrder { command } => work_order::run(command, context).await,
        Command::Product { command } => product::run(command, context).await,
        Command::Principal { command } => principal::run(command, context).await,
        Command::Device { command } => device::run(command, context).await,
        Command::Certificate { command } => certificate::run(command, context).await,
        Command::Revoke(arguments) => revoke::run(arguments, context).await,
        Command::Revocations { command } => revocations::run(command, context).await,
        Command::Doctor => doctor::run(context).await,
        Command::Quickstart(quickstart) => quickstart::run(quickstart, context.output).await,
        Command::Completions { shell, .. } => {
            context.output.line(&cli::completion_script::<Arguments>(PROGRAM, shell))
        }
    }
}

fn request_id() -> Vec<u8> {
    let mut id = vec![0; 16];
    rand::make_rng::<rand::rngs::StdRng>().fill_bytes(&mut id);
    id
}

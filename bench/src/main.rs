//! How fast it is, and how near to what cannot be done faster. Arguments and exit status; all else is in the benches.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is what it is for")]
#![allow(clippy::indexing_slicing, reason = "of JSON objects that were made a line before")]

mod cores;
mod crl;
mod cycle;
mod der;
mod enroll;
mod issue;
mod limit;
mod ocsp;
mod renew;
mod report;
mod revoke;
mod server;
mod store;
mod terms;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures a CA that runs as a process of its own, pinned to one core, with the client on another.
///
/// Machines are noisy, so the figure is the share (efficiency): unavoidable work (verify the request, sign, encode, handshake), measured in
/// the same run in alternating windows on the same core, as a fraction of all CPU that the server used per operation.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
struct Arguments {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// Birth certificates from requests that were made before: on one stream, and one by one.
    Issue(issue::Issue),
    /// Operational certificates, a connection of its own for each device, as at first boot.
    Enroll(enroll::Enroll),
    /// Operational certificates that follow one another, over an open connection and over a new one.
    Renew(renew::Renew),
    /// A work order of a million devices withdrawn at once.
    Revoke(revoke::Revoke),
    /// From a revocation to a thousand watchers.
    Watch(watch::Watch),
    /// Revocation lists of a million: all from nothing, and one shard's.
    Crl(crl::Crl),
    /// Answers about status over plain HTTP: signed for their asker, and signed before.
    Ocsp(ocsp::Ocsp),
    /// The store by itself: rate, size, memory, projection, restarts.
    Store(store::Store),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().bench {
        Bench::Issue(issue) => issue.run(),
        Bench::Enroll(enroll) => enroll.run(),
        Bench::Renew(renew) => renew.run(),
        Bench::Revoke(revoke) => revoke.run(),
        Bench::Watch(watch) => watch.run(),
        Bench::Crl(crl) => crl.run(),
        Bench::Ocsp(ocsp) => ocsp.run(),
        Bench::Store(store) => store.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench: {why:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Arguments::command().debug_assert();
    }
}

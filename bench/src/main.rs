//! `bench`: measures the CA and compares it with an unavoidable minimum.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is what it is for")]
#![allow(clippy::indexing_slicing, reason = "of JSON objects that were made a line before")]

mod archive;
mod closing;
mod cores;
mod crl;
mod cycle;
mod der;
mod enroll;
mod issue;
mod limit;
mod line;
mod ocsp;
mod renew;
mod report;
mod revoke;
mod server;
mod steps;
mod store;
mod terms;
mod watch;
mod years;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures a CA that runs as a process of its own, pinned to one core, with the client on another.
///
/// Machines differ, so the figure to compare is the efficiency ("share"): unavoidable CPU (verify the
/// request, sign, encode, handshake), measured in the same run in alternating windows on the same core,
/// divided by all CPU that the server used per operation.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
struct Arguments {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// Birth certificates from prepared requests: on one stream, and in unary calls.
    Issue(issue::Issue),
    /// Operational certificates with a connection for each device, as at first boot.
    Enroll(enroll::Enroll),
    /// Renewals, over an open connection and over a new one.
    Renew(renew::Renew),
    /// The revocation of a work order of a million devices.
    Revoke(revoke::Revoke),
    /// The time from a revocation to a thousand watchers.
    Watch(watch::Watch),
    /// CRLs of a million entries: all from nothing, and one shard's.
    Crl(crl::Crl),
    /// OCSP responses over plain HTTP: signed for each client, and cached.
    Ocsp(ocsp::Ocsp),
    /// A station with many slots: its CPU for each unit, beside what the link alone costs.
    Line(line::Line),
    /// The closing report of a large order: time, size, memory.
    Closing(closing::Closing),
    /// The link without a station; `line` starts it.
    #[command(hide = true)]
    BareLink(line::BareLink),
    /// Archives of a ledger of real certificates: size, and time to read.
    Archive(archive::Archive),
    /// The ledger over years of renewals: what grows with them.
    Years(years::Years),
    /// The store alone: rate, size, memory, projection, restarts.
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
        Bench::Line(line) => line.run(),
        Bench::Closing(closing) => closing.run(),
        Bench::BareLink(link) => link.run(),
        Bench::Archive(archive) => archive.run(),
        Bench::Years(years) => years.run(),
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

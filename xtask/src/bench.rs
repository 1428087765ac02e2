//! Measures the shipped build, or a build that is quicker to make.

use std::process::Command;

use anyhow::Result;
use clap::ValueEnum;

use crate::shell::{cargo, root, run, step, target_directory};

/// The benches.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Bench {
    /// 1,000,000 devices committed to the ledger, restart, rebuild
    Store,
    /// Years of renewals committed to the ledger: rate, memory, disk, restarts at the end of each
    Years,
    /// Archives of a ledger of real certificates: size, and time to read
    Archive,
    /// Birth certificates over one stream
    Issue,
    /// Operational certificates, a new connection for each
    Enroll,
    /// Operational certificates that follow one another
    Renew,
    /// The revocation of a million certificates
    Revoke,
    /// From a revocation to a thousand watchers
    Watch,
    /// CRLs of a million entries
    Crl,
    /// OCSP responses over plain HTTP
    Ocsp,
    /// A station with 32 slots, beside what the link alone costs
    Line,
    /// The closing report of an order of 100,000 units
    Closing,
}

/// Builds the bench and the programs that it starts, and runs one.
pub(crate) fn run_bench(bench: Bench, quick: bool, arguments: &[String]) -> Result<()> {
    let profile = if quick { "release" } else { "dist" };
    let how_long =
        if quick { "minutes" } else { "about ten minutes on two cores; --quick takes the release build" };
    step(&format!("build {profile} programs (the first time takes {how_long})"), || {
        let packages = ["-p", "bench", "-p", "ca", "-p", "provisioner"];
        run(cargo().args(["build", "--profile", profile, "--locked", "--bins"]).args(packages))
    })?;
    let name = match bench {
        Bench::Store => "store",
        Bench::Years => "years",
        Bench::Archive => "archive",
        Bench::Issue => "issue",
        Bench::Enroll => "enroll",
        Bench::Renew => "renew",
        Bench::Revoke => "revoke",
        Bench::Watch => "watch",
        Bench::Crl => "crl",
        Bench::Ocsp => "ocsp",
        Bench::Line => "line",
        Bench::Closing => "closing",
    };
    let program = target_directory()?.join(profile).join("bench");
    run(Command::new(program).arg(name).args(arguments).current_dir(root()))
}

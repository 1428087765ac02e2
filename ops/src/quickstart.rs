//! `touchmark quickstart` runs the shipped programs as processes, from a new CA to a revoked device.

mod authority;
mod enrollment;
mod factory;
mod programs;
mod report;
mod revocation;
mod verification;
mod workspace;

use std::time::Instant;

use crate::arguments::QuickstartArguments;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::Output;
use authority::Authority;
use factory::Factory;
use programs::Programs;
use report::{Report, Step, units_per_minute};
use workspace::Workspace;

/// Runs all steps and prints the report. The error of a step has the end of its log.
pub(crate) async fn run(arguments: QuickstartArguments, output: &mut Output) -> Result<(), Failure> {
    let programs = Programs::beside_this_one()?;
    let workspace = Workspace::new(arguments.dir.as_deref())?;
    output.note(&format!("everything goes to {}", workspace.root.display()));
    let started = Instant::now();
    let mut authority = Authority::found(&programs, &workspace).await?;
    let mut progress = Progress { steps: Vec::new(), started, output };
    progress.done("a CA was made: root, factory, operational and infrastructure issuers");
    authority.serve(&programs, &workspace).await?;
    progress.done(&format!("the CA serves at {}", authority.server));

    let shown = tokio::select! {
        shown = show(&arguments, &programs, &workspace, &mut progress) => shown,
        _ = tokio::signal::ctrl_c() => Err(Failure::local("interrupted").next("run it again in another directory")),
    };
    let mut report = match shown {
        Ok(report) => report,
        Err(failure) => {
            // The first failure is the one to report.
            authority.stop().await.ok();
            return Err(failure);
        }
    };
    report.server = authority.server.clone();
    if arguments.keep {
        report.ca_pid = Some(authority.leave_running()?);
    } else {
        authority.stop().await?;
        progress.done("the CA stopped, having answered all that it had begun");
    }
    report.seconds = started.elapsed().as_secs_f64();
    report.steps = progress.steps;
    output.one(&report, |report| report.to_text(&workspace, &programs))
}

async fn show(
    arguments: &QuickstartArguments,
    programs: &Programs,
    workspace: &Workspace,
    progress: &mut Progress<'_>,
) -> Result<Report, Failure> {
    let operator = Connection { credentials: Some(workspace.operator.clone()), server: None };
    let count = arguments.devices;
    let factory = Factory::set_up(count, &operator, workspace).await?;
    progress.done(&format!(
        "work order {} allows {count} units of {}, by station {}",
        factory.order,
        factory::PRODUCT,
        factory::STATION,
    ));

    let provisioned = factory.provision(programs, workspace).await?;
    progress.done(&format!(
        "{count} devices were born on the line: key on the device, birth certificate read back ({:.0} units/min)",
        units_per_minute(count, provisioned),
    ));
    let refusal = factory.provision_one_too_many(programs, workspace).await?;
    progress.done(&format!("unit {} was refused: {}", count + 1, refusal.reason));

    let enrolled = enrollment::enroll_all(programs, workspace, &factory.serials).await?;
    progress.done(&format!(
        "{count} devices enrolled, each with a key and a connection of its own ({:.0} units/min)",
        units_per_minute(count, enrolled),
    ));
    let verified = verification::verify_all(workspace, &factory.serials).await?;
    progress.done(&format!(
        "{} certificate chains verified by {}",
        verified.chains,
        verified.verifiers.join(" and ")
    ));
    factory.compare_with_the_ledger(&operator).await?;
    progress.done(&format!("the ledger says the same: {count} issued, {count} confirmed, {count} enrolled"));
    let revoked = revocation::revoke_one(programs, workspace, &factory.serials).await?;
    progress.done(&format!(
        "{} was revoked ({}): the CA refuses its renewal, and {} find it on the list",
        revoked.device,
        revoked.reason,
        revoked.found_revoked_by.join(" and "),
    ));
    Ok(Report {
        directory: workspace.root.display().to_string(),
        server: String::new(),
        work_order: factory.order.clone(),
        product: factory::PRODUCT,
        devices: count,
        provisioned: count,
        provisioned_per_minute: units_per_minute(count, provisioned),
        enrolled: count,
        enrolled_per_minute: units_per_minute(count, enrolled),
        refused: refusal,
        chains_verified: verified.chains,
        verified_by: verified.verifiers,
        revoked,
        first_device: factory.serials.first().cloned().unwrap_or_default(),
        seconds: 0.0,
        ca_pid: None,
        steps: Vec::new(),
    })
}

/// Prints each step when it is done, and keeps it for the report.
struct Progress<'a> {
    steps: Vec<Step>,
    started: Instant,
    output: &'a mut Output,
}

impl Progress<'_> {
    fn done(&mut self, what: &str) {
        let seconds = self.started.elapsed().as_secs_f64();
        self.output.note(&format!("{seconds:7.1} s  {what}"));
        self.steps.push(Step { at_seconds: seconds, what: what.to_owned() });
    }
}

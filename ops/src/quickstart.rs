//! `touchmark quickstart`: the whole path, shown with the programs that people use, each a process of its own.

mod authority;
mod enrollment;
mod factory;
mod place;
mod programs;
mod report;
mod verification;
mod withdrawal;

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;

use crate::arguments::NoConnection;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::Output;
use authority::Authority;
use factory::Factory;
use place::Place;
use programs::Programs;
use report::{Report, Step};

/// How much to show, and where.
#[derive(Debug, Args)]
pub struct QuickstartArguments {
    /// Where everything goes: ca/, station/, devices/SERIAL/; must not exist or be empty [default: a fresh temporary directory]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// How many devices are made; one more is tried and must be refused
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=DEVICES_MAX))]
    pub devices: u32,
    /// Leave the CA running at the end, and say how to stop it
    #[arg(long)]
    pub keep: bool,
    /// It calls the CA that it makes.
    #[command(flatten)]
    pub unused: NoConnection,
}

/// Shows the whole path and reports it.
///
/// # Errors
/// When a program is missing or any step does not do what it must; the log's end is in the message.
pub(crate) async fn run(arguments: QuickstartArguments, output: &mut Output) -> Result<(), Failure> {
    let programs = Programs::beside_this_one()?;
    let place = Place::new(arguments.dir.as_deref())?;
    output.note(&format!("everything goes to {}", place.root().display()));
    let started = Instant::now();
    let mut authority = Authority::found(&programs, &place).await?;
    let mut progress = Progress { steps: Vec::new(), started, output };
    progress.done("a CA was made: root, factory, operational and infrastructure issuers");
    authority.serve(&programs, &place).await?;
    progress.done(&format!("the CA serves at {}", authority.server()));

    let shown = tokio::select! {
        shown = show(&arguments, &programs, &place, &mut progress) => shown,
        _ = tokio::signal::ctrl_c() => Err(Failure::local("interrupted").next("run it again in another directory")),
    };
    let mut report = match shown {
        Ok(report) => report,
        Err(failure) => {
            // The first failure is the one to see.
            authority.stop().await.ok();
            return Err(failure);
        }
    };
    report.server = authority.server().to_owned();
    if arguments.keep {
        report.ca_pid = Some(authority.leave_running()?);
    } else {
        authority.stop().await?;
        progress.done("the CA stopped, having answered all that it had begun");
    }
    report.seconds = started.elapsed().as_secs_f64();
    report.steps = progress.steps;
    output.one(&report, |report| report.in_words(&place, &programs))
}

/// From a work order to verified devices, with one refusal and one revocation.
async fn show(
    arguments: &QuickstartArguments,
    programs: &Programs,
    place: &Place,
    progress: &mut Progress<'_>,
) -> Result<Report, Failure> {
    let operator = Connection { credentials: Some(place.operator()), server: None };
    let count = arguments.devices;
    let factory = Factory::set_up(count, &operator, place).await?;
    progress.done(&format!(
        "work order {} allows {count} units of {}, by station {}",
        factory.work_order(),
        factory::PRODUCT,
        factory::STATION,
    ));

    let provisioned = factory.provision(programs, place).await?;
    progress.done(&format!(
        "{count} devices were born on the line: key on the device, birth certificate read back ({:.0} units/min)",
        provisioned.units_per_minute(count),
    ));
    let refusal = factory.provision_one_too_many(programs, place).await?;
    progress.done(&format!("unit {} was refused: {}", count + 1, refusal.reason));

    let enrolled = enrollment::enroll_all(programs, place, factory.serials()).await?;
    progress.done(&format!(
        "{count} devices enrolled, each with a key and a connection of its own ({:.0} units/min)",
        enrolled.units_per_minute(count),
    ));
    let verified = verification::verify_all(place, factory.serials()).await?;
    progress.done(&format!(
        "{} certificate chains verified by {}",
        verified.chains,
        verified.judges.join(" and ")
    ));
    factory.compare_with_the_ledger(&operator).await?;
    progress.done(&format!("the ledger says the same: {count} issued, {count} confirmed, {count} enrolled"));
    let withdrawn = withdrawal::withdraw_one(programs, place, factory.serials()).await?;
    progress.done(&format!(
        "{} was revoked ({}): the CA refuses its renewal, and {} find it on the list",
        withdrawn.device,
        withdrawn.reason,
        withdrawn.found_revoked_by.join(" and "),
    ));
    Ok(Report::new(place, &factory, refusal, provisioned, enrolled, verified, withdrawn))
}

/// Tells people what was done as it is done, and keeps it for the report.
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

/// A demonstration, with a process for every device; more is what `touchmark-station` is for.
const DEVICES_MAX: i64 = 10_000;

//! What happens when a unit fails (`on-fail`): a bell, or a command. Neither delays the line.

use std::io::{self, IsTerminal};
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::console::Console;
use crate::report::UnitReport;

/// As station.toml says it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum OnFail {
    #[default]
    Nothing,
    /// The terminal's own, at standard error.
    Bell,
    /// A program and its arguments; no shell takes part.
    Command(Vec<String>),
}

/// Calls somebody for each unit that failed. One command runs at a time.
pub(crate) enum Alarm {
    Silent,
    Bell,
    Command {
        failures: Sender<Failure>,
        caller: JoinHandle<()>,
        console: Console,
        /// Failures for which no command was run, because too many waited.
        missed: u64,
    },
}

/// What the command is told in its environment.
pub(crate) struct Failure {
    work_order: String,
    product: String,
    serial: String,
    slot: usize,
    reason: String,
    message: String,
}

impl Alarm {
    pub(crate) fn new(on_fail: &OnFail, console: &Console) -> Self {
        match on_fail {
            OnFail::Nothing => Self::Silent,
            OnFail::Bell if io::stderr().is_terminal() => Self::Bell,
            OnFail::Bell => Self::Silent,
            OnFail::Command(command) => {
                let (failures, queue) = channel(FAILURES_MAX);
                let caller = tokio::spawn(call(command.clone(), queue, console.clone()));
                Self::Command { failures, caller, console: console.clone(), missed: 0 }
            }
        }
    }

    /// A unit has failed.
    pub(crate) fn call(&mut self, work_order: &str, report: &UnitReport) {
        match self {
            Self::Silent => {}
            Self::Bell => diagnostics::stderr().put_if_idle(b"\x07"),
            Self::Command { failures, console, missed, .. } => {
                if failures.try_send(Failure::new(work_order, report)).is_err() {
                    if *missed == 0 {
                        console
                            .complain("on-fail: units fail faster than its command ends; some are left out");
                    }
                    *missed += 1;
                }
            }
        }
    }

    /// Waits for the commands that are under way or due, not for ever.
    pub(crate) async fn end(self) {
        let Self::Command { failures, mut caller, console, .. } = self else { return };
        drop(failures);
        if timeout(END_MAX, &mut caller).await.is_err() {
            caller.abort();
            console.complain("on-fail: commands that were due are left out, because the run has ended");
        }
    }
}

impl Failure {
    fn new(work_order: &str, report: &UnitReport) -> Self {
        let (product, serial) = report.device.split_once('/').unwrap_or_default();
        Self {
            work_order: work_order.to_owned(),
            product: product.to_owned(),
            serial: serial.to_owned(),
            slot: report.slot,
            reason: format!("{} {}", report.cause, report.reason).trim().to_owned(),
            message: report.message.clone(),
        }
    }

    fn command(self, program: &str, arguments: &[String]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments);
        for (name, value) in [
            ("TOUCHMARK_WORK_ORDER", self.work_order),
            ("TOUCHMARK_PRODUCT", self.product),
            ("TOUCHMARK_SERIAL", self.serial),
            ("TOUCHMARK_SLOT", self.slot.to_string()),
            ("TOUCHMARK_REASON", self.reason),
            ("TOUCHMARK_MESSAGE", self.message),
        ] {
            // An environment cannot hold a NUL, and the CA or a device may say one.
            command.env(name, value.replace('\0', ""));
        }
        command
    }
}

async fn call(command: Vec<String>, mut queue: Receiver<Failure>, console: Console) {
    let Some((program, arguments)) = command.split_first() else { return };
    let mut told = String::new();
    while let Some(failure) = queue.recv().await {
        let ended = hooks::run(failure.command(program, arguments), COMMAND_MAX).await;
        let trouble = ended.err().map(|error| diagnostics::error_chain(&error)).unwrap_or_default();
        // The same trouble is told once.
        if !trouble.is_empty() && told != trouble {
            console.complain(&format!("on-fail: {program}: {trouble}"));
        }
        told = trouble;
    }
}

/// How long a command may run; then it is killed.
const COMMAND_MAX: Duration = Duration::from_secs(10);

/// Failures that wait for the command: a line of 64 slots that fails as a whole.
const FAILURES_MAX: usize = 64;

/// How long the end of a run waits for commands.
const END_MAX: Duration = Duration::from_secs(15);

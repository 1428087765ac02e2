//! Signals that stop a line.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::console::Console;

/// Ctrl-C (SIGINT), SIGTERM, and SIGHUP, which the end of a terminal sends.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// `None` if SIGHUP is ignored, as under `nohup`.
    hang_up: Option<Signal>,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        let hang_up =
            if diagnostics::hang_up_is_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up,
        })
    }

    /// The first signal stops the line, the second aborts the units. The line also stops if this task ends.
    pub(super) async fn watch(mut self, stop: CancellationToken, abort: CancellationToken, console: Console) {
        let _stopped = stop.clone().drop_guard();
        for (token, text) in [(stop, STOPPING), (abort, CUTTING_OFF)] {
            self.next().await;
            console.complain(text);
            token.cancel();
        }
    }

    async fn next(&mut self) {
        let hang_up = async {
            match &mut self.hang_up {
                Some(signal) => drop(signal.recv().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            () = hang_up => {}
        }
    }
}

const STOPPING: &str =
    "stopping: units on the bench will be finished, no others begun; press Ctrl-C again to abort them";

const CUTTING_OFF: &str = "aborting the units on the bench";

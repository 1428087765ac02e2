//! Signals that stop a line.

use std::io;

use futures::future::select_all;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::console::Console;

/// Ctrl-C (SIGINT), SIGTERM, and SIGHUP, which the end of a terminal sends.
pub(super) struct Signals(Vec<Signal>);

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate()];
        // It is ignored under `nohup`.
        if !diagnostics::hang_up_is_ignored() {
            kinds.push(SignalKind::hangup());
        }
        Ok(Self(kinds.into_iter().map(signal).collect::<Result<_, _>>()?))
    }

    /// The first signal stops the line, the second aborts the units. The line also stops if this task ends.
    pub(super) async fn watch(mut self, stop: CancellationToken, abort: CancellationToken, console: Console) {
        let _stopped = stop.clone().drop_guard();
        for (token, text) in [(stop, STOPPING), (abort, ABORTING)] {
            self.next().await;
            console.complain(text);
            token.cancel();
        }
    }

    async fn next(&mut self) {
        select_all(self.0.iter_mut().map(|signal| Box::pin(signal.recv()))).await;
    }
}

const STOPPING: &str =
    "stopping: units on the bench will be finished, no others begun; press Ctrl-C again to abort them";

const ABORTING: &str = "aborting the units on the bench";

//! Signals of the system: stop, stop now, and read again what can be read again.

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// What the CA does at a signal.
#[derive(Clone, Default)]
pub(super) struct Signals {
    /// The first SIGTERM or SIGINT: answer what was begun, accept nothing more.
    pub(super) stop: CancellationToken,
    /// The second one: end now.
    pub(super) cut: CancellationToken,
    /// SIGHUP: read credentials and blocked keys again.
    pub(super) reload: Arc<Notify>,
}

impl Signals {
    /// Acts on signals until the second that stops: on those that are `taken`, or will be.
    pub(super) async fn watch(self, taken: Option<SignalStreams>) {
        let mut signals = match taken.map_or_else(SignalStreams::new, Ok) {
            Ok(signals) => signals,
            Err(why) => return error!(%why, "signals cannot be received"),
        };
        loop {
            match signals.next().await {
                "SIGHUP" => {
                    info!(signal = "SIGHUP", "reading the server's credentials and the blocked keys again");
                    self.reload.notify_one();
                }
                name if self.stop.is_cancelled() => {
                    warn!(signal = name, "stopping at once");
                    return self.cut.cancel();
                }
                name => {
                    info!(signal = name, "stopping: answering what was begun");
                    self.stop.cancel();
                }
            }
        }
    }
}

/// Signals that the process takes instead of dying of them.
pub(super) struct SignalStreams {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl SignalStreams {
    /// # Errors
    /// When the system refuses.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.hang_up.recv() => "SIGHUP",
        }
    }
}

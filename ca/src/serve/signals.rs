//! SIGTERM and SIGINT stop the CA, SIGHUP reloads what can be reloaded.

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

#[derive(Clone, Default)]
pub(super) struct Signals {
    /// The first SIGTERM or SIGINT: accept nothing more, answer calls that have begun.
    pub(super) stop: CancellationToken,
    /// The second one: end at once.
    pub(super) cut: CancellationToken,
    /// SIGHUP: reload the server's credentials and the blocked keys.
    pub(super) reload: Arc<Notify>,
}

impl Signals {
    /// Acts on signals until the second SIGTERM or SIGINT. `streams` are reused if they are there already.
    pub(super) async fn watch(self, streams: Option<SignalStreams>) {
        let mut signals = match streams.map_or_else(SignalStreams::new, Ok) {
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

/// Handlers for the signals: from then on they do not end the process.
pub(super) struct SignalStreams {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl SignalStreams {
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

//! `touchmark-agent run`.

use std::sync::Arc;

use agent::arguments::Run;
use agent::daemon::{self, DaemonRequest, Settings};
use agent::state::Storage;
use anyhow::{Context, bail};
use cli::Status;
use identity::SystemClock;
use supervisor::ServiceManager;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::generator;

pub(crate) async fn run(arguments: Run, storage: Storage) -> anyhow::Result<Status> {
    let signals = Signals::new().context("the system does not let us take signals")?;
    let settings = Settings {
        state: arguments.unit.state,
        storage,
        server: arguments.unit.server,
        readers: arguments.readers.readers(),
        notifier: arguments.notifier,
        manager: ServiceManager::of_this_process(),
    };
    let (sender, requests) = watch::channel(DaemonRequest::CheckNow);
    tokio::select! {
        ended = daemon::run(settings, Arc::new(SystemClock), generator()?, requests) => ended?,
        () = signals.forward(sender) => bail!("signals are not received any more"),
    }
    Ok(Status::Done)
}

/// The signals that a daemon takes.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Forwards them to the daemon as requests.
    async fn forward(mut self, daemon: watch::Sender<DaemonRequest>) {
        loop {
            let request = tokio::select! {
                _ = self.terminate.recv() => DaemonRequest::Stop,
                _ = self.interrupt.recv() => DaemonRequest::Stop,
                _ = self.hang_up.recv() => DaemonRequest::CheckNow,
            };
            daemon.send_replace(request);
            if request == DaemonRequest::Stop {
                return daemon.closed().await;
            }
        }
    }
}

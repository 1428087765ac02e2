//! `touchmark-agent run`.

use std::sync::Arc;

use agent::arguments::Run;
use agent::daemon::{self, Settings, Wanted};
use agent::state::FileSystem;
use anyhow::{Context, bail};
use cli::Status;
use identity::SystemClock;
use rand::SeedableRng;
use rand::rngs::{StdRng, SysRng};
use supervisor::ServiceManager;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

pub(crate) async fn run(arguments: Run) -> anyhow::Result<Status> {
    let signals = Signals::new().context("the system does not let us take signals")?;
    let generator = StdRng::try_from_rng(&mut SysRng).context("the system gives no randomness")?;
    let settings = Settings {
        state: arguments.state,
        disk: Arc::new(FileSystem),
        server: arguments.server,
        readers: arguments.readers.readers(),
        telling: arguments.telling.telling(),
        manager: ServiceManager::of_this_process(),
    };
    let (sender, wanted) = watch::channel(Wanted::Look);
    tokio::select! {
        ended = daemon::run(settings, Arc::new(SystemClock), generator, wanted) => ended?,
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

    /// Hands them on for as long as the daemon is there to take them.
    async fn forward(mut self, daemon: watch::Sender<Wanted>) {
        loop {
            let wanted = tokio::select! {
                _ = self.terminate.recv() => Wanted::Stop,
                _ = self.interrupt.recv() => Wanted::Stop,
                _ = self.hang_up.recv() => Wanted::Look,
            };
            daemon.send_replace(wanted);
            if wanted == Wanted::Stop {
                return daemon.closed().await;
            }
        }
    }
}

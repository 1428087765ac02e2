//! The program that runs for years: enrols, renews in time, notifies applications, and retries.
//!
//! A turn does what is due, each step at most once, and returns the pause until something is. The state
//! directory is locked only during a turn. To end in the middle of one is as harmless as a power cut.

mod backoff;
mod heartbeat;
mod schedule;

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use diagnostics::error_chain;
use identity::Clock;
use rand::SeedableRng;
use rand::rngs::StdRng;
use supervisor::ServiceManager;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{debug, info, warn};

use crate::ca_client::retry::PAUSE_MAX;
use crate::ca_client::{Disposition, ObtainError, RetryPolicy, Server};
use crate::enroll::enroll;
use crate::hook::Notifier;
use crate::key::KeyReaders;
use crate::renew::{Outcome, When, renew};
use crate::state::{State, Storage, View};
use crate::text::rfc3339;

use backoff::Backoff;
use heartbeat::Heartbeat;
use schedule::Schedule;

/// The settings of a daemon.
pub struct Settings {
    /// The state directory.
    pub state: PathBuf,
    /// How it is written, and where its keys are.
    pub storage: Storage,
    /// The CA; without it, the one that the factory named.
    pub server: Option<Server>,
    /// Who may read the key in use.
    pub readers: KeyReaders,
    /// How applications are notified.
    pub notifier: Notifier,
    /// The service manager that started it.
    pub manager: ServiceManager,
}

/// A request to a running daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DaemonRequest {
    /// Do what is due and ask the CA now.
    CheckNow,
    /// End.
    Stop,
}

/// Runs until it is told to stop, or until an error of [`Disposition::Stop`].
pub async fn run(
    mut settings: Settings,
    clock: Arc<dyn Clock>,
    mut generator: StdRng,
    mut requests: watch::Receiver<DaemonRequest>,
) -> Result<(), ObtainError> {
    let manager = std::mem::take(&mut settings.manager);
    let mut daemon = Daemon {
        schedule: Schedule::new(clock.clone(), StdRng::from_rng(&mut generator)),
        failures: Backoff::new(StdRng::from_rng(&mut generator)),
        hook_failures: Backoff::new(StdRng::from_rng(&mut generator)),
        settings,
        clock,
        generator,
        last_message: None,
    };
    // Without a state directory it is not ready.
    View::read(&daemon.settings.state, &daemon.settings.storage)?;
    info!("running for {}", daemon.settings.state.display());
    manager.ready();
    let mut heartbeat = Heartbeat::new(&manager, TURN_MAX + daemon.settings.notifier.hook_time);
    'turns: loop {
        let mut check_now = false;
        heartbeat.turn_begins();
        let pause = {
            let mut turn = pin!(daemon.turn());
            loop {
                tokio::select! {
                    pause = &mut turn => break pause?,
                    () = heartbeat.beat() => {}
                    next = next(&mut requests) => match next {
                        DaemonRequest::Stop => break 'turns,
                        DaemonRequest::CheckNow => check_now = true,
                    },
                }
            }
        };
        heartbeat.turn_ended();
        let mut rest = pin!(sleep(pause));
        while !check_now {
            tokio::select! {
                () = &mut rest => break,
                () = heartbeat.beat() => {}
                next = next(&mut requests) => match next {
                    DaemonRequest::Stop => break 'turns,
                    DaemonRequest::CheckNow => check_now = true,
                },
            }
        }
        if check_now {
            daemon.schedule.check_now();
            daemon.failures.forget();
            daemon.hook_failures.forget();
        }
    }
    manager.stopping();
    Ok(())
}

/// The next request; `Stop` when the sender is gone.
async fn next(requests: &mut watch::Receiver<DaemonRequest>) -> DaemonRequest {
    let next = requests.changed().await.map_or(DaemonRequest::Stop, |()| *requests.borrow());
    match next {
        DaemonRequest::CheckNow => info!("checking now, as asked"),
        DaemonRequest::Stop => info!("ending, as asked"),
    }
    next
}

struct Daemon {
    settings: Settings,
    clock: Arc<dyn Clock>,
    schedule: Schedule,
    failures: Backoff,
    hook_failures: Backoff,
    generator: StdRng,
    last_message: Option<String>,
}

impl Daemon {
    /// Does what is due, and returns the pause until something is due.
    async fn turn(&mut self) -> Result<Duration, ObtainError> {
        let mut pause = match self.keep_certificate().await {
            Ok(pause) => pause,
            Err(error) => self.after(error)?,
        };
        if let Some(hook) = self.notify_applications().await {
            pause = pause.min(hook);
        }
        Ok(pause.clamp(PAUSE_MIN, WAKE_INTERVAL_MAX))
    }

    /// Enrols or renews if that is due. Returns the pause until something is due.
    async fn keep_certificate(&mut self) -> Result<Duration, ObtainError> {
        let view = View::read(&self.settings.state, &self.settings.storage)?;
        if self.schedule.has_just_ended(&view)? {
            warn!("the operational certificate has ended; going on to renew it, or to enrol again");
            // A device out of service starts with short pauses again (R-LIFE-03).
            self.failures.forget();
        }
        if let Some(wait) = self.failures.wait() {
            return Ok(wait);
        }
        let mut state = State::open(&self.settings.state, self.settings.storage.clone())?;
        state.set_key_readers(&self.settings.readers)?;
        let (server, clock) = (self.settings.server.clone(), self.clock.clone());
        let generator = StdRng::from_rng(&mut self.generator);
        if state.record().in_use().is_none() {
            enroll(&mut state, server, clock, generator, RetryPolicy::once()).await?;
            self.schedule.replaced();
        } else if self.schedule.is_due(state.view())? {
            match renew(&mut state, server, clock, generator, RetryPolicy::once(), When::Due).await? {
                Outcome::Renewed(_) => self.schedule.replaced(),
                Outcome::NotDue(plan) => {
                    debug!("renewing at {}: {}", rfc3339(plan.at), plan.renewal_info.reason);
                    self.schedule.not_due(&plan);
                }
            }
        }
        self.failures.forget();
        self.last_message = None;
        Ok(self.schedule.wait(state.view())?)
    }

    /// The pause after an error; the error itself if the daemon must end.
    fn after(&mut self, error: ObtainError) -> Result<Duration, ObtainError> {
        let pause = match error.disposition() {
            Disposition::Stop => return Err(error),
            Disposition::Retry => self.failures.next(error.retry_after().unwrap_or_default().min(PAUSE_MAX)),
            Disposition::AwaitOperator => self.failures.slow(),
        };
        let next = error.next_step().map(|next| format!("; {next}")).unwrap_or_default();
        let message = error_chain(&error) + &next;
        let pause_text = humantime::format_duration(Duration::from_secs(pause.as_secs()));
        if self.last_message.as_ref() == Some(&message) {
            debug!("trying again in {pause_text}: {message}");
        } else {
            warn!("trying again in {pause_text}, and then on: {message}");
            self.last_message = Some(message);
        }
        Ok(pause)
    }

    /// Notifies applications if that is pending. Returns the pause before the next attempt, if it failed.
    async fn notify_applications(&mut self) -> Option<Duration> {
        if !self.settings.notifier.is_wanted() {
            return None;
        }
        if let Some(wait) = self.hook_failures.wait() {
            return Some(wait);
        }
        match self.settings.notifier.notify_if_pending(&self.settings.state, &self.settings.storage).await {
            Ok(()) => {
                self.hook_failures.forget();
                None
            }
            Err(error) => {
                let pause = self.hook_failures.next(Duration::ZERO);
                warn!(pause_ms = pause.as_millis(), "telling applications again: {}", error_chain(&error));
                Some(pause)
            }
        }
    }
}

/// The longest turn without its hook that is no hang: several calls to a CA that does not answer.
const TURN_MAX: Duration = Duration::from_secs(10 * 60);

/// The shortest pause between two turns: a mistake in a time must not keep a device busy.
const PAUSE_MIN: Duration = Duration::from_millis(200);

/// The longest pause: a clock that was set, and the end of the machine's sleep, are noticed within it.
const WAKE_INTERVAL_MAX: Duration = Duration::from_secs(15 * 60);

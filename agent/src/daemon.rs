//! For years: enrols, renews in time, tells applications, and goes on whatever happens.
//!
//! A loop of turns. A turn does what is due, each step at most once, and says how long nothing is; all that a device remembers is in its
//! state directory, which is held only during a turn, so that a person can run another command meanwhile. Whoever ends the daemon in the
//! middle of a turn cuts its power, which is as harmless.

mod heartbeat;
mod pauses;
mod schedule;

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use identity::Clock;
use rand::SeedableRng;
use rand::rngs::StdRng;
use supervisor::ServiceManager;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{debug, info, warn};

use crate::enroll::retry::{PAUSE_MAX, chain};
use crate::enroll::{Bearing, EnrollError, Patience, Server, enroll};
use crate::hook::Telling;
use crate::key::KeyReaders;
use crate::renew::{Outcome, When, renew};
use crate::state::{Disk, EnrolmentStep, State, View, rfc3339};

use heartbeat::Heartbeat;
use pauses::Pauses;
use schedule::Schedule;

/// What a daemon works with.
pub struct Settings {
    /// The state directory.
    pub state: PathBuf,
    /// The disk that it is on.
    pub disk: Arc<dyn Disk>,
    /// The CA; without it, the one that the factory named.
    pub server: Option<Server>,
    /// Who may read the key in use.
    pub readers: KeyReaders,
    /// How applications are told.
    pub telling: Telling,
    /// Who wants to know that the daemon runs.
    pub manager: ServiceManager,
}

/// What is wanted of a daemon from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Look now what there is to do, and ask the CA; then go on.
    Look,
    /// End.
    Stop,
}

/// Runs until it is told to stop, or until nothing that it does can help.
///
/// # Errors
/// Why nothing can help: see [`Bearing::Stop`].
pub async fn run(
    mut settings: Settings,
    clock: Arc<dyn Clock>,
    mut generator: StdRng,
    mut wanted: watch::Receiver<Wanted>,
) -> Result<(), EnrollError> {
    let manager = std::mem::take(&mut settings.manager);
    let mut daemon = Daemon {
        schedule: Schedule::new(clock.clone(), StdRng::from_rng(&mut generator)),
        failures: Pauses::new(StdRng::from_rng(&mut generator)),
        hook_failures: Pauses::new(StdRng::from_rng(&mut generator)),
        settings,
        clock,
        generator,
        last_word: None,
    };
    // A service manager that started us hears that we run only if there is something to run for.
    View::read(&daemon.settings.state)?;
    info!("running for {}", daemon.settings.state.display());
    manager.ready();
    let mut heartbeat = Heartbeat::new(&manager, TURN_MAX + daemon.settings.telling.hook_time);
    loop {
        let mut looks_now = false;
        heartbeat.turn_begins();
        let pause = {
            let mut turn = pin!(daemon.turn());
            loop {
                tokio::select! {
                    pause = &mut turn => break pause?,
                    () = heartbeat.beat() => {}
                    next = next(&mut wanted) => match next {
                        Wanted::Stop => {
                            manager.stopping();
                            return Ok(());
                        }
                        Wanted::Look => looks_now = true,
                    },
                }
            }
        };
        heartbeat.turn_ended();
        let mut rest = pin!(sleep(pause));
        while !looks_now {
            tokio::select! {
                () = &mut rest => break,
                () = heartbeat.beat() => {}
                next = next(&mut wanted) => match next {
                    Wanted::Stop => {
                        manager.stopping();
                        return Ok(());
                    }
                    Wanted::Look => looks_now = true,
                },
            }
        }
        if looks_now {
            daemon.look_now();
        }
    }
}

/// What is wanted next. Whoever wanted something and is gone wants the end.
async fn next(wanted: &mut watch::Receiver<Wanted>) -> Wanted {
    let next = wanted.changed().await.map_or(Wanted::Stop, |()| *wanted.borrow());
    match next {
        Wanted::Look => info!("looking, as asked"),
        Wanted::Stop => info!("ending, as asked"),
    }
    next
}

struct Daemon {
    settings: Settings,
    clock: Arc<dyn Clock>,
    schedule: Schedule,
    failures: Pauses,
    hook_failures: Pauses,
    generator: StdRng,
    last_word: Option<String>,
}

impl Daemon {
    fn look_now(&mut self) {
        self.schedule.look_now();
        self.failures.forget();
        self.hook_failures.forget();
    }

    /// Does what is due, and returns how long nothing is.
    async fn turn(&mut self) -> Result<Duration, EnrollError> {
        let mut pause = match self.keep_certificate().await {
            Ok(pause) => pause,
            Err(error) => self.after(error)?,
        };
        if let Some(hook) = self.tell_applications().await {
            pause = pause.min(hook);
        }
        Ok(pause.clamp(PAUSE_MIN, GLANCE))
    }

    /// Enrols or renews if that is due. Returns when to look again.
    async fn keep_certificate(&mut self) -> Result<Duration, EnrollError> {
        if self.schedule.has_just_ended(&View::read(&self.settings.state)?)? {
            warn!("the operational certificate has ended; going on to renew it, or to enrol again");
            // Out of service, a device tries harder: it has a budget of its own (R-LIFE-03).
            self.failures.forget();
        }
        if let Some(wait) = self.failures.wait() {
            return Ok(wait);
        }
        let mut state = State::open(&self.settings.state, self.settings.disk.clone())?;
        state.let_read(&self.settings.readers)?;
        let (server, clock) = (self.settings.server.clone(), self.clock.clone());
        let generator = StdRng::from_rng(&mut self.generator);
        let enrolled =
            state.record().enrolment.as_ref().is_some_and(|it| it.step == EnrolmentStep::Confirmed);
        if !enrolled {
            enroll(&mut state, server, clock, generator, Patience::once()).await?;
            self.schedule.replaced();
        } else if self.schedule.is_due(state.view())? {
            match renew(&mut state, server, clock, generator, Patience::once(), When::Due).await? {
                Outcome::Renewed(_) => self.schedule.replaced(),
                Outcome::NotDue(plan) => {
                    debug!("renewing at {}: {}", rfc3339(plan.at), plan.advice.reason);
                    self.schedule.advised(&plan);
                }
            }
        }
        self.failures.forget();
        self.last_word = None;
        Ok(self.schedule.wait(state.view())?)
    }

    /// What to do after a failure: how long to wait, or nothing any more.
    fn after(&mut self, error: EnrollError) -> Result<Duration, EnrollError> {
        let pause = match error.bearing() {
            Bearing::Stop => return Err(error),
            Bearing::Passes => self.failures.next(error.retry_after().unwrap_or_default().min(PAUSE_MAX)),
            Bearing::Withheld => self.failures.slow(),
        };
        let next = error.next_step().map(|next| format!("; {next}")).unwrap_or_default();
        let word = chain(&error) + &next;
        let pause_text = humantime::format_duration(Duration::from_secs(pause.as_secs()));
        if self.last_word.as_ref() == Some(&word) {
            debug!("trying again in {pause_text}: {word}");
        } else {
            warn!("trying again in {pause_text}, and then on: {word}");
            self.last_word = Some(word);
        }
        Ok(pause)
    }

    /// Tells applications, if they are to be told and were not. Returns when to try again, if that failed.
    async fn tell_applications(&mut self) -> Option<Duration> {
        if !self.settings.telling.is_wanted() {
            return None;
        }
        if let Some(wait) = self.hook_failures.wait() {
            return Some(wait);
        }
        match self.settings.telling.tell_if_untold(&self.settings.state, &self.settings.disk).await {
            Ok(()) => {
                self.hook_failures.forget();
                None
            }
            Err(error) => {
                let pause = self.hook_failures.next(Duration::ZERO);
                warn!(pause_ms = pause.as_millis(), "telling applications again: {}", chain(&error));
                Some(pause)
            }
        }
    }
}

/// The longest turn that is not taken for a hang, without its hook: several questions to a CA that does not answer, each with its own limit.
const TURN_MAX: Duration = Duration::from_secs(10 * 60);

/// The shortest rest between two turns: a mistake in a time must not make a device spin.
const PAUSE_MIN: Duration = Duration::from_millis(200);

/// The longest rest: a clock that was set, and the end of a long sleep of the machine, are noticed within it.
const GLANCE: Duration = Duration::from_secs(15 * 60);

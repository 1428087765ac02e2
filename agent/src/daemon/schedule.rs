//! When a device that runs for years asks its CA, whatever its clock shows (R-LIFE-06).
//!
//! The CA decides by its own clock whether a renewal is due; the device only has to ask in time. It goes by the time that the CA told,
//! counted on by a clock that nobody sets. Its own clock can make it ask sooner, and no oftener than once an hour: a clock that jumps
//! years ahead costs a few questions, one that falls back to 1970 costs nothing.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use identity::Clock;
use rand::Rng;
use rand::rngs::StdRng;
use tokio::time::Instant;

use crate::renew::Plan;
use crate::renewal::asking_interval;
use crate::state::{StateError, View};
use crate::status::{advice_in_force, certificate_in_use, planned_renewal};

/// What a daemon knows of time.
pub(super) struct Schedule {
    clock: Arc<dyn Clock>,
    generator: StdRng,
    told: Option<(SystemTime, Instant)>,
    next_question: Option<Instant>,
    last_answer: Option<Instant>,
    looks_now: bool,
    has_ended: bool,
}

impl Schedule {
    pub(super) fn new(clock: Arc<dyn Clock>, generator: StdRng) -> Self {
        Self {
            clock,
            generator,
            told: None,
            next_question: None,
            last_answer: None,
            looks_now: false,
            has_ended: false,
        }
    }

    /// Ask in the next turn.
    pub(super) fn look_now(&mut self) {
        self.looks_now = true;
    }

    /// The CA said that it is not time.
    pub(super) fn advised(&mut self, plan: &Plan) {
        let now = Instant::now();
        self.told = Some((plan.advice.told_at, now));
        self.next_question = Some(now + asking_interval(plan.advice.retry_after, self.chance()));
        self.last_answer = Some(now);
        self.looks_now = false;
    }

    /// There is a new certificate, of which the CA said nothing yet.
    pub(super) fn replaced(&mut self) {
        // The state has the CA's time of just now, which may be before what it told earlier.
        self.told = None;
        self.next_question = None;
        self.looks_now = false;
    }

    /// Whether to ask the CA now, or to go on with what was begun.
    pub(super) fn is_due(&mut self, view: &View) -> Result<bool, StateError> {
        let now = Instant::now();
        if self.looks_now || view.record().renewal.is_some() || self.next_question(view)? <= now {
            return Ok(true);
        }
        let Some(at) = planned_renewal(view)? else { return Ok(false) };
        let asked_lately =
            self.last_answer.is_some_and(|last| now.duration_since(last) < ASK_BY_OWN_CLOCK_MIN);
        Ok(at <= self.now(view)? || (!asked_lately && at <= view.time_floor()?.now(&*self.clock)))
    }

    /// How long nothing is due.
    pub(super) fn wait(&mut self, view: &View) -> Result<Duration, StateError> {
        let until_question = self.next_question(view)?.saturating_duration_since(Instant::now());
        let until_renewal = match planned_renewal(view)? {
            Some(at) => at.duration_since(self.now(view)?).unwrap_or_default(),
            None => Duration::MAX,
        };
        Ok(until_question.min(until_renewal))
    }

    /// Whether the certificate in use has ended since this was asked last.
    pub(super) fn has_just_ended(&mut self, view: &View) -> Result<bool, StateError> {
        let now = self.now(view)?;
        let ended = certificate_in_use(view)?.is_some_and(|certificate| certificate.has_ended(now));
        let before = std::mem::replace(&mut self.has_ended, ended);
        Ok(ended && !before)
    }

    /// The time, as well as it is known.
    fn now(&self, view: &View) -> Result<SystemTime, StateError> {
        let floor = view.time_floor()?;
        Ok(match self.told {
            Some((moment, at)) => floor.raised_to(moment + at.elapsed()).moment(),
            None => floor.now(&*self.clock),
        })
    }

    /// When the CA wants to be asked again. After a start, what it said before still holds; a device that knows nothing asks soon, but
    /// not all devices in the same second.
    fn next_question(&mut self, view: &View) -> Result<Instant, StateError> {
        if let Some(at) = self.next_question {
            return Ok(at);
        }
        let chance = self.chance();
        let pause = advice_in_force(view)?.and_then(|advice| {
            let since = self.clock.now().duration_since(advice.told_at).ok()?;
            asking_interval(advice.retry_after, chance).checked_sub(since)
        });
        let at = Instant::now() + pause.unwrap_or_else(|| FIRST_QUESTION_MAX.mul_f64(chance));
        self.next_question = Some(at);
        Ok(at)
    }

    fn chance(&mut self) -> f64 {
        f64::from(self.generator.next_u32()) / f64::from(u32::MAX)
    }
}

/// How often this unit's own clock, which may be wrong, makes it ask.
const ASK_BY_OWN_CLOCK_MIN: Duration = Duration::from_secs(3600);

/// A device that knows nothing asks within this time after its start: after a power cut a region starts at once.
const FIRST_QUESTION_MAX: Duration = Duration::from_secs(60);

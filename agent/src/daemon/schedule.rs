//! When a device that runs for years asks its CA, whatever its clock shows (R-LIFE-06).
//!
//! The device goes by the CA's last time, advanced by the monotonic clock. Its own clock can make it ask
//! sooner, at most once an hour: a clock that jumps years ahead costs a few calls, one that falls back to
//! 1970 nothing.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use identity::Clock;
use rand::Rng;
use rand::rngs::StdRng;
use tokio::time::Instant;

use crate::renew::RenewalPlan;
use crate::renewal::asking_interval;
use crate::state::{StateError, View};
use crate::status::{certificate_in_use, planned_renewal, renewal_info_in_force};

/// The times at which a daemon asks and renews.
pub(super) struct Schedule {
    clock: Arc<dyn Clock>,
    generator: StdRng,
    server_time: Option<(SystemTime, Instant)>,
    next_call: Option<Instant>,
    last_call: Option<Instant>,
    check_now: bool,
    has_ended: bool,
}

impl Schedule {
    pub(super) fn new(clock: Arc<dyn Clock>, generator: StdRng) -> Self {
        Self {
            clock,
            generator,
            server_time: None,
            next_call: None,
            last_call: None,
            check_now: false,
            has_ended: false,
        }
    }

    /// Makes the next turn ask.
    pub(super) fn check_now(&mut self) {
        self.check_now = true;
    }

    /// Takes the CA's answer that a renewal is not due.
    pub(super) fn not_due(&mut self, plan: &RenewalPlan) {
        let now = Instant::now();
        self.server_time = Some((plan.renewal_info.asked_at, now));
        self.next_call = Some(now + asking_interval(plan.renewal_info.retry_after, self.chance()));
        self.last_call = Some(now);
        self.check_now = false;
    }

    /// Starts anew for a new certificate.
    pub(super) fn replaced(&mut self) {
        // The state has the CA's latest time, which may be before the earlier one.
        self.server_time = None;
        self.next_call = None;
        self.check_now = false;
    }

    /// Whether to ask the CA now, or to go on with a renewal that was begun.
    pub(super) fn is_due(&mut self, view: &View) -> Result<bool, StateError> {
        let now = Instant::now();
        if self.check_now || view.record().renewal.is_some() || self.next_call(view)? <= now {
            return Ok(true);
        }
        let Some(at) = planned_renewal(view)? else { return Ok(false) };
        let called_lately =
            self.last_call.is_some_and(|last| now.duration_since(last) < ASK_BY_OWN_CLOCK_MIN);
        Ok(at <= self.now(view)? || (!called_lately && at <= view.time_floor()?.now(&*self.clock)))
    }

    /// The pause until something is due.
    pub(super) fn wait(&mut self, view: &View) -> Result<Duration, StateError> {
        let until_call = self.next_call(view)?.saturating_duration_since(Instant::now());
        let until_renewal = match planned_renewal(view)? {
            Some(at) => at.duration_since(self.now(view)?).unwrap_or_default(),
            None => Duration::MAX,
        };
        Ok(until_call.min(until_renewal))
    }

    /// Whether the certificate in use has ended since the last call of this function.
    pub(super) fn has_just_ended(&mut self, view: &View) -> Result<bool, StateError> {
        let now = self.now(view)?;
        let ended = certificate_in_use(view)?.is_some_and(|certificate| certificate.has_ended(now));
        let before = std::mem::replace(&mut self.has_ended, ended);
        Ok(ended && !before)
    }

    /// The best estimate of the time.
    fn now(&self, view: &View) -> Result<SystemTime, StateError> {
        let floor = view.time_floor()?;
        Ok(match self.server_time {
            Some((moment, at)) => floor.raised_to(moment + at.elapsed()).moment(),
            None => floor.now(&*self.clock),
        })
    }

    /// When the CA is asked again. After a start, its earlier answer still holds.
    fn next_call(&mut self, view: &View) -> Result<Instant, StateError> {
        if let Some(at) = self.next_call {
            return Ok(at);
        }
        let chance = self.chance();
        let pause = renewal_info_in_force(view)?.and_then(|renewal_info| {
            let since = self.clock.now().duration_since(renewal_info.asked_at).ok()?;
            asking_interval(renewal_info.retry_after, chance).checked_sub(since)
        });
        let at = Instant::now() + pause.unwrap_or_else(|| FIRST_QUESTION_MAX.mul_f64(chance));
        self.next_call = Some(at);
        Ok(at)
    }

    fn chance(&mut self) -> f64 {
        f64::from(self.generator.next_u32()) / f64::from(u32::MAX)
    }
}

/// The shortest time between two calls that the unit's own clock causes: it may be wrong.
const ASK_BY_OWN_CLOCK_MIN: Duration = Duration::from_secs(3600);

/// A device without an earlier answer asks within this time: after a power cut a region starts together.
const FIRST_QUESTION_MAX: Duration = Duration::from_secs(60);

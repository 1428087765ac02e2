//! The CA's wall clock, checked against the monotonic clock and the times in the ledger (ADR 0034).
//!
//! While the wall clock is in doubt, the CA uses the last trusted time plus the monotonic time since: callers
//! can still be authenticated, and nothing is recorded with a wrong time.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use identity::{Clock, ClockDoubt, ClockFault};
use parking_lot::RwLock;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

/// How far the wall clock may be off before it is in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockLimits {
    /// Difference to the monotonic clock while the CA runs.
    pub jump_max: Duration,
    /// How far it may be behind the last entry of the ledger.
    pub behind_ledger_max: Duration,
    /// How far it may be ahead of the last entry of the ledger when the CA starts.
    pub ahead_of_ledger_max: Duration,
}

impl Default for ClockLimits {
    fn default() -> Self {
        Self {
            jump_max: Duration::from_secs(5 * 60),
            behind_ledger_max: Duration::from_secs(5 * 60),
            ahead_of_ledger_max: Duration::from_secs(30 * DAY.as_secs()),
        }
    }
}

impl ClockLimits {
    /// The doubt about a clock that shows `now`, if the last entry of the ledger is of the time `last`.
    pub fn judge(&self, now: SystemTime, last: Option<SystemTime>) -> Option<ClockDoubt> {
        let last = last?;
        let doubt = |fault, by| Some(ClockDoubt { fault, by, shows: now });
        match now.duration_since(last) {
            Ok(ahead) if ahead > self.ahead_of_ledger_max => doubt(ClockFault::AheadOfLedger, ahead),
            Err(behind) if behind.duration() > self.behind_ledger_max => {
                doubt(ClockFault::BehindLedger, behind.duration())
            }
            _ => None,
        }
    }
}

/// A wall clock that knows when it is in doubt, and is trusted again as soon as it is right.
pub struct CheckedClock {
    source: Arc<dyn Clock>,
    limits: ClockLimits,
    state: RwLock<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    /// A trusted time, and the monotonic time then. `None`: no ledger was opened yet.
    anchor: Option<(SystemTime, Duration)>,
    fault: Option<ClockFault>,
}

impl CheckedClock {
    /// A clock that trusts `source` until [`CheckedClock::begin_over`].
    pub fn new(source: Arc<dyn Clock>, limits: ClockLimits) -> Self {
        Self { source, limits, state: RwLock::new(State { anchor: None, fault: None }) }
    }

    /// Begins to check, with a ledger whose last entry is of the time `last`.
    pub fn begin_over(&self, last: Option<SystemTime>) {
        let (now, monotonic) = (self.source.now(), self.source.monotonic());
        let doubt = self.limits.judge(now, last);
        let trusted = match doubt {
            Some(_) => last.unwrap_or(now),
            None => now,
        };
        let state = State { anchor: Some((trusted, monotonic)), fault: doubt.map(|doubt| doubt.fault) };
        *self.state.write() = state;
        if let Some(doubt) = doubt {
            tell(&doubt);
        }
    }

    /// Reads the clock regularly until `stop`, so that a doubt is noticed without calls.
    pub async fn watch(&self, stop: CancellationToken) {
        let mut ticks = interval(LOOK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => { self.read(); }
            }
        }
    }

    /// The wall clock, trusted or not.
    pub fn shows(&self) -> SystemTime {
        self.source.now()
    }

    /// The time to use, and the doubt about the wall clock.
    fn read(&self) -> (SystemTime, Option<ClockDoubt>) {
        let state = *self.state.read();
        // The wall clock first: a delay between the two reads must not make it look ahead.
        let (shows, monotonic) = (self.source.now(), self.source.monotonic());
        let Some((time, at)) = state.anchor else { return (shows, None) };
        let carried = time + monotonic.saturating_sub(at);
        let doubt = match state.fault {
            // Since the start: the anchor is the time of the last entry.
            Some(ClockFault::BehindLedger | ClockFault::AheadOfLedger) => {
                self.limits.judge(shows, Some(time))
            }
            _ => self.jumped(carried, shows),
        };
        let changed = doubt.is_some() != state.fault.is_some();
        let grown_old = doubt.is_none() && monotonic.saturating_sub(at) > DAY;
        if changed || grown_old {
            let trusted = if doubt.is_some() { carried } else { shows };
            let fault = doubt.map(|doubt| doubt.fault);
            if self.change(state, State { anchor: Some((trusted, monotonic)), fault }) && changed {
                match doubt {
                    Some(doubt) => tell(&doubt),
                    None => warn!("the clock is right again; issuing and publishing go on"),
                }
            }
        }
        (if doubt.is_some() { carried } else { shows }, doubt)
    }

    fn jumped(&self, carried: SystemTime, shows: SystemTime) -> Option<ClockDoubt> {
        let (fault, by) = match shows.duration_since(carried) {
            Ok(ahead) => (ClockFault::JumpedAhead, ahead),
            Err(behind) => (ClockFault::JumpedBack, behind.duration()),
        };
        (by > self.limits.jump_max).then_some(ClockDoubt { fault, by, shows })
    }

    /// Changes the state unless another thread was first; whether it did.
    fn change(&self, from: State, to: State) -> bool {
        let mut state = self.state.write();
        let first = *state == from;
        if first {
            *state = to;
        }
        first
    }
}

impl Clock for CheckedClock {
    /// The wall clock while it is trusted; otherwise the last trusted time plus the monotonic time since.
    fn now(&self) -> SystemTime {
        self.read().0
    }

    fn monotonic(&self) -> Duration {
        self.source.monotonic()
    }

    fn doubt(&self) -> Option<ClockDoubt> {
        self.read().1
    }
}

fn tell(doubt: &ClockDoubt) {
    error!(
        by_seconds = doubt.by.as_secs(),
        "{doubt}: nothing is issued or published until it is right, or until touchmark-ca confirm-time says that it is"
    );
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests;

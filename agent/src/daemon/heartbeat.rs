//! What the service manager hears of the daemon: that its loop turns.

use std::time::Duration;

use supervisor::ServiceManager;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

/// Tells the service manager that the daemon is alive, for as long as no turn takes longer than it can.
pub(super) struct Heartbeat<'a> {
    manager: &'a ServiceManager,
    ticks: Option<Interval>,
    turn_max: Duration,
    turn_began: Option<Instant>,
}

impl<'a> Heartbeat<'a> {
    /// One that falls silent when a turn takes longer than `turn_max`.
    pub(super) fn new(manager: &'a ServiceManager, turn_max: Duration) -> Self {
        let ticks = manager.watchdog_interval().map(|every| {
            let mut ticks = interval(every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        });
        Self { manager, ticks, turn_max, turn_began: None }
    }

    pub(super) fn turn_begins(&mut self) {
        self.turn_began = Some(Instant::now());
    }

    pub(super) fn turn_ended(&mut self) {
        self.turn_began = None;
    }

    /// Waits until the next word is due, and says it. Never returns where nobody wants to hear it.
    pub(super) async fn beat(&mut self) {
        match &mut self.ticks {
            Some(ticks) => _ = ticks.tick().await,
            None => std::future::pending().await,
        }
        if self.turn_began.is_none_or(|began| began.elapsed() <= self.turn_max) {
            self.manager.alive();
        }
    }
}

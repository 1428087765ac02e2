//! The watchdog messages to the service manager.

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
    /// A heartbeat that stops when a turn takes longer than `turn_max`.
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

    /// Waits until the next message is due, and sends it. Never returns without a watchdog.
    pub(super) async fn beat(&mut self) {
        match &mut self.ticks {
            Some(ticks) => _ = ticks.tick().await,
            None => std::future::pending().await,
        }
        if self.turns() {
            self.manager.alive();
        }
    }

    /// Whether the loop is alive: between turns, or in one that has not taken too long.
    fn turns(&self) -> bool {
        self.turn_began.is_none_or(|began| began.elapsed() <= self.turn_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_that_takes_too_long_silences_the_heartbeat_until_it_ends() {
        let manager = ServiceManager::default();
        let mut heartbeat = Heartbeat::new(&manager, Duration::from_millis(1));
        assert!(heartbeat.turns(), "it has not begun");
        heartbeat.turn_begins();
        while heartbeat.turn_began.is_some_and(|began| began.elapsed() <= heartbeat.turn_max) {
            std::thread::yield_now();
        }
        assert!(!heartbeat.turns());
        heartbeat.turn_ended();
        assert!(heartbeat.turns());
    }
}

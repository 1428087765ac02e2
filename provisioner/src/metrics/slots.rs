//! What the slots do now.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::line::LineEvent;

/// The states of the slots of a run, and how many are in each.
pub(super) struct Slots {
    states: Vec<State>,
    counts: Family<Labels, Gauge>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Between two units.
    Idle,
    /// Waits for a unit to be scanned or inserted.
    Waiting,
    Working,
    /// A unit waits for the CA's answer.
    WaitingForCa,
    /// Takes no further units in this run.
    Closed,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Labels {
    state: &'static str,
}

impl Slots {
    pub(super) fn new(counts: Family<Labels, Gauge>) -> Self {
        Self { states: Vec::new(), counts }
    }

    /// So many slots, each idle.
    pub(super) fn begin(&mut self, slots: usize) {
        self.states = vec![State::Idle; slots];
        self.show();
    }

    pub(super) fn see(&mut self, event: &LineEvent) {
        match event {
            LineEvent::Begun { slot, .. } | LineEvent::AskedCa { slot, waiting: false, .. } => {
                self.set(*slot, State::Working);
            }
            LineEvent::AskedCa { slot, waiting: true, .. } => self.set(*slot, State::WaitingForCa),
            LineEvent::Ended(report) => self.set(report.slot, State::Idle),
            LineEvent::Waiting { slot, .. } => self.set(*slot, State::Waiting),
            LineEvent::Closed { slot, .. } => self.set(*slot, State::Closed),
            // What concerns no slot.
            _ => {}
        }
    }

    fn set(&mut self, slot: usize, state: State) {
        let Some(now) = slot.checked_sub(1).and_then(|index| self.states.get_mut(index)) else { return };
        if *now != state {
            *now = state;
            self.show();
        }
    }

    fn show(&self) {
        for state in State::ALL {
            let count = self.states.iter().filter(|now| **now == state).count();
            let labels = Labels { state: state.name() };
            self.counts.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}

impl State {
    const ALL: [Self; 5] = [Self::Idle, Self::Waiting, Self::Working, Self::WaitingForCa, Self::Closed];

    fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Waiting => "waiting",
            Self::Working => "working",
            Self::WaitingForCa => "waiting_for_ca",
            Self::Closed => "closed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::Wait;

    #[test]
    fn each_slot_is_in_one_state_at_a_time() {
        let counts = Family::default();
        let mut slots = Slots::new(counts.clone());
        slots.begin(3);
        slots.see(&LineEvent::Waiting { slot: 1, what: String::new(), wait: Wait::Unit });
        slots.see(&LineEvent::Begun { slot: 2, device: "cam-2/SN1".parse().unwrap() });
        slots.see(&LineEvent::Closed { slot: 3, detail: String::new() });
        // A slot that there is not.
        slots.see(&LineEvent::Closed { slot: 4, detail: String::new() });
        let now: Vec<i64> = State::ALL
            .iter()
            .map(|state| counts.get_or_create(&Labels { state: state.name() }).get())
            .collect();
        assert_eq!(now, [0, 1, 1, 0, 1]);
    }
}

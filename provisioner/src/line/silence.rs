//! Detects silent links. When several units in a row are silent, the link is at fault, not the units.

use std::collections::BTreeMap;

use parking_lot::Mutex;

#[derive(Debug, Default)]
pub(crate) struct SilenceMonitor {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    heard: bool,
    silent: u32,
    silent_at: BTreeMap<usize, u32>,
    given_up: bool,
}

/// What the end of a unit says about its link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SilenceVerdict {
    /// The link may be in order.
    Nothing,
    /// This many units in a row were silent at this slot.
    SlotIsSilent(u32),
    /// This many units were silent, and none was heard at any slot.
    LineIsSilent(u32),
    /// The line was found silent before this unit ended, so the unit is not judged.
    LineWasSilent,
}

impl SilenceMonitor {
    /// A message of a device of `slot` came. Told at once, so that a dead fixture does not stop the others
    /// while their first units are still being made.
    pub(crate) fn hear(&self, slot: usize) {
        let mut state = self.state.lock();
        state.heard = true;
        state.silent_at.remove(&slot);
    }

    /// Counts a unit of `slot`; `heard` is false if no message of it came.
    pub(crate) fn count(&self, slot: usize, heard: bool) -> SilenceVerdict {
        if heard {
            self.hear(slot);
            return SilenceVerdict::Nothing;
        }
        let mut state = self.state.lock();
        if state.given_up {
            return SilenceVerdict::LineWasSilent;
        }
        state.silent = state.silent.saturating_add(1);
        let at_slot = state.silent_at.entry(slot).or_default();
        *at_slot = at_slot.saturating_add(1);
        let at_slot = *at_slot;
        if !state.heard && state.silent >= SILENT_MAX {
            state.given_up = true;
            return SilenceVerdict::LineIsSilent(state.silent);
        }
        if at_slot >= SILENT_MAX { SilenceVerdict::SlotIsSilent(at_slot) } else { SilenceVerdict::Nothing }
    }
}

/// How many silent units in a row mean that the link is at fault: one or two may be defective.
const SILENT_MAX: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_silent_units_are_counted_over_the_whole_line_until_a_device_is_heard_and_by_slot_after_that() {
        let silence = SilenceMonitor::default();
        let verdicts: Vec<_> = (1..=5).map(|slot| silence.count(slot, false)).collect();
        let expected = [
            SilenceVerdict::Nothing,
            SilenceVerdict::Nothing,
            SilenceVerdict::LineIsSilent(3),
            SilenceVerdict::LineWasSilent,
            SilenceVerdict::LineWasSilent,
        ];
        assert_eq!(verdicts, expected);

        let silence = SilenceMonitor::default();
        silence.count(1, true);
        let verdicts: Vec<_> = [1, 2, 2, 1, 2].map(|slot| silence.count(slot, false)).into();
        assert_eq!(verdicts[..4], [SilenceVerdict::Nothing; 4]);
        assert_eq!(verdicts[4], SilenceVerdict::SlotIsSilent(3));
        silence.count(1, true);
        assert_eq!(
            silence.count(1, false),
            SilenceVerdict::Nothing,
            "one that is heard begins the count anew"
        );
    }

    #[test]
    fn a_dead_fixture_does_not_stop_a_line_that_is_heard_elsewhere() {
        let silence = SilenceMonitor::default();
        silence.hear(2);
        let verdicts: Vec<_> = (1..=3).map(|_| silence.count(1, false)).collect();
        let nothing = SilenceVerdict::Nothing;
        assert_eq!(verdicts, [nothing, nothing, SilenceVerdict::SlotIsSilent(3)]);
    }
}

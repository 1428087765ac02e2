//! Whether devices are heard. Units that say nothing, one after another, are the link's fault, not theirs.

use std::collections::BTreeMap;

use parking_lot::Mutex;

/// Which devices of a line were heard, and how many units in a row were not.
#[derive(Debug, Default)]
pub(crate) struct Hearing {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    heard: bool,
    silent: u32,
    silent_at: BTreeMap<usize, u32>,
    given_up: bool,
}

/// What the end of a unit says of its link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing.
    Nothing,
    /// So many units in a row were not heard at this fixture.
    SlotIsSilent(u32),
    /// So many units were not heard, and none was, at any fixture.
    LineIsSilent(u32),
    /// The line was silent before this unit ended: it says nothing of the unit.
    LineWasSilent,
}

impl Hearing {
    /// Counts a unit of fixture `slot`: its device was heard, or its link ended or its time ran out without a word of it.
    pub(crate) fn count(&self, slot: usize, heard: bool) -> Verdict {
        let mut state = self.state.lock();
        if heard {
            state.heard = true;
            state.silent_at.remove(&slot);
            return Verdict::Nothing;
        }
        if state.given_up {
            return Verdict::LineWasSilent;
        }
        state.silent = state.silent.saturating_add(1);
        let at_slot = state.silent_at.entry(slot).or_default();
        *at_slot = at_slot.saturating_add(1);
        let at_slot = *at_slot;
        if !state.heard && state.silent >= SILENT_MAX {
            state.given_up = true;
            return Verdict::LineIsSilent(state.silent);
        }
        if at_slot >= SILENT_MAX { Verdict::SlotIsSilent(at_slot) } else { Verdict::Nothing }
    }
}

/// Units in a row that say nothing before the link is blamed: one may be dead, and two.
const SILENT_MAX: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_silent_units_are_counted_over_the_whole_line_until_a_device_is_heard_and_by_slot_after_that() {
        let hearing = Hearing::default();
        let verdicts: Vec<_> = (1..=5).map(|slot| hearing.count(slot, false)).collect();
        let expected = [
            Verdict::Nothing,
            Verdict::Nothing,
            Verdict::LineIsSilent(3),
            Verdict::LineWasSilent,
            Verdict::LineWasSilent,
        ];
        assert_eq!(verdicts, expected);

        let hearing = Hearing::default();
        hearing.count(1, true);
        let verdicts: Vec<_> = [1, 2, 2, 1, 2].map(|slot| hearing.count(slot, false)).into();
        assert_eq!(verdicts[..4], [Verdict::Nothing; 4]);
        assert_eq!(verdicts[4], Verdict::SlotIsSilent(3));
        hearing.count(1, true);
        assert_eq!(hearing.count(1, false), Verdict::Nothing, "one that is heard begins the count anew");
    }
}

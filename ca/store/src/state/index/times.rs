//! The times of the entries: where the clock went back, and with it which entries were made while it was
//! ahead.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ledger::EntryNumber;

/// What is known of the times of all entries. Its size follows how often the clock was set back.
#[derive(Debug, Clone, Default)]
pub(crate) struct Times {
    /// The last entry.
    last: u64,
    /// Its time, milliseconds since 1970.
    last_ms: u64,
    /// The latest time of its run, whole seconds since 1970.
    latest_s: u64,
    /// For each time that the clock went back: the last entry before, and the time of the entry after.
    steps: Vec<(u64, u64)>,
}

/// Entries that were made while the clock was ahead are among the last of a run of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// The first entry of the run.
    pub(crate) first: u64,
    /// Its last entry.
    pub(crate) last: u64,
    /// An entry of a later time than this was made while the clock was ahead. Whole seconds since 1970.
    pub(crate) latest_s: u64,
}

impl Times {
    /// As a checkpoint keeps them.
    pub(super) fn to_numbers(&self) -> Vec<u64> {
        let steps = self.steps.iter().flat_map(|(before, after_s)| [*before, *after_s]);
        [self.last, self.last_ms, self.latest_s].into_iter().chain(steps).collect()
    }

    /// Reads what [`Self::to_numbers`] gave.
    pub(super) fn of(numbers: &[u64]) -> Option<Self> {
        let ([last, last_ms, latest_s], steps) = numbers.split_first_chunk::<3>()?;
        let (steps, []) = steps.as_chunks::<2>() else { return None };
        let steps = steps.iter().map(|[before, after_s]| (*before, *after_s)).collect();
        Some(Self { last: *last, last_ms: *last_ms, latest_s: *latest_s, steps })
    }

    pub(super) fn enter(&mut self, number: EntryNumber, at_ms: u64) {
        let at_s = at_ms / 1000;
        if at_s.saturating_add(STEP_SECONDS) < self.latest_s {
            self.steps.push((number.0.saturating_sub(1), at_s));
            self.latest_s = at_s;
        }
        self.last = number.0;
        self.last_ms = at_ms;
        self.latest_s = self.latest_s.max(at_s);
    }

    /// The time of the last entry; `None`: there is none.
    pub(crate) fn last_at(&self) -> Option<SystemTime> {
        (self.last > 0).then(|| UNIX_EPOCH + Duration::from_millis(self.last_ms))
    }

    /// The last entry.
    pub(super) fn last(&self) -> EntryNumber {
        EntryNumber(self.last)
    }

    /// The runs of entries, newest first, with what was too late a time in each, as is known at `now_s`.
    pub(crate) fn runs(&self, now_s: u64) -> Vec<Run> {
        let (mut last, mut latest_s) = (self.last, now_s);
        let mut runs = Vec::with_capacity(self.steps.len() + 1);
        for (before, after_s) in self.steps.iter().rev() {
            runs.push(Run { first: before + 1, last, latest_s: latest_s.saturating_add(STEP_SECONDS) });
            (last, latest_s) = (*before, latest_s.min(*after_s));
        }
        runs.push(Run { first: 1, last, latest_s: latest_s.saturating_add(STEP_SECONDS) });
        runs
    }
}

/// Smaller steps are ordinary corrections of a clock.
const STEP_SECONDS: u64 = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_while_the_clock_was_ahead_is_what_is_later_than_what_followed() {
        let mut times = Times::default();
        assert_eq!(times.last_at(), None);
        for (number, at_s) in [(1, 1_000), (2, 1_010), (3, 90_000), (4, 90_001), (5, 1_100), (6, 1_090)] {
            times.enter(EntryNumber(number), at_s * 1000);
        }
        assert_eq!(times.last_at(), Some(UNIX_EPOCH + Duration::from_secs(1_090)));
        let runs = times.runs(1_200);
        assert_eq!(
            runs,
            [Run { first: 5, last: 6, latest_s: 1_500 }, Run { first: 1, last: 4, latest_s: 1_400 }]
        );
    }
}

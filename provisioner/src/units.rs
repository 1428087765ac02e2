//! The supply of units to make.

mod share;

use std::collections::{BTreeMap, VecDeque};

use identity::DeviceId;

pub(crate) use share::Share;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) device: DeviceId,
    /// Further columns of the line's list.
    pub(crate) columns: BTreeMap<String, String>,
}

/// Gives units to the slots, each once.
pub(crate) struct Supply {
    units: Box<dyn Iterator<Item = Unit> + Send>,
    returned: VecDeque<Unit>,
    /// How many units are still to be given out, at most.
    pub(crate) left: u64,
    /// How many units were wanted when no serial number was left.
    pub(crate) short: u64,
    /// Whether a unit whose serial number is another's is skipped.
    pub(crate) skips: bool,
}

impl Supply {
    /// These units and no others, at most `limit`.
    pub(crate) fn of_list(units: Vec<Unit>, limit: Option<u64>) -> Self {
        let length = u64::try_from(units.len()).unwrap_or(u64::MAX);
        let left = limit.map_or(length, |limit| limit.min(length));
        Self { skips: false, ..Self::of_range(units.into_iter(), left) }
    }

    /// `count` units of a range or manifest. A serial number of another unit is replaced by the next.
    pub(crate) fn of_range(units: impl Iterator<Item = Unit> + Send + 'static, count: u64) -> Self {
        Self { units: Box::new(units), returned: VecDeque::new(), left: count, short: 0, skips: true }
    }

    /// Gives out another unit in place of one whose serial number is another's.
    pub(crate) fn replace(&mut self) {
        self.left = self.left.saturating_add(1);
    }

    /// Takes back a unit that was not changed; it is the next.
    pub(crate) fn put_back(&mut self, unit: Unit) {
        self.left = self.left.saturating_add(1);
        self.returned.push_front(unit);
    }
}

impl Iterator for Supply {
    type Item = Unit;

    fn next(&mut self) -> Option<Unit> {
        let left = self.left.checked_sub(1)?;
        let next = self.returned.pop_front().or_else(|| self.units.next());
        if next.is_some() {
            self.left = left;
        } else {
            self.short = std::mem::take(&mut self.left);
        }
        next
    }
}

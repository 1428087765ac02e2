//! Which units to make.

mod list;
mod pattern;

use std::collections::BTreeMap;

use identity::DeviceId;

pub(crate) use list::LIST_BYTES_MAX;
pub use list::{ListError, Row, read_list};
pub use pattern::{PatternError, SerialPattern};

/// A unit to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Which.
    pub device: DeviceId,
    /// What the line's list says of it beside serial and product.
    pub columns: BTreeMap<String, String>,
}

/// Gives units to the slots, each once.
pub struct Supply {
    units: Box<dyn Iterator<Item = Unit> + Send>,
    left: u64,
    exact: bool,
}

impl Supply {
    /// These units and no others, at most `limit`.
    pub fn of_list(units: Vec<Unit>, limit: Option<u64>) -> Self {
        let length = u64::try_from(units.len()).unwrap_or(u64::MAX);
        let left = limit.map_or(length, |limit| limit.min(length));
        Self { units: Box::new(units.into_iter()), left, exact: true }
    }

    /// `count` units out of a range of serials; one that turns out to be made elsewhere is replaced by the next.
    pub fn of_range(units: impl Iterator<Item = Unit> + Send + 'static, count: u64) -> Self {
        Self { units: Box::new(units), left: count, exact: false }
    }

    /// How many are still to be given out, at most.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Whether a unit that is made elsewhere is simply passed over.
    pub fn passes_over_made_units(&self) -> bool {
        !self.exact
    }

    /// One unit that was given out was made elsewhere: give out another for it.
    pub fn replace(&mut self) {
        self.left = self.left.saturating_add(1);
    }
}

impl Iterator for Supply {
    type Item = Unit;

    fn next(&mut self) -> Option<Unit> {
        self.left = self.left.checked_sub(1)?;
        let next = self.units.next();
        if next.is_none() {
            self.left = 0;
        }
        next
    }
}

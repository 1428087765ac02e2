//! The supply of units to make.

mod rules;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use identity::DeviceId;

pub(crate) use rules::Rules;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) device: DeviceId,
    /// Further columns of the line's list.
    pub(crate) columns: BTreeMap<String, String>,
    /// The slot that makes it; `None`: any slot.
    pub(crate) slot: Option<usize>,
}

/// Gives units to the slots, each once. A unit with a slot goes to that slot, before those without.
#[derive(Debug, Default)]
pub(crate) struct Supply {
    /// Units without a slot.
    waiting: VecDeque<Unit>,
    bound: BTreeMap<usize, VecDeque<Unit>>,
    /// Units that cannot be begun now.
    aside: VecDeque<Unit>,
    /// Slots that want a unit.
    idle: BTreeSet<usize>,
    /// Units for slots that have not taken them yet.
    assigned: BTreeMap<usize, Unit>,
    /// Units that slots have taken and not ended.
    in_work: u64,
    /// How many units are still to be given out, at most.
    pub(crate) left: u64,
    /// How many units were wanted when no serial number was left.
    pub(crate) short: u64,
    /// Whether a unit whose serial number is another's is skipped.
    pub(crate) skips: bool,
    /// Whether further units may come.
    is_open: bool,
    /// Whether `left` says how many will come.
    is_counted: bool,
    /// Whether only units that pass count towards `left`.
    counts_passes: bool,
}

/// What a slot does next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Unit(Unit),
    /// A unit may come, or be given back by another slot.
    Wait,
    /// No unit is left for this slot.
    Over,
}

impl Supply {
    /// These units and no others, at most `limit`.
    pub(crate) fn of_list(units: Vec<Unit>, limit: Option<u64>) -> Self {
        let length = u64::try_from(units.len()).unwrap_or(u64::MAX);
        let left = limit.map_or(length, |limit| limit.min(length));
        let mut supply = Self { left, is_counted: true, ..Self::default() };
        units.into_iter().for_each(|unit| supply.enqueue(unit));
        supply
    }

    /// `count` units of a work order: `first`, and others that come later. A serial number of another unit is
    /// replaced by the next.
    pub(crate) fn of_order(first: Vec<Unit>, count: u64) -> Self {
        let supply = Self::of_list(first, None);
        Self { left: count, skips: true, is_open: true, ..supply }
    }

    /// Units that come later, at most `limit` of them.
    pub(crate) fn of_arrivals(limit: u64) -> Self {
        Self { left: limit, is_open: true, ..Self::default() }
    }

    /// Units that people bring, until `count` of them have passed.
    pub(crate) fn of_people(count: u64) -> Self {
        Self { counts_passes: true, ..Self::of_arrivals(count) }
    }

    /// Marks all slots as idle: the first units go to them in order.
    pub(crate) fn begin(&mut self, slots: usize) {
        self.idle = (1..=slots).collect();
        self.hand_out();
    }

    /// A unit has come.
    pub(crate) fn add(&mut self, unit: Unit) {
        self.enqueue(unit);
        self.hand_out();
    }

    /// No further units come.
    pub(crate) fn close(&mut self) {
        self.is_open = false;
        if !self.counts_passes {
            self.left = self.left.min(u64::try_from(self.waits()).unwrap_or(u64::MAX));
        }
    }

    /// No further units come, although they were wanted.
    pub(crate) fn end_short(&mut self) {
        self.is_open = false;
        let waits = u64::try_from(self.waits()).unwrap_or(u64::MAX);
        self.short = self.short.saturating_add(self.left.saturating_sub(waits));
        self.left = self.left.min(waits);
    }

    /// How many units are wanted that have not come.
    pub(crate) fn wants(&self) -> u64 {
        if self.is_open {
            self.left.saturating_sub(u64::try_from(self.waits()).unwrap_or(u64::MAX))
        } else {
            0
        }
    }

    /// The next units that wait, at most `count`, without taking them.
    pub(crate) fn ahead(&self, count: usize) -> impl Iterator<Item = &Unit> {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let waiting = self.bound.values().flatten().chain(&self.waiting).take(left);
        self.assigned.values().chain(waiting).take(count)
    }

    /// Units that have come and are not in work.
    pub(crate) fn waits(&self) -> usize {
        self.waiting.len() + self.aside.len() + self.bound.values().map(VecDeque::len).sum::<usize>()
    }

    /// How many units wait for other slots to take them.
    pub(crate) fn assigned_to_others(&self, slot: usize) -> usize {
        self.assigned.keys().filter(|other| **other != slot).count()
    }

    /// What this slot does next. A unit that is given out is in work until [`Self::ended`] or
    /// [`Self::put_back`].
    pub(crate) fn next_for(&mut self, slot: usize) -> Next {
        if !self.assigned.contains_key(&slot) {
            self.idle.insert(slot);
            self.hand_out();
        }
        if let Some(unit) = self.assigned.remove(&slot) {
            self.in_work = self.in_work.saturating_add(1);
            return Next::Unit(unit);
        }
        // A unit in work may come back, and one that is assigned may be given back.
        let may_come = self.in_work > 0
            || !self.assigned.is_empty()
            || !self.aside.is_empty()
            || (self.is_open && self.left > 0);
        if may_come { Next::Wait } else { Next::Over }
    }

    /// A place for a unit that named itself; [`Self::ended`] ends it.
    pub(crate) fn permit(&mut self) -> bool {
        match self.left.checked_sub(1) {
            Some(left) => {
                (self.left, self.in_work) = (left, self.in_work.saturating_add(1));
                true
            }
            None => false,
        }
    }

    /// Whether all units have been made, and none is in work.
    pub(crate) fn is_over(&self) -> bool {
        self.left == 0 && self.in_work == 0
    }

    /// A unit in work has ended.
    pub(crate) fn ended(&mut self, passed: bool) {
        self.in_work = self.in_work.saturating_sub(1);
        if self.counts_passes && !passed {
            self.left = self.left.saturating_add(1);
            self.hand_out();
        }
    }

    /// Gives out another unit in place of one whose serial number is another's.
    pub(crate) fn replace(&mut self) {
        self.left = self.left.saturating_add(1);
    }

    /// Takes back a unit in work that was not changed; it is the next.
    pub(crate) fn put_back(&mut self, unit: Unit) {
        self.in_work = self.in_work.saturating_sub(1);
        self.left = self.left.saturating_add(1);
        self.enqueue_first(unit);
        self.hand_out();
    }

    /// Takes back a unit in work that was not changed and cannot be begun now: others are made meanwhile.
    pub(crate) fn set_aside(&mut self, unit: Unit) {
        self.in_work = self.in_work.saturating_sub(1);
        self.left = self.left.saturating_add(1);
        self.aside.push_back(unit);
    }

    pub(crate) fn has_aside(&self) -> bool {
        !self.aside.is_empty()
    }

    /// What was set aside can be begun again, before others.
    pub(crate) fn bring_back(&mut self) {
        while let Some(unit) = self.aside.pop_back() {
            self.enqueue_first(unit);
        }
        self.hand_out();
    }

    /// A unit that has ended is made again, before others.
    pub(crate) fn again(&mut self, unit: Unit) {
        self.in_work = self.in_work.saturating_add(1);
        self.put_back(unit);
    }

    /// A slot takes no further units. What was assigned to it goes to others.
    pub(crate) fn leave(&mut self, slot: usize) {
        self.idle.remove(&slot);
        if let Some(unit) = self.assigned.remove(&slot) {
            self.in_work = self.in_work.saturating_add(1);
            self.put_back(unit);
        }
    }

    /// How many units were not begun, once no slot works any more.
    pub(crate) fn not_begun(&self) -> u64 {
        let assigned = u64::try_from(self.assigned.len()).unwrap_or(u64::MAX);
        // Nobody knows how many people, or a list without an end, would have brought.
        let left = match self.is_counted {
            true => self.left,
            false => u64::try_from(self.waits()).unwrap_or(u64::MAX),
        };
        left.saturating_add(assigned)
    }

    /// All units that are left.
    pub(crate) fn into_units(self) -> impl Iterator<Item = Unit> {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let bound = self.bound.into_values().flatten();
        bound.chain(self.waiting).take(left)
    }

    fn enqueue(&mut self, unit: Unit) {
        match unit.slot {
            Some(slot) => self.bound.entry(slot).or_default().push_back(unit),
            None => self.waiting.push_back(unit),
        }
    }

    fn enqueue_first(&mut self, unit: Unit) {
        match unit.slot {
            Some(slot) => self.bound.entry(slot).or_default().push_front(unit),
            None => self.waiting.push_front(unit),
        }
    }

    /// Assigns units to the idle slots, the lowest first.
    fn hand_out(&mut self) {
        for slot in self.idle.clone() {
            let Some(left) = self.left.checked_sub(1) else { return };
            match self.take(slot) {
                Some(unit) => {
                    self.left = left;
                    self.idle.remove(&slot);
                    self.assigned.insert(slot, unit);
                }
                None if self.is_open || self.counts_passes || self.waits() > 0 => {}
                None => self.short = self.short.saturating_add(std::mem::take(&mut self.left)),
            }
        }
    }

    fn take(&mut self, slot: usize) -> Option<Unit> {
        let bound = self.bound.get_mut(&slot).and_then(VecDeque::pop_front);
        bound.or_else(|| self.waiting.pop_front())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(serial: &str, slot: Option<usize>) -> Unit {
        Unit { device: format!("cam-2/{serial}").parse().unwrap(), columns: BTreeMap::new(), slot }
    }

    fn next(supply: &mut Supply, slot: usize) -> String {
        match supply.next_for(slot) {
            Next::Unit(unit) => unit.device.serial.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn the_first_units_go_to_the_slots_in_order_whichever_slot_asks_first() {
        let mut supply = Supply::of_list(vec![unit("A1", None), unit("A2", None), unit("A3", None)], None);
        supply.begin(2);
        assert_eq!(next(&mut supply, 2), "A2");
        assert_eq!(next(&mut supply, 1), "A1");
        supply.ended(true);
        assert_eq!(next(&mut supply, 2), "A3");
        supply.ended(true);
        assert_eq!(next(&mut supply, 1), "Wait", "A3 may be given back");
        supply.ended(false);
        assert_eq!((next(&mut supply, 1), supply.left), ("Over".into(), 0));
    }

    #[test]
    fn a_row_with_a_slot_is_made_there_and_nowhere_else() {
        let list = vec![unit("A1", Some(2)), unit("A2", None), unit("A3", Some(2)), unit("A4", Some(1))];
        let mut supply = Supply::of_list(list, None);
        supply.begin(2);
        assert_eq!((next(&mut supply, 1), next(&mut supply, 2)), ("A4".into(), "A1".into()));
        supply.ended(true);
        assert_eq!(next(&mut supply, 1), "A2");
        supply.ended(true);
        assert_eq!(next(&mut supply, 1), "Wait");
        supply.ended(true);
        assert_eq!(next(&mut supply, 1), "Over", "A3 is bound to slot 2");
        assert_eq!((supply.not_begun(), next(&mut supply, 2)), (1, "A3".into()));
    }

    #[test]
    fn a_unit_that_comes_later_goes_to_the_lowest_idle_slot() {
        let mut supply = Supply::of_arrivals(u64::MAX);
        supply.begin(3);
        assert_eq!(next(&mut supply, 3), "Wait");
        supply.add(unit("A1", None));
        supply.add(unit("A2", Some(3)));
        assert_eq!((next(&mut supply, 3), next(&mut supply, 1)), ("A2".into(), "A1".into()));
        supply.add(unit("A3", None));
        supply.close();
        assert_eq!(supply.not_begun(), 1);
        assert_eq!(next(&mut supply, 2), "A3");
        (0..3).for_each(|_| supply.ended(true));
        assert_eq!(next(&mut supply, 1), "Over");
    }

    #[test]
    fn units_of_an_order_come_in_blocks_until_enough_are_made_or_no_more_come() {
        let mut supply = Supply::of_order(vec![unit("A1", None)], 3);
        supply.begin(1);
        assert_eq!((next(&mut supply, 1), supply.wants()), ("A1".into(), 2));
        supply.replace();
        supply.ended(false);
        assert_eq!((next(&mut supply, 1), supply.wants()), ("Wait".into(), 3));
        supply.add(unit("A2", None));
        assert_eq!((next(&mut supply, 1), supply.wants()), ("A2".into(), 2));
        supply.end_short();
        supply.ended(true);
        assert_eq!((next(&mut supply, 1), supply.short, supply.not_begun()), ("Over".into(), 2, 0));
    }

    #[test]
    fn units_of_people_end_when_as_many_have_passed_as_the_order_allows() {
        let mut supply = Supply::of_people(1);
        assert!(supply.permit());
        assert!(!supply.permit());
        supply.ended(false);
        assert!(!supply.is_over() && supply.permit());
        supply.ended(true);
        assert!(supply.is_over());
    }

    #[test]
    fn a_unit_that_cannot_be_begun_waits_while_others_are_made() {
        let mut supply = Supply::of_list(vec![unit("A1", None), unit("A2", None), unit("A3", None)], None);
        supply.begin(1);
        let Next::Unit(first) = supply.next_for(1) else { panic!() };
        supply.set_aside(first);
        assert_eq!(next(&mut supply, 1), "A2");
        let third = unit("A3", None);
        assert_eq!(supply.next_for(1), Next::Unit(third.clone()));
        supply.set_aside(third);
        supply.ended(true);
        assert_eq!((next(&mut supply, 1), supply.not_begun()), ("Wait".into(), 2));
        supply.bring_back();
        assert_eq!((next(&mut supply, 1), next(&mut supply, 1)), ("A1".into(), "A3".into()));
        (0..2).for_each(|_| supply.ended(true));
        assert_eq!(next(&mut supply, 1), "Over");
    }

    #[test]
    fn a_unit_that_is_given_back_goes_to_another_slot() {
        let mut supply = Supply::of_list(vec![unit("A1", None)], None);
        supply.begin(2);
        let Next::Unit(given) = supply.next_for(1) else { panic!() };
        assert_eq!(next(&mut supply, 2), "Wait");
        supply.leave(1);
        supply.put_back(given);
        assert_eq!(next(&mut supply, 2), "A1");
    }
}

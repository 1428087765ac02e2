//! Serial numbers of the order that were passed over: numbers before the last that a unit has, which no unit
//! has.

use identity::DeviceSerial;

/// Serial numbers that follow one another in the order, and that no unit has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The first of them.
    pub first: DeviceSerial,
    /// The last of them.
    pub last: DeviceSerial,
    /// How many there are.
    pub count: u64,
}

/// All gaps of an order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gaps {
    /// The first ones, at most [`GAPS_LISTED_MAX`].
    pub listed: Vec<Gap>,
    /// How many there are.
    pub gaps: u64,
    /// Serial numbers in all of them.
    pub serials: u64,
}

impl Gaps {
    /// The gaps between serial numbers in the order's own sequence; `is_taken` says whether a unit has it, or
    /// it was withdrawn, and `taken` how many of them are.
    pub(crate) fn between(
        serials: impl Iterator<Item = DeviceSerial>,
        mut taken: u64,
        is_taken: impl Fn(&DeviceSerial) -> bool,
    ) -> Self {
        let mut found = Self::default();
        let mut open: Option<Gap> = None;
        for serial in serials {
            if taken == 0 {
                break;
            }
            if is_taken(&serial) {
                taken -= 1;
                found.close(open.take());
                continue;
            }
            match &mut open {
                Some(gap) => (gap.last, gap.count) = (serial, gap.count + 1),
                None => open = Some(Gap { first: serial.clone(), last: serial, count: 1 }),
            }
        }
        found
    }

    fn close(&mut self, gap: Option<Gap>) {
        let Some(gap) = gap else { return };
        self.gaps += 1;
        self.serials += gap.count;
        if self.listed.len() < GAPS_LISTED_MAX {
            self.listed.push(gap);
        }
    }
}

/// Gaps that a report lists: a page for people; the list of all units has the rest.
pub const GAPS_LISTED_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn gaps(taken: &[&str]) -> Gaps {
        let serials = (1..=9).map(|number| format!("SN{number}").parse().unwrap());
        Gaps::between(serials, taken.len() as u64, |serial| taken.contains(&serial.as_str()))
    }

    #[test]
    fn what_is_passed_over_is_a_gap_and_what_is_left_at_the_end_is_not() {
        let found = gaps(&["SN2", "SN3", "SN6", "SN7"]);
        let text = |gap: &Gap| format!("{}-{} ({})", gap.first, gap.last, gap.count);
        assert_eq!(found.listed.iter().map(text).collect::<Vec<_>>(), ["SN1-SN1 (1)", "SN4-SN5 (2)"]);
        assert_eq!((found.gaps, found.serials), (2, 3));
    }

    #[test]
    fn an_order_that_was_made_from_its_beginning_or_not_at_all_has_no_gap() {
        assert_eq!(gaps(&["SN1", "SN2"]), Gaps::default());
        assert_eq!(gaps(&[]), Gaps::default());
    }
}

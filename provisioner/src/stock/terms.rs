//! How much is reserved at a time.

use std::time::Duration;

/// How much is reserved at a time: `station.toml` and the command line.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ReserveTerms {
    /// The units of one block; `None`: as the CA is configured.
    pub(crate) units: Option<u32>,
    /// For how long; `None`: as the CA is configured.
    pub(crate) duration: Option<Duration>,
    /// Whether whole blocks are taken and kept after the run, for a line that may lose the CA.
    pub(crate) keeps: bool,
}

/// How much of the order there is, as of the CA's last answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OrderRoom {
    /// Units that are neither made nor reserved nor withdrawn.
    pub(crate) left: u64,
    pub(crate) stations: u64,
}

impl ReserveTerms {
    /// How many units to ask for: as few as are wanted, and no more than half of the station's part of what
    /// is left, so that stations that share an order end together. 0: as many as the CA is configured for.
    pub(super) fn block(&self, wanted: u64, room: OrderRoom) -> u32 {
        let whole = self.units.unwrap_or(0);
        if self.keeps {
            return whole;
        }
        let part = match room.stations {
            0 | 1 => u64::MAX,
            stations => room.left.div_ceil(stations.saturating_mul(2)).max(PART_MIN),
        };
        let count = u32::try_from(wanted.min(part)).unwrap_or(u32::MAX).max(1);
        match self.units {
            Some(units) => count.min(units),
            None if count >= CA_DEFAULT_FROM => 0,
            None => count,
        }
    }

    /// Below how many units in hand a further block is taken.
    pub(super) fn low(&self) -> usize {
        self.units.map_or(LOW, |units| usize::try_from(units.div_ceil(2)).unwrap_or(LOW))
    }
}

/// From so many units on, the CA's own default is asked for: it knows what suits the site.
const CA_DEFAULT_FROM: u32 = 500;

/// The smallest part of a shared order: a question to the CA for each few units.
const PART_MIN: u64 = 4;

/// A further block is taken when fewer units are in hand, where `station.toml` does not say how large one is.
const LOW: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_what_is_wanted_and_leaves_other_stations_their_part() {
        let terms = |units, keeps| ReserveTerms { units, duration: None, keeps };
        let room = |left, stations| OrderRoom { left, stations };
        assert_eq!(terms(None, false).block(20, room(1_000, 1)), 20);
        assert_eq!(terms(None, false).block(9_000, room(10_000, 1)), 0, "as the CA is configured");
        assert_eq!(terms(Some(100), false).block(9_000, room(10_000, 1)), 100);
        assert_eq!(terms(None, false).block(12, room(12, 2)), 4);
        assert_eq!(terms(None, false).block(100, room(100, 2)), 25);
        assert_eq!(terms(Some(100), true).block(5, room(10_000, 2)), 100, "a whole block is kept");
        assert_eq!(terms(None, true).block(5, room(10_000, 2)), 0);
    }
}

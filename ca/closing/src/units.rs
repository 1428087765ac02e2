//! The units of one order in little memory: about 80 bytes each, so that an order of a million units fits.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use ledger::EntryNumber;

use crate::Outcome;

/// Units by serial number.
#[derive(Debug, Default)]
pub(crate) struct Units {
    rows: Vec<Unit>,
    /// The serial numbers of all rows, one behind the other.
    serials: String,
    by_serial: HashTable<u32>,
    hasher: RandomState,
}

/// A unit that has, or had, a birth certificate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unit {
    serial_at: u32,
    serial_bytes: u8,
    pub(crate) outcome: Outcome,
    /// Of its present certificate: an index of the groups.
    pub(crate) group: u16,
    pub(crate) reworks: u16,
    /// The entry of its present certificate.
    pub(crate) birth: EntryNumber,
    /// The entry that confirmed or scrapped it.
    pub(crate) changed: Option<EntryNumber>,
    /// When that was, milliseconds since 1970.
    pub(crate) changed_ms: u64,
}

impl Units {
    pub(crate) fn find(&self, serial: &str) -> Option<&Unit> {
        self.index(serial).and_then(|index| self.rows.get(index))
    }

    pub(crate) fn find_mut(&mut self, serial: &str) -> Option<&mut Unit> {
        self.index(serial).and_then(|index| self.rows.get_mut(index))
    }

    /// Adds a unit, or gives a known one its next certificate; this is its outcome unless something follows.
    pub(crate) fn bear(&mut self, serial: &str, outcome: Outcome, group: u16, birth: EntryNumber) {
        if let Some(known) = self.find_mut(serial) {
            let reworks = known.reworks.saturating_add(1);
            (known.outcome, known.group, known.birth) = (outcome, group, birth);
            (known.reworks, known.changed, known.changed_ms) = (reworks, None, 0);
            return;
        }
        let (Ok(serial_at), Ok(row)) = (u32::try_from(self.serials.len()), u32::try_from(self.rows.len()))
        else {
            return;
        };
        self.serials.push_str(serial);
        self.rows.push(Unit {
            serial_at,
            serial_bytes: u8::try_from(serial.len()).unwrap_or(u8::MAX),
            outcome,
            group,
            reworks: 0,
            birth,
            changed: None,
            changed_ms: 0,
        });
        let (rows, serials, hasher) = (&self.rows, &self.serials, &self.hasher);
        let hash_of = |row: &u32| hasher.hash_one(serial_of(rows, serials, *row));
        self.by_serial.insert_unique(hasher.hash_one(serial), row, hash_of);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Unit> {
        self.rows.iter()
    }

    fn index(&self, serial: &str) -> Option<usize> {
        let same = |row: &u32| serial_of(&self.rows, &self.serials, *row) == serial;
        self.by_serial.find(self.hasher.hash_one(serial), same).map(|row| *row as usize)
    }
}

fn serial_of<'a>(rows: &[Unit], serials: &'a str, row: u32) -> &'a str {
    let Some(unit) = rows.get(row as usize) else { return "" };
    let from = unit.serial_at as usize;
    serials.get(from..from + usize::from(unit.serial_bytes)).unwrap_or_default()
}

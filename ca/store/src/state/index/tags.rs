//! A table from a keyed hash to row numbers, eight bytes a row.

use hashbrown::HashTable;

/// 64 bits of a keyed hash.
#[derive(Clone, Copy)]
pub(super) struct Hash(pub(super) u64);

impl Hash {
    /// The half that the table does not hold.
    pub(super) fn check(self) -> u32 {
        self.0 as u32
    }

    fn tag(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// Rows by tag. Several rows may have one tag: the caller looks at each.
#[derive(Default)]
pub(super) struct Tags {
    table: HashTable<(u32, u32)>,
}

impl Tags {
    pub(super) fn insert(&mut self, hash: Hash, row: u32) {
        self.table.insert_unique(spread(hash.tag()), (hash.tag(), row), |(tag, _)| spread(*tag));
    }

    pub(super) fn find(&self, hash: Hash) -> impl Iterator<Item = u32> + use<'_> {
        let found = self.table.iter_hash(spread(hash.tag()));
        found.filter(move |(tag, _)| *tag == hash.tag()).map(|(_, row)| *row)
    }
}

/// The table looks at the lowest and the highest bits; a tag has 32 (Fibonacci hashing).
fn spread(tag: u32) -> u64 {
    u64::from(tag).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

//! A filter in memory that answers "never seen" for most of what a run does not hold.

use std::hash::{BuildHasherDefault, DefaultHasher};

use fastbloom::BloomFilter;

/// A Bloom filter. It never denies what was entered.
pub(super) struct Filter(BloomFilter<Unused>);

/// Hashes are given; nothing is hashed here.
type Unused = BuildHasherDefault<DefaultHasher>;

impl Filter {
    /// An empty filter for so many hashes.
    pub(super) fn with_room(hashes: u64) -> Self {
        let words = hashes.saturating_mul(BITS).div_ceil(64).max(1);
        Self::of(vec![0; usize::try_from(words).unwrap_or(usize::MAX)])
    }

    /// A filter as [`Self::words`] gave it.
    pub(super) fn of(words: Vec<u64>) -> Self {
        Self(BloomFilter::from_vec(words).hasher(Unused::default()).hashes(HASHES))
    }

    pub(super) fn insert(&mut self, prefix: u64) {
        self.0.insert_hash(spread(prefix));
    }

    pub(super) fn may_hold(&self, prefix: u64) -> bool {
        self.0.contains_hash(spread(prefix))
    }

    pub(super) fn words(&self) -> &[u64] {
        self.0.as_slice()
    }
}

/// A prefix of a hash has its lower bits; the filter looks at the upper ones.
fn spread(prefix: u64) -> u64 {
    let mixed = prefix.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93)
}

/// Bits for each hash: one look-up in eighteen of what is not there goes to the disk.
const BITS: u64 = 6;

/// The best number of bits to set at this size.
const HASHES: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_denies_most_of_what_it_does_not_hold_and_nothing_that_it_holds() {
        let mut filter = Filter::with_room(10_000);
        (0..10_000).for_each(|prefix| filter.insert(prefix));
        let read_back = Filter::of(filter.words().to_vec());
        assert!((0..10_000).all(|prefix| read_back.may_hold(prefix)));
        let wrong = (10_000..110_000).filter(|prefix| read_back.may_hold(*prefix)).count();
        assert!(wrong < 8_000, "{wrong} of 100,000");
    }

    /// Filters are on disk: an update of the crate that sets other bits must come with a new version of the
    /// index.
    #[test]
    fn the_bits_of_a_filter_are_those_that_are_on_disk() {
        let mut filter = Filter::with_room(32);
        (1..=8).for_each(|prefix| filter.insert(prefix << 30));
        assert_eq!(filter.words(), EXPECTED);
    }

    const EXPECTED: [u64; 3] = [4631952422917767328, 7502997670959514128, 146648746401464328];
}

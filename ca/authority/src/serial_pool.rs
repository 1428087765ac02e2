//! Serial numbers for new certificates, none of which is used by two issuances at a time.

use std::collections::HashSet;

use identity::SerialNumber;
use parking_lot::Mutex;
use rand::CryptoRng;

/// Draws serial numbers (R-5280-01) and keeps those under way reserved: no two at a time (R-5280-02).
pub(super) struct SerialPool(Mutex<Pool>);

struct Pool {
    generator: Box<dyn CryptoRng + Send>,
    reserved: HashSet<SerialNumber>,
}

impl SerialPool {
    pub(super) fn new(generator: Box<dyn CryptoRng + Send>) -> Self {
        Self(Mutex::new(Pool { generator, reserved: HashSet::new() }))
    }

    /// Reserves numbers, drawing up to [`DRAWS_MAX`] times for each; `None`: the generator is broken.
    pub(super) fn reserve(&self, count: usize) -> Option<ReservedSerials<'_>> {
        let mut reserved = ReservedSerials { pool: self, numbers: Vec::with_capacity(count) };
        let mut pool = self.0.lock();
        for _ in 0..count {
            let Some(number) = pool.draw() else {
                drop(pool);
                return None;
            };
            reserved.numbers.push(number);
        }
        drop(pool);
        Some(reserved)
    }
}

impl Pool {
    fn draw(&mut self) -> Option<SerialNumber> {
        let Self { generator, reserved } = self;
        (0..DRAWS_MAX).map(|_| SerialNumber::random(&mut *generator)).find(|number| reserved.insert(*number))
    }
}

/// Serial numbers that are reserved until this is dropped.
pub(super) struct ReservedSerials<'pool> {
    pool: &'pool SerialPool,
    numbers: Vec<SerialNumber>,
}

impl ReservedSerials<'_> {
    pub(super) fn numbers(&self) -> &[SerialNumber] {
        &self.numbers
    }

    /// The same with others in the place of those that are `taken`; `None` as for [`SerialPool::reserve`].
    pub(super) fn replace(mut self, taken: &[SerialNumber]) -> Option<Self> {
        let mut pool = self.pool.0.lock();
        for number in self.numbers.iter_mut().filter(|number| taken.contains(number)) {
            // The old number stays reserved until the new one is drawn, so that it is not drawn again.
            let Some(other) = pool.draw() else {
                drop(pool);
                return None;
            };
            pool.reserved.remove(number);
            *number = other;
        }
        drop(pool);
        Some(self)
    }
}

impl Drop for ReservedSerials<'_> {
    fn drop(&mut self) {
        let mut pool = self.pool.0.lock();
        for number in &self.numbers {
            pool.reserved.remove(number);
        }
    }
}

/// How often a number is drawn: 126 random bits never repeat; more would hide a broken generator.
pub(super) const DRAWS_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn numbers_reserved_are_not_drawn_again() {
        let numbers = SerialPool::new(Box::new(StdRng::seed_from_u64(7)));
        let first = numbers.reserve(64).unwrap();
        let second = numbers.reserve(64).unwrap();
        assert!(first.numbers().iter().all(|number| !second.numbers().contains(number)));
    }

    #[test]
    fn a_generator_that_always_says_the_same_gives_one_number_at_a_time() {
        let numbers = SerialPool::new(Box::new(Stuck));
        assert!(numbers.reserve(2).is_none());
        let first = numbers.reserve(1).unwrap();
        assert!(numbers.reserve(1).is_none());
        drop(first);
        assert!(numbers.reserve(1).is_some());
    }

    struct Stuck;

    impl rand::TryRng for Stuck {
        type Error = Infallible;
        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            Ok(7)
        }
        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            Ok(7)
        }
        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
            bytes.fill(7);
            Ok(())
        }
    }

    impl rand::TryCryptoRng for Stuck {}
}

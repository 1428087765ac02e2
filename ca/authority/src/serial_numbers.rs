//! The one door to randomness: serial numbers of certificates, none of which is in two hands at a time.

use std::collections::HashSet;

use identity::SerialNumber;
use parking_lot::Mutex;
use rand::CryptoRng;

/// Draws serial numbers (R-5280-01) and remembers those that are in use by issuances under way, so that not even a generator that
/// repeats itself makes us sign two certificates with one number at the same time (R-5280-02). Those on record are the ledger's.
pub(super) struct SerialNumbers(Mutex<Urn>);

struct Urn {
    generator: Box<dyn CryptoRng + Send>,
    in_hand: HashSet<SerialNumber>,
}

impl SerialNumbers {
    pub(super) fn new(generator: Box<dyn CryptoRng + Send>) -> Self {
        Self(Mutex::new(Urn { generator, in_hand: HashSet::new() }))
    }

    /// `count` numbers that nobody else has in hand. Each draw is repeated up to [`DRAWS_MAX`] times when the generator repeats
    /// itself; `None` when that does not help: the generator is broken.
    pub(super) fn draw(&self, count: usize) -> Option<Drawn<'_>> {
        let mut drawn = Drawn { urn: self, numbers: Vec::with_capacity(count) };
        let mut urn = self.0.lock();
        for _ in 0..count {
            let number = urn.draw_one();
            let Some(number) = number else {
                drop(urn);
                return None;
            };
            drawn.numbers.push(number);
        }
        drop(urn);
        Some(drawn)
    }
}

impl Urn {
    fn draw_one(&mut self) -> Option<SerialNumber> {
        let Self { generator, in_hand } = self;
        (0..DRAWS_MAX).map(|_| SerialNumber::random(&mut *generator)).find(|number| in_hand.insert(*number))
    }
}

/// Serial numbers in hand until this is dropped.
pub(super) struct Drawn<'urn> {
    urn: &'urn SerialNumbers,
    numbers: Vec<SerialNumber>,
}

impl Drawn<'_> {
    /// The numbers.
    pub(super) fn numbers(&self) -> &[SerialNumber] {
        &self.numbers
    }

    /// The same with others in the place of those that are `taken`; `None` as for [`SerialNumbers::draw`].
    pub(super) fn replace(mut self, taken: &[SerialNumber]) -> Option<Self> {
        let urn = self.urn;
        let mut urn = urn.0.lock();
        for number in self.numbers.iter_mut().filter(|number| taken.contains(number)) {
            // The old one stays in hand until the new one is drawn, so that it is not drawn again at once.
            let Some(other) = urn.draw_one() else {
                drop(urn);
                return None;
            };
            urn.in_hand.remove(number);
            *number = other;
        }
        drop(urn);
        Some(self)
    }
}

impl Drop for Drawn<'_> {
    fn drop(&mut self) {
        let mut urn = self.urn.0.lock();
        for number in &self.numbers {
            urn.in_hand.remove(number);
        }
    }
}

/// How often a number is drawn again: 126 random bits never repeat, so more would only hide a broken generator.
pub(super) const DRAWS_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn numbers_in_hand_are_not_drawn_again() {
        let numbers = SerialNumbers::new(Box::new(StdRng::seed_from_u64(7)));
        let first = numbers.draw(64).unwrap();
        let second = numbers.draw(64).unwrap();
        assert!(first.numbers().iter().all(|number| !second.numbers().contains(number)));
    }

    #[test]
    fn a_generator_that_always_says_the_same_gives_one_number_at_a_time() {
        let numbers = SerialNumbers::new(Box::new(Stuck));
        assert!(numbers.draw(2).is_none());
        let first = numbers.draw(1).unwrap();
        assert!(numbers.draw(1).is_none());
        drop(first);
        assert!(numbers.draw(1).is_some());
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

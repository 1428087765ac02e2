//! RSA keys that share a prime (R-KEY-06): one greatest common divisor reveals both private keys. Devices
//! that draw primes too soon after power-on produce them.

use identity::der::{BIT_STRING, INTEGER, NotDer, SEQUENCE, only};
use num_bigint::BigUint;
use num_integer::Integer;

use crate::reading::Reading;

/// The modulus of an RSA key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modulus(BigUint);

impl Modulus {
    /// From big-endian bytes.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(BigUint::from_bytes_be(bytes))
    }

    /// The modulus in a certificate that Touchmark issued; `None` for other kinds of keys. Skips the costly
    /// checks of the key.
    pub fn of_certificate(der: &[u8]) -> Option<Self> {
        let read = || {
            let tbs = only(der, SEQUENCE)?.elements()?.expect(SEQUENCE)?;
            let mut spki = only(Reading::of(tbs.raw)?.spki, SEQUENCE)?.elements()?;
            spki.expect(SEQUENCE)?;
            let [0, key @ ..] = spki.expect(BIT_STRING)?.content else { return Err(NotDer) };
            Ok(only(key, SEQUENCE)?.elements()?.expect(INTEGER)?.content)
        };
        read().ok().filter(|modulus| modulus.len() >= MODULUS_BYTES_MIN).map(Self::from_bytes)
    }

    /// Whether the moduli are different and share a prime.
    pub fn shares_a_prime_with(&self, other: &Self) -> bool {
        let common = self.0.gcd(&other.0);
        common.bits() > 1 && common != self.0
    }
}

/// Index pairs of `moduli` that share a prime. Batch GCD with a product and a remainder tree (Bernstein, "How
/// to find smooth parts of integers"; Heninger et al., "Mining Your Ps and Qs") compares each modulus with
/// the product of all.
pub fn shared_primes(moduli: &[Modulus]) -> Vec<(usize, usize)> {
    let all = product(moduli.iter().map(|modulus| &modulus.0));
    // The product contains each modulus itself: (product mod n²) / n has the common factors of n with the
    // others.
    let squares: Vec<BigUint> = moduli.iter().map(|modulus| &modulus.0 * &modulus.0).collect();
    let rests = remainders(&all, &squares);
    let suspects = moduli.iter().zip(rests).enumerate();
    let suspects: Vec<(usize, &Modulus)> = suspects
        .filter(|(_, (modulus, rest))| (rest / &modulus.0).gcd(&modulus.0).bits() > 1)
        .map(|(place, (modulus, _))| (place, modulus))
        .collect();
    let mut found = Vec::new();
    for (count, (first, one)) in suspects.iter().enumerate() {
        let others = suspects.iter().skip(count + 1).filter(|(_, other)| one.shares_a_prime_with(other));
        found.extend(others.map(|(second, _)| (*first, *second)));
    }
    found
}

/// Index pairs of one of `ones` and one of `others` that share a prime. Equal moduli are no pair.
pub fn shared_primes_between(ones: &[Modulus], others: &[Modulus]) -> Vec<(usize, usize)> {
    let all = product(others.iter().map(|modulus| &modulus.0));
    let numbers: Vec<BigUint> = ones.iter().map(|modulus| modulus.0.clone()).collect();
    let rests = remainders(&all, &numbers);
    let mut found = Vec::new();
    for (first, (one, rest)) in ones.iter().zip(rests).enumerate() {
        if rest.gcd(&one.0).bits() > 1 {
            let shared = others.iter().enumerate().filter(|(_, other)| one.shares_a_prime_with(other));
            found.extend(shared.map(|(second, _)| (first, second)));
        }
    }
    found
}

/// A product tree: multiplying numbers of equal length is faster.
fn product<'a>(numbers: impl Iterator<Item = &'a BigUint>) -> BigUint {
    let mut level: Vec<BigUint> = numbers.cloned().collect();
    while level.len() > 1 {
        level = level.chunks(2).map(|pair| pair.iter().product()).collect();
    }
    level.pop().unwrap_or_else(|| BigUint::from(1u8))
}

/// A remainder tree: `number` modulo each divisor.
fn remainders(number: &BigUint, divisors: &[BigUint]) -> Vec<BigUint> {
    match divisors {
        [] => Vec::new(),
        [one] => vec![number % one],
        many => {
            let rest = number % product(many.iter());
            let (left, right) = many.split_at(many.len() / 2);
            let mut all = remainders(&rest, left);
            all.extend(remainders(&rest, right));
            all
        }
    }
}

/// The latest moduli, each with a `T`. A new key is compared with them before it is certified.
pub struct RecentModuli<T> {
    current: Generation<T>,
    previous: Generation<T>,
}

struct Generation<T> {
    moduli: Vec<(Modulus, T)>,
    product: BigUint,
}

impl<T: Clone> RecentModuli<T> {
    /// The `T` of a remembered modulus that shares a prime with this one.
    pub fn sharing_with(&self, modulus: &Modulus) -> Option<T> {
        [&self.current, &self.previous].into_iter().find_map(|generation| {
            let rest = &generation.product % &modulus.0;
            // The usual case: nothing in common.
            if rest.gcd(&modulus.0).bits() <= 1 {
                return None;
            }
            let mut known = generation.moduli.iter();
            known.find(|(known, _)| modulus.shares_a_prime_with(known)).map(|(_, what)| what.clone())
        })
    }

    /// Adds a modulus and forgets the oldest.
    pub fn remember(&mut self, modulus: Modulus, what: T) {
        if self.current.moduli.len() >= RECENT_MODULI_MIN {
            self.previous = std::mem::take(&mut self.current);
        }
        self.current.product *= &modulus.0;
        self.current.moduli.push((modulus, what));
    }
}

impl<T> Default for RecentModuli<T> {
    fn default() -> Self {
        Self { current: Generation::default(), previous: Generation::default() }
    }
}

impl<T> Default for Generation<T> {
    fn default() -> Self {
        Self { moduli: Vec::new(), product: BigUint::from(1u8) }
    }
}

/// The fewest moduli that are remembered; at most twice as many are. A batch on the line is compared in one
/// or two milliseconds, older keys by the nightly search.
pub const RECENT_MODULI_MIN: usize = 512;

/// The shortest RSA modulus that is accepted has 2,048 bits.
const MODULUS_BYTES_MIN: usize = 256;

#[cfg(test)]
mod tests;

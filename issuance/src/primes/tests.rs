//! Shared primes are found by every function, and nothing else is.

use proptest::prelude::*;

use super::*;

/// Primes of 31 bits, which serve as well as primes of 1,024 bits.
const PRIMES: [u64; 12] = [
    2_147_483_647,
    2_147_483_629,
    2_147_483_587,
    2_147_483_579,
    2_147_483_563,
    2_147_483_549,
    2_147_483_543,
    2_147_483_497,
    2_147_483_489,
    2_147_483_477,
    2_147_483_423,
    2_147_483_399,
];

fn modulus(one: usize, other: usize) -> Modulus {
    Modulus(BigUint::from(PRIMES[one]) * BigUint::from(PRIMES[other]))
}

#[test]
fn of_many_keys_those_with_a_common_prime_are_found() {
    let moduli = [modulus(0, 1), modulus(2, 3), modulus(4, 5), modulus(3, 6), modulus(7, 8)];
    assert_eq!(shared_primes(&moduli), [(1, 3)]);
    assert_eq!(shared_primes(&moduli[2..]), []);
    assert_eq!(shared_primes(&[]), []);
    assert_eq!(shared_primes(&moduli[..1]), []);
    assert_eq!(shared_primes_between(&moduli[..2], &moduli[2..]), [(1, 1)]);
    assert_eq!(shared_primes_between(&moduli[..2], &[]), []);
    // Both primes of one key occur in two others: one GCD alone does not show that three keys are involved.
    let chain = [modulus(0, 1), modulus(1, 2), modulus(2, 0)];
    assert_eq!(shared_primes(&chain), [(0, 1), (0, 2), (1, 2)]);
}

#[test]
fn the_same_key_again_is_not_a_shared_prime() {
    let twice = [modulus(0, 1), modulus(0, 1)];
    assert_eq!(shared_primes(&twice), []);
    assert_eq!(shared_primes_between(&twice[..1], &twice[1..]), []);
}

#[test]
fn the_latest_keys_are_remembered_and_the_oldest_forgotten() {
    let mut recent = RecentModuli::default();
    assert_eq!(recent.sharing_with(&modulus(0, 1)), None);
    recent.remember(modulus(0, 1), "first");
    assert_eq!(recent.sharing_with(&modulus(1, 2)), Some("first"));
    assert_eq!(recent.sharing_with(&modulus(2, 3)), None);
    assert_eq!(recent.sharing_with(&modulus(0, 1)), None, "itself");
    for _ in 0..RECENT_MODULI_MIN {
        recent.remember(modulus(4, 5), "later");
    }
    assert_eq!(recent.sharing_with(&modulus(1, 2)), Some("first"), "so many at least");
    for _ in 0..RECENT_MODULI_MIN {
        recent.remember(modulus(4, 5), "later");
    }
    assert_eq!(recent.sharing_with(&modulus(1, 2)), None);
    assert_eq!(recent.sharing_with(&modulus(5, 6)), Some("later"));
}

proptest! {
    #[test]
    fn all_ways_find_what_comparing_every_two_finds(
        places in prop::collection::vec((0..PRIMES.len(), 0..PRIMES.len()), 0..12),
        split in 0..12usize,
    ) {
        let places = places.into_iter().filter(|(one, other)| one != other);
        let moduli: Vec<Modulus> = places.map(|(one, other)| modulus(one, other)).collect();
        let mut every_two = Vec::new();
        for first in 0..moduli.len() {
            for second in first + 1..moduli.len() {
                if moduli[first].shares_a_prime_with(&moduli[second]) {
                    every_two.push((first, second));
                }
            }
        }
        prop_assert_eq!(shared_primes(&moduli), every_two.clone());
        let (left, right) = moduli.split_at(split.min(moduli.len()));
        let between: Vec<_> = every_two
            .into_iter()
            .filter(|(first, second)| *first < left.len() && *second >= left.len())
            .map(|(first, second)| (first, second - left.len()))
            .collect();
        prop_assert_eq!(shared_primes_between(left, right), between);
    }
}

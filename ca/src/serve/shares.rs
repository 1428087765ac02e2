//! Fair shares: one certificate, however often its holder connects, takes only a part of what there is (R-CA-15). A stolen station
//! credential or a cloned device must not shut out the operator who comes to revoke it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What each certificate holds of one kind of place.
pub(super) struct Shares {
    of_one_max: usize,
    held: Mutex<HashMap<[u8; 32], usize>>,
}

/// One place that a certificate holds, until this is dropped.
pub(super) struct Share {
    shares: Arc<Shares>,
    holder: [u8; 32],
}

impl Shares {
    /// A quarter of `places` for one certificate, but never fewer than [`SHARE_MIN`].
    pub(super) fn of(places: usize) -> Arc<Self> {
        Arc::new(Self { of_one_max: (places / 4).max(SHARE_MIN), held: Mutex::default() })
    }

    /// A place for the certificate with this SHA-256; `None`: it has its share.
    pub(super) fn take(self: &Arc<Self>, holder: &[u8; 32]) -> Option<Share> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(*holder).or_insert(0);
        // The count of a certificate that holds nothing is not kept: zero is below every share.
        if *count >= self.of_one_max {
            return None;
        }
        *count += 1;
        Some(Share { shares: Arc::clone(self), holder: *holder })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.shares.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.holder) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.holder);
            }
        }
    }
}

/// What every certificate may hold at once, however small the whole is: a station's slots.
const SHARE_MIN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_certificate_takes_a_quarter_and_gives_it_back() {
        let shares = Shares::of(100);
        let (one, other) = ([1; 32], [2; 32]);
        let mut held: Vec<_> = (0..25).map(|_| shares.take(&one).unwrap()).collect();
        assert!(shares.take(&one).is_none());
        assert!(shares.take(&other).is_some());
        held.pop();
        assert!(shares.take(&one).is_some());
        held.clear();
        assert!(shares.held.lock().unwrap().is_empty(), "who holds nothing is forgotten");
    }
}

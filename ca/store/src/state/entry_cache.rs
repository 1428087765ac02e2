//! Cache of entries that were written or read lately: a device's first boot reads its birth entry three
//! times. Entries never change, so the cache is never wrong.

use std::sync::Arc;

use ledger::{Entry, EntryNumber};
use parking_lot::Mutex;

/// One slot for each entry number modulo [`SLOTS`].
pub(super) struct EntryCache(Mutex<Vec<Option<Arc<Entry>>>>);

impl Default for EntryCache {
    fn default() -> Self {
        Self(Mutex::new(vec![None; SLOTS]))
    }
}

impl EntryCache {
    /// The entry, if it was written or read lately.
    pub(super) fn find(&self, number: EntryNumber) -> Option<Arc<Entry>> {
        let slots = self.0.lock();
        [slot(number, SLOTS), slot(number, LARGE_SLOTS)]
            .into_iter()
            .find_map(|slot| slots.get(slot)?.as_ref().filter(|entry| entry.number == number).map(Arc::clone))
    }

    /// Keeps it until another entry takes its slot.
    pub(super) fn keep(&self, entry: &Arc<Entry>) {
        let mut slots = self.0.lock();
        // Entries that revoke a thousand certificates are fifty times as large: they share a few of the
        // slots.
        let large = entry.event.revoked().is_some_and(|revoked| revoked.certificates.len() > LARGE);
        let slot = slot(entry.number, if large { LARGE_SLOTS } else { SLOTS });
        let before = slots.get_mut(slot).and_then(|kept| kept.replace(Arc::clone(entry)));
        drop(slots);
        // It may be the last to hold the other one.
        drop(before);
    }
}

fn slot(number: EntryNumber, slots: usize) -> usize {
    usize::try_from(number.0 % slots as u64).unwrap_or_default()
}

/// About a megabyte: more calls in flight than the CA answers at once, and small beside the index.
const SLOTS: usize = 1024;

/// Where large entries are kept: a few megabytes at most, and enough for those who follow a mass revocation
/// together.
const LARGE_SLOTS: usize = 64;

/// Certificates that make an entry a large one.
const LARGE: usize = 16;

//! Entries that were written or read a moment ago. A device's first boot asks for its birth three times
//! before it is answered: who calls, what the ledger already says, and what is decided; at most the first
//! reads the disk. Entries never change, so nothing here is ever wrong.

use std::sync::Arc;

use ledger::{Entry, EntryNumber};
use parking_lot::Mutex;

/// One place for each entry number modulo [`PLACES`].
pub(super) struct EntryCache(Mutex<Vec<Option<Arc<Entry>>>>);

impl Default for EntryCache {
    fn default() -> Self {
        Self(Mutex::new(vec![None; PLACES]))
    }
}

impl EntryCache {
    /// The entry, if it was written or read lately.
    pub(super) fn find(&self, number: EntryNumber) -> Option<Arc<Entry>> {
        let places = self.0.lock();
        [place(number, PLACES), place(number, LARGE_PLACES)].into_iter().find_map(|place| {
            places.get(place)?.as_ref().filter(|entry| entry.number == number).map(Arc::clone)
        })
    }

    /// Keeps it until another takes its place.
    pub(super) fn keep(&self, entry: &Arc<Entry>) {
        let mut places = self.0.lock();
        // Entries that revoke a thousand certificates are fifty times as large: they share a few of the
        // places.
        let large = entry.event.revoked().is_some_and(|revoked| revoked.certificates.len() > LARGE);
        let place = place(entry.number, if large { LARGE_PLACES } else { PLACES });
        let before = places.get_mut(place).and_then(|kept| kept.replace(Arc::clone(entry)));
        drop(places);
        // It may be the last to hold the other one.
        drop(before);
    }
}

fn place(number: EntryNumber, places: usize) -> usize {
    usize::try_from(number.0 % places as u64).unwrap_or_default()
}

/// About a megabyte: more calls in flight than the CA answers at once, and small beside the index.
const PLACES: usize = 1024;

/// Where large entries are kept: a few megabytes at most, and enough for those who follow a mass revocation
/// together.
const LARGE_PLACES: usize = 64;

/// Certificates that make an entry a large one.
const LARGE: usize = 16;

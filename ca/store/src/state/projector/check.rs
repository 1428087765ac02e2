//! Whether a projection that was found on disk is whole, and whether the ledger is.

use super::Discard;
use crate::state::buckets;
use crate::state::projection::{CURSOR_KEY, EARLIER_CURSOR_KEYS, Progress};

/// What the projection has seen, if the ledger ends before that and all that it must hold is there: a damaged
/// one says nothing of the ledger. Also one of an earlier version, which is good for nothing else.
pub(super) fn seen_beyond(tree: &sled::Db, head: u64) -> Result<Option<Discard>, Discard> {
    for key in cursor_keys() {
        let cursor = tree.get(key)?.and_then(|cursor| Progress::from_bytes(&cursor));
        if let Some(cursor) = cursor.filter(|cursor| cursor.reached > head) {
            return match count(tree, cursor.reached)? == cursor {
                true => Ok(Some(Discard::Ahead { seen: cursor.reached, head })),
                false => Err(Discard::Damaged("rows are missing")),
            };
        }
    }
    Ok(None)
}

/// Reads and counts all rows, because a successful open of sled proves nothing.
pub(super) fn check(tree: &sled::Db) -> Result<Progress, Discard> {
    let Some(cursor) = tree.get(CURSOR_KEY)? else {
        for key in EARLIER_CURSOR_KEYS {
            if tree.contains_key(key)? {
                return Err(Discard::Version);
            }
        }
        return if tree.is_empty() { Ok(Progress::default()) } else { Err(Discard::Damaged("no cursor")) };
    };
    let expected = Progress::from_bytes(&cursor).ok_or(Discard::Damaged("the cursor"))?;
    match count(tree, expected.reached)? == expected {
        true => Ok(expected),
        false => Err(Discard::Damaged("rows are missing")),
    }
}

/// What a projection that has reached this entry holds.
fn count(tree: &sled::Db, reached: u64) -> Result<Progress, Discard> {
    let mut found = Progress { reached, ..Progress::default() };
    for row in tree.iter() {
        let (key, value) = row?;
        if buckets::is_bucket(&key) {
            let bucket = buckets::read(&value).ok_or(Discard::Damaged("a row of devices"))?;
            bucket.keys().for_each(|last| found.add(&key, &[*last]));
        } else if !cursor_keys().any(|cursor| *cursor == *key) {
            found.add(&key, &[]);
        }
    }
    Ok(found)
}

fn cursor_keys() -> impl Iterator<Item = &'static [u8]> {
    [CURSOR_KEY].into_iter().chain(EARLIER_CURSOR_KEYS)
}

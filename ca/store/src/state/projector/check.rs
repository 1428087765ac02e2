//! Whether a projection that was found on disk is whole, and whether the ledger is.

use super::Discard;
use crate::state::buckets;
use crate::state::projection::{CURSOR_KEY, CURSOR_KEY_2, Progress};

/// What the projection has seen, if the ledger ends before that and all that it must hold is there: a damaged
/// one says nothing of the ledger. Also one of an earlier version, which is good for nothing else.
pub(super) fn seen_beyond(tree: &sled::Db, head: u64) -> Result<Option<Discard>, Discard> {
    for key in [CURSOR_KEY, CURSOR_KEY_2] {
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
        return match (tree.is_empty(), tree.contains_key(CURSOR_KEY_2)?) {
            (true, _) => Ok(Progress::default()),
            (false, true) => Err(Discard::Version),
            (false, false) => Err(Discard::Damaged("no cursor")),
        };
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
        } else if ![CURSOR_KEY, CURSOR_KEY_2].contains(&&*key) {
            found.add(&key, &[]);
        }
    }
    Ok(found)
}

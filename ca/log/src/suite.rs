//! The conformance suite: sentences that hold for every log. The tests of an implementation call each of them
//! with an empty log; one whose log outlives its process also calls [`keeps`].
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a failed assumption is a failed test"
)]

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use ledger::{Entry, EntryNumber, Event, WorkOrderId};

use crate::tree::{self, Frontier};
use crate::{AppendError, Batch, Log, format};

/// An entry with this number, told from others by a remark.
pub fn entry(number: u64, remark: &str) -> Entry {
    Entry {
        number: EntryNumber(number),
        at: UNIX_EPOCH + Duration::from_secs(1_800_000_000 + number),
        principal: None,
        request: None,
        content: [0; 32],
        remark: remark.to_owned(),
        event: Event::WorkOrderPaused(WorkOrderId(number)),
    }
}

/// A batch of so many entries behind an entry.
pub fn batch(behind: u64, count: u64, remark: &str) -> Batch {
    let mut batch = Batch::behind(EntryNumber(behind), 8);
    (behind + 1..=behind + count).for_each(|number| batch.push(&entry(number, remark)));
    batch
}

/// All entries that are readable from an entry on.
///
/// # Panics
/// When one cannot be read.
pub fn read_all(log: &dyn Log, mut next: u64) -> Vec<Entry> {
    let mut entries = Vec::new();
    loop {
        let payloads = log.read(EntryNumber(next), 3).unwrap();
        if payloads.is_empty() {
            return entries;
        }
        assert!(payloads.len() <= 3, "no more than were asked for");
        for payload in payloads {
            entries.push(format::decode(EntryNumber(next), &payload).unwrap());
            next += 1;
        }
    }
}

/// What was appended is read back, from any entry on, and nothing else is.
pub async fn entries_are_read_back_in_order(log: Arc<dyn Log>) {
    assert_eq!(log.head().await.unwrap(), EntryNumber(0));
    assert!(log.read(EntryNumber(1), 9).unwrap().is_empty());
    assert_eq!(log.append(&batch(0, 5, "first")).await.unwrap(), EntryNumber(5));
    assert_eq!(log.append(&batch(5, 2, "second")).await.unwrap(), EntryNumber(7));
    let expected: Vec<_> =
        (1..=7).map(|number| entry(number, if number <= 5 { "first" } else { "second" })).collect();
    assert_eq!(read_all(&*log, 1), expected);
    assert_eq!(read_all(&*log, 6), expected[5..]);
    for nothing in [log.read(EntryNumber(0), 9), log.read(EntryNumber(8), 9), log.read(EntryNumber(1), 0)] {
        assert!(nothing.unwrap().is_empty());
    }
    assert_eq!(log.read(EntryNumber(4), 1).unwrap().len(), 1);
    assert_eq!(log.head().await.unwrap(), EntryNumber(7));
}

/// A batch behind another end is refused, changes nothing, and learns the end.
pub async fn a_batch_behind_another_end_is_refused_and_says_the_end(log: Arc<dyn Log>) {
    log.append(&batch(0, 3, "first")).await.unwrap();
    for behind in [0, 2, 4, 100] {
        let refused = log.append(&batch(behind, 1, "late")).await;
        assert!(matches!(refused, Err(AppendError::Moved { head: EntryNumber(3) })), "{refused:?}");
    }
    assert_eq!(read_all(&*log, 1).len(), 3);
    log.append(&batch(3, 1, "next")).await.unwrap();
}

/// Of batches that race for one end exactly one is appended; those that decide anew all come in.
pub async fn of_racing_batches_one_is_appended(log: Arc<dyn Log>) {
    let mut writers = Vec::new();
    for writer in 0..8 {
        let log = Arc::clone(&log);
        writers.push(tokio::spawn(async move {
            let (mut behind, mut left) = (0, 10);
            while left > 0 {
                match log.append(&batch(behind, 2, &writer.to_string())).await {
                    Ok(head) => (behind, left) = (head.0, left - 1),
                    Err(AppendError::Moved { head }) => behind = head.0,
                    Err(error) => panic!("{error}"),
                }
                tokio::task::yield_now().await;
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let entries = read_all(&*log, 1);
    assert_eq!(entries.len(), 160);
    let (pairs, rest) = entries.as_chunks::<2>();
    assert!(
        rest.is_empty() && pairs.iter().all(|[one, other]| one.remark == other.remark),
        "a batch was torn"
    );
}

/// The root is that of the tree over the stored bytes of all entries, at the end and wherever a batch ended.
pub async fn every_batch_has_the_root_of_the_tree(log: Arc<dyn Log>) {
    let mut tree = Frontier::default();
    let mut roots = vec![(0, tree.root())];
    assert_eq!(log.root(EntryNumber(0)).unwrap(), Some(tree.root()));
    for (count, remark) in [(1, "a"), (5, "b"), (40, "c"), (1, "d"), (2, "e")] {
        let head = log.append(&batch(tree.size(), count, remark)).await.unwrap();
        while tree.size() < head.0 {
            let run = log.read(EntryNumber(tree.size() + 1), 100).unwrap();
            run.iter().for_each(|payload| tree.push(tree::leaf(payload)));
        }
        roots.push((head.0, tree.root()));
        for (size, root) in &roots {
            assert_eq!(log.root(EntryNumber(*size)).unwrap(), Some(*root), "{size} of {head}");
        }
    }
    for within in [2, 5, 7, 45, 48] {
        assert_eq!(log.root(EntryNumber(within)).unwrap(), None, "no batch ended with {within}");
    }
    assert_eq!(log.root(EntryNumber(50)).unwrap(), None, "there is no such entry");
}

/// Whoever follows the end sees it grow, and can read up to it.
pub async fn the_end_is_followed(log: Arc<dyn Log>) {
    let mut end = log.follow();
    assert_eq!(*end.borrow_and_update(), EntryNumber(0));
    let follower = {
        let log = Arc::clone(&log);
        tokio::spawn(async move {
            let mut seen = 0;
            while seen < 20 {
                end.changed().await.unwrap();
                let head = *end.borrow_and_update();
                assert!(head.0 >= seen, "the end went back");
                assert_eq!(
                    read_all(&*log, seen + 1).len() as u64,
                    log.follow().borrow().0.max(head.0) - seen
                );
                seen = head.0;
            }
        })
    };
    for behind in (0..20).step_by(4) {
        log.append(&batch(behind, 4, "")).await.unwrap();
        tokio::task::yield_now().await;
    }
    tokio::time::timeout(Duration::from_secs(20), follower).await.unwrap().unwrap();
    assert_eq!(*log.follow().borrow(), EntryNumber(20), "who comes late sees the end at once");
}

/// A closed log takes nothing, and closing again does no harm. Not for logs in memory, which nobody opens
/// again.
pub async fn a_closed_log_takes_nothing(log: Arc<dyn Log>) {
    log.append(&batch(0, 1, "")).await.unwrap();
    log.close().await.unwrap();
    log.close().await.unwrap();
    assert!(matches!(log.append(&batch(1, 1, "")).await, Err(AppendError::Unknown(_))));
    assert_eq!(read_all(&*log, 1).len(), 1);
}

/// What was acknowledged is there when the log is opened again, and goes on behind it. Opens the log that
/// `open` makes or opens.
pub async fn keeps(open: impl AsyncFn() -> Arc<dyn Log>) {
    let (mut expected, mut roots) = (0, Vec::new());
    for round in 0..3 {
        let log = open().await;
        assert_eq!(log.head().await.unwrap(), EntryNumber(expected), "round {round}");
        assert_eq!(read_all(&*log, 1).len() as u64, expected);
        for (end, root) in &roots {
            assert_eq!(log.root(*end).unwrap(), Some(*root));
        }
        expected = log.append(&batch(expected, 10, "")).await.unwrap().0;
        roots.push((EntryNumber(expected), log.root(EntryNumber(expected)).unwrap().unwrap()));
        match round {
            0 => log.close().await.unwrap(),
            _ => log.release(),
        }
    }
}

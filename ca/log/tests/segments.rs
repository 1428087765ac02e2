//! A log in files that has many segments: what an open reads, and what is said of damage in old ones.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed assumption is a failed test"
)]

#[path = "segments/filled.rs"]
mod filled;

use std::fs;

use filled::{filled, flip, settings, with_extension};
use ledger::EntryNumber;
use ledger_log::suite::{batch, entry, read_all};
use ledger_log::tree::{self, Frontier};
use ledger_log::{Batch, FileLog, FileSettings, Log, LogError, OpenError, format};
use tempfile::TempDir;

#[tokio::test]
async fn damage_in_an_old_segment_is_found_when_it_is_read_and_named() {
    let directory = TempDir::new().unwrap();
    let settings = filled(&directory, 300).await;
    let segments = with_extension(&settings, "ledger");
    flip(&segments[1], 24 + 30);
    let log = FileLog::open(&settings).unwrap();
    let damaged: u64 = segments[1].file_stem().unwrap().to_str().unwrap().parse().unwrap();
    for count in [1, 9] {
        match log.read(EntryNumber(damaged), count) {
            Err(LogError::Damaged { place, entry, .. }) => {
                assert_eq!(place, format!("{}, offset 24", segments[1].display()));
                assert_eq!(entry, EntryNumber(damaged));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(log.read(EntryNumber(damaged + 1), 1).unwrap().len(), 1, "another entry can be read");
    let next: u64 = segments[2].file_stem().unwrap().to_str().unwrap().parse().unwrap();
    assert_eq!(log.read(EntryNumber(next), 1).unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_written_down_of_a_segment_is_made_again_when_it_is_missing_or_damaged() {
    let directory = TempDir::new().unwrap();
    let settings = filled(&directory, 300).await;
    let (segments, notes) = (with_extension(&settings, "ledger"), with_extension(&settings, "offsets"));
    assert_eq!(notes.len(), segments.len() - 1, "of all but the last");
    let before: Vec<_> = notes.iter().map(|path| fs::read(path).unwrap()).collect();
    fs::remove_file(&notes[0]).unwrap();
    flip(&notes[1], 20);
    fs::write(&notes[2], &before[1]).unwrap();
    let log = FileLog::open(&settings).unwrap();
    assert_eq!(read_all(&log, 1), (1..=300).map(|number| entry(number, "")).collect::<Vec<_>>());
    drop(log);
    assert_eq!(notes.iter().map(|path| fs::read(path).unwrap()).collect::<Vec<_>>(), before);
}

#[tokio::test]
async fn a_damaged_segment_of_which_nothing_is_written_down_is_not_opened() {
    let directory = TempDir::new().unwrap();
    let settings = filled(&directory, 300).await;
    let (segments, notes) = (with_extension(&settings, "ledger"), with_extension(&settings, "offsets"));
    fs::remove_file(&notes[1]).unwrap();
    flip(&segments[1], 24 + 30);
    let refused = FileLog::open(&settings).map(drop);
    assert!(matches!(refused, Err(OpenError::Log(LogError::Damaged { .. }))), "{refused:?}");
    assert!(!notes[1].exists());
}

#[tokio::test]
async fn a_segment_that_was_begun_and_never_written_is_made_again() {
    let directory = TempDir::new().unwrap();
    let settings = filled(&directory, 300).await;
    let begun = settings.directory.join(format!("{:020}.ledger", 301));
    fs::write(&begun, [0; 10]).unwrap();
    let log = FileLog::open(&settings).unwrap();
    assert_eq!(log.torn_tail().unwrap().file, begun);
    assert!(begun.exists(), "an open changes nothing");
    for behind in (300..400).step_by(2) {
        log.append(&batch(behind, 2, "")).await.unwrap();
    }
    drop(log);
    let log = FileLog::open(&settings).unwrap();
    assert_eq!((log.torn_tail(), read_all(&log, 1).len()), (None, 400));
}

#[tokio::test]
async fn a_log_of_many_segments_has_few_files_open() {
    let directory = TempDir::new().unwrap();
    let settings = FileSettings { segment_bytes: 256, ..settings(&directory) };
    let log = FileLog::create(&settings).unwrap();
    for behind in (0..480).step_by(3) {
        log.append(&batch(behind, 3, "")).await.unwrap();
    }
    assert!(with_extension(&settings, "ledger").len() >= 160);
    for _ in 0..2 {
        assert_eq!(read_all(&log, 1).len(), 480);
        let open =
            fs::read_dir("/proc/self/fd").unwrap().filter_map(|file| fs::read_link(file.ok()?.path()).ok());
        let open = open.filter(|path| path.starts_with(&settings.directory)).count();
        assert!(open <= 130, "{open}");
    }
}

#[tokio::test]
async fn entries_of_any_length_are_read_one_by_one_and_in_runs() {
    let directory = TempDir::new().unwrap();
    let settings = FileSettings { segment_bytes: 1 << 20, ..settings(&directory) };
    let remark =
        |number: u64| "x".repeat(if number.is_multiple_of(37) { 40_000 } else { number as usize % 900 });
    let log = FileLog::create(&settings).unwrap();
    for behind in (0..240).step_by(8) {
        let mut batch = Batch::behind(EntryNumber(behind), 8);
        (behind + 1..=behind + 8).for_each(|number| batch.push(&entry(number, &remark(number))));
        log.append(&batch).await.unwrap();
    }
    check_reads(&log, &remark);
    log.release();
    check_reads(&FileLog::open(&settings).unwrap(), &remark);
}

fn check_reads(log: &FileLog, remark: &impl Fn(u64) -> String) {
    for first in 1..=240 {
        for count in [1, 40, u64::MAX] {
            let read = log.read(EntryNumber(first), count).unwrap();
            assert!(!read.is_empty() && read.len() as u64 <= count);
            for (number, payload) in (first..).zip(read) {
                let read = format::decode(EntryNumber(number), &payload).unwrap();
                assert_eq!(read, entry(number, &remark(number)));
            }
        }
    }
}

#[tokio::test]
async fn a_batch_that_a_crash_tore_is_not_there_and_the_one_before_is() {
    let directory = TempDir::new().unwrap();
    let settings = FileSettings { segment_bytes: 1 << 20, ..settings(&directory) };
    let log = FileLog::create(&settings).unwrap();
    log.append(&batch(0, 2, "before")).await.unwrap();
    let segment = with_extension(&settings, "ledger").remove(0);
    let end = fs::metadata(&segment).unwrap().len() as usize;
    let root = log.root(EntryNumber(2)).unwrap().unwrap();
    log.append(&batch(2, 3, "torn")).await.unwrap();
    let whole = fs::read(&segment).unwrap();
    drop(log);
    for cut in end..whole.len() {
        for zeros in [0, 100] {
            let torn: Vec<_> = whole[..cut].iter().copied().chain(vec![0; zeros]).collect();
            fs::write(&segment, torn).unwrap();
            let log = FileLog::open(&settings).unwrap();
            assert_eq!(log.head().await.unwrap(), EntryNumber(2), "cut at {cut}");
            assert_eq!(log.torn_tail().map(|tail| tail.offset), (cut > end).then_some(end as u64));
            assert_eq!(log.root(EntryNumber(2)).unwrap(), Some(root));
        }
        // Pages are not written in order.
        let mut torn = whole.clone();
        torn[cut] ^= 0x55;
        fs::write(&segment, torn).unwrap();
        let log = FileLog::open(&settings).unwrap();
        assert_eq!(log.head().await.unwrap(), EntryNumber(2), "damaged at {cut}");
    }
    let log = FileLog::open(&settings).unwrap();
    log.append(&batch(2, 1, "after")).await.unwrap();
    assert_eq!(read_all(&log, 1).len(), 3);
}

#[tokio::test]
async fn damage_before_a_later_batch_is_not_taken_for_a_torn_tail() {
    let directory = TempDir::new().unwrap();
    let settings = FileSettings { segment_bytes: 1 << 20, ..filled(&directory, 9).await };
    fs::remove_file(settings.directory.join("closed-at")).unwrap();
    let segment = with_extension(&settings, "ledger").remove(0);
    let (whole, last) = (fs::read(&segment).unwrap(), batch(6, 3, ""));
    let last = whole.len() - last.payloads().map(|payload| 24 + payload.len()).sum::<usize>() - 32;
    for position in 24..last {
        let mut damaged = whole.clone();
        damaged[position] ^= 1;
        fs::write(&segment, damaged).unwrap();
        let refused = FileLog::open(&settings).map(drop);
        assert!(matches!(refused, Err(OpenError::Log(LogError::Damaged { .. }))), "{position}: {refused:?}");
    }
}

/// A segment as a former version wrote it: no frame has a root.
fn former_segment(first: u64, payloads: &[&[u8]]) -> Vec<u8> {
    let mut header = b"TMLEDGER\x01\0\0\0".to_vec();
    header.extend_from_slice(&first.to_le_bytes());
    header.extend_from_slice(&crc32c::crc32c(&header).to_le_bytes());
    for (number, payload) in (first..).zip(payloads) {
        let mut checked = vec![0xd7, b'T', b'm', 0x1e];
        checked.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        checked.extend_from_slice(&number.to_le_bytes());
        checked.extend_from_slice(&0_u32.to_le_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&checked), payload);
        header.extend_from_slice(&checked);
        header.extend_from_slice(&crc.to_le_bytes());
        header.extend_from_slice(payload);
    }
    header
}

#[tokio::test]
async fn a_ledger_of_a_former_version_gets_a_tree_and_goes_on_in_a_segment_of_its_own() {
    for begun in [false, true] {
        let directory = TempDir::new().unwrap();
        let settings = settings(&directory);
        drop(FileLog::create(&settings).unwrap());
        let path = |first: u64| settings.directory.join(format!("{first:020}.ledger"));
        fs::write(path(1), former_segment(1, &[b"one", b"two"])).unwrap();
        fs::write(path(3), former_segment(3, &[b"three"])).unwrap();
        let mut tree = Frontier::default();
        [&b"one"[..], b"two", b"three"].iter().for_each(|entry| tree.push(tree::leaf(entry)));
        let (former, root) = (fs::read(path(3)).unwrap(), tree.root());
        if begun {
            // A crash while the next segment was begun.
            fs::write(path(4), []).unwrap();
        }
        let log = FileLog::open(&settings).unwrap();
        assert_eq!(log.root(EntryNumber(3)).unwrap(), Some(root));
        log.append(&batch(3, 2, "")).await.unwrap();
        assert_eq!(fs::read(path(3)).unwrap(), former, "nothing of today's form is added to it");
        let root_now = log.root(EntryNumber(5)).unwrap();
        drop(log);
        let log = FileLog::open(&settings).unwrap();
        assert_eq!(log.head().await.unwrap(), EntryNumber(5));
        for (size, expected) in
            [(1, None), (2, log.root(EntryNumber(2)).unwrap()), (3, Some(root)), (5, root_now)]
        {
            assert_eq!(log.root(EntryNumber(size)).unwrap(), expected, "{size}");
        }
        assert!(log.root(EntryNumber(2)).unwrap().is_some(), "the end of a segment is known");
    }
}

#[tokio::test]
async fn an_empty_ledger_of_a_former_version_takes_batches() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    drop(FileLog::create(&settings).unwrap());
    let path = settings.directory.join(format!("{:020}.ledger", 1));
    fs::write(&path, former_segment(1, &[])).unwrap();
    let log = FileLog::open(&settings).unwrap();
    log.append(&batch(0, 3, "")).await.unwrap();
    log.append(&batch(3, 3, "")).await.unwrap();
    drop(log);
    assert_eq!(read_all(&FileLog::open(&settings).unwrap(), 1).len(), 6);
}

#[tokio::test]
async fn a_segment_of_a_later_version_is_not_opened() {
    let directory = TempDir::new().unwrap();
    let settings = filled(&directory, 3).await;
    let segment = with_extension(&settings, "ledger").remove(0);
    let mut bytes = fs::read(&segment).unwrap();
    bytes[8] += 1;
    fs::write(&segment, bytes).unwrap();
    let refused = FileLog::open(&settings).map(drop);
    assert!(matches!(refused, Err(OpenError::TooNew { version: 3, .. })), "{refused:?}");
}

#[tokio::test]
async fn entries_of_another_history_are_told_by_the_root() {
    let (one, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let other = settings(&other);
    let settings = filled(&one, 300).await;
    let log = FileLog::create(&other).unwrap();
    for behind in (0..300).step_by(3) {
        log.append(&batch(behind, 3, if behind == 0 { "!" } else { "" }).clone()).await.unwrap();
    }
    drop(log);
    // The last segment is of the other history: intact, and behind other entries. Neither what is written
    // down beside the segments before it, nor the segments, fit it.
    let (last, others) = (with_extension(&settings, "ledger").pop(), with_extension(&other, "ledger").pop());
    let (last, others) = (last.unwrap(), others.unwrap());
    assert_eq!(last.file_name(), others.file_name());
    fs::copy(&others, &last).unwrap();
    match FileLog::open(&settings).map(drop) {
        Err(OpenError::Log(LogError::Damaged { place, .. })) => {
            assert!(place.starts_with(last.to_str().unwrap()), "{place}");
        }
        other => panic!("{other:?}"),
    }
}

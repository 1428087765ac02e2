//! A log in files that has many segments: what an open reads, and what is said of damage in old ones.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed assumption is a failed test"
)]

use std::fs;
use std::path::PathBuf;

use ledger::EntryNumber;
use ledger_log::suite::{batch, entry, read_all};
use ledger_log::{Batch, FileLog, FileSettings, Log, LogError, OpenError, format};
use tempfile::TempDir;

fn settings(directory: &TempDir) -> FileSettings {
    FileSettings { segment_bytes: 4096, ..FileSettings::new(directory.path().join("ledger")) }
}

/// A closed log of so many entries, in batches of three.
async fn filled(directory: &TempDir, entries: u64) -> FileSettings {
    let settings = settings(directory);
    let log = FileLog::create(&settings).unwrap();
    for behind in (0..entries).step_by(3) {
        log.append(&batch(behind, 3, "")).await.unwrap();
    }
    log.close().await.unwrap();
    settings
}

fn with_extension(settings: &FileSettings, extension: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(&settings.directory).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    files.sort();
    files
}

fn flip(path: &PathBuf, position: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[position] ^= 1;
    fs::write(path, bytes).unwrap();
}

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
async fn a_segment_that_was_begun_and_never_written_is_removed_and_the_one_before_goes_on() {
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
    for behind in (0..900).step_by(3) {
        log.append(&batch(behind, 3, "")).await.unwrap();
    }
    assert!(with_extension(&settings, "ledger").len() >= 300);
    for _ in 0..2 {
        assert_eq!(read_all(&log, 1).len(), 900);
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

//! The conformance suite, asked of every log of this crate.
#![allow(clippy::unwrap_used, reason = "a failed assumption is a failed test")]

use std::sync::Arc;

use ledger::EntryNumber;
use ledger_log::suite::{batch, entry, read_all};
use ledger_log::{AppendError, Fault, FaultyLog, FileLog, FileSettings, Log, MemoryLog, OpenError, suite};
use tempfile::TempDir;

fn memory() -> (Arc<dyn Log>, ()) {
    (Arc::new(MemoryLog::default()), ())
}

fn faultless() -> (Arc<dyn Log>, ()) {
    (Arc::new(FaultyLog::new(memory().0)), ())
}

fn settings(directory: &TempDir, preallocate: bool) -> FileSettings {
    // Small segments: a test fills several.
    let directory = directory.path().join("ledger");
    FileSettings { segment_bytes: 1024, preallocate, ..FileSettings::new(directory) }
}

fn growing() -> (Arc<dyn Log>, TempDir) {
    let directory = TempDir::new().unwrap();
    (Arc::new(FileLog::create(&settings(&directory, false)).unwrap()), directory)
}

fn preallocated() -> (Arc<dyn Log>, TempDir) {
    let directory = TempDir::new().unwrap();
    (Arc::new(FileLog::create(&settings(&directory, true)).unwrap()), directory)
}

macro_rules! conformance {
    ($($log:ident),*) => {
        $(mod $log {
            use super::suite;

            #[tokio::test(flavor = "multi_thread")]
            async fn entries_are_read_back_in_order() {
                let (log, _directory) = super::$log();
                suite::entries_are_read_back_in_order(log).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn a_batch_behind_another_end_is_refused_and_says_the_end() {
                let (log, _directory) = super::$log();
                suite::a_batch_behind_another_end_is_refused_and_says_the_end(log).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn of_racing_batches_one_is_appended() {
                let (log, _directory) = super::$log();
                suite::of_racing_batches_one_is_appended(log).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn every_batch_has_the_root_of_the_tree() {
                let (log, _directory) = super::$log();
                suite::every_batch_has_the_root_of_the_tree(log).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn the_end_is_followed() {
                let (log, _directory) = super::$log();
                suite::the_end_is_followed(log).await;
            }
        })*
    };
}

conformance!(memory, faultless, growing, preallocated);

#[tokio::test]
async fn a_closed_log_in_files_takes_nothing() {
    suite::a_closed_log_takes_nothing(growing().0).await;
}

#[tokio::test]
async fn a_log_in_files_keeps_what_it_acknowledged() {
    for preallocate in [false, true] {
        let directory = TempDir::new().unwrap();
        let settings = settings(&directory, preallocate);
        suite::keeps(async || match settings.directory.exists() {
            true => Arc::new(FileLog::open(&settings).unwrap()) as Arc<dyn Log>,
            false => Arc::new(FileLog::create(&settings).unwrap()),
        })
        .await;
    }
}

#[tokio::test]
async fn a_fault_happens_once_and_in_both_ways() {
    let log = FaultyLog::new(memory().0);
    log.fail_next(Fault::Full);
    assert!(matches!(log.append(&batch(0, 1, "")).await, Err(AppendError::Full)));
    log.fail_next(Fault::Failed);
    assert!(matches!(log.append(&batch(0, 1, "")).await, Err(AppendError::Unknown(_))));
    assert_eq!(log.head().await.unwrap(), EntryNumber(0));
    log.fail_next(Fault::FailedButPersisted);
    assert!(matches!(log.append(&batch(0, 1, "kept")).await, Err(AppendError::Unknown(_))));
    assert_eq!(log.head().await.unwrap(), EntryNumber(1));
    assert_eq!(read_all(&log, 1), [entry(1, "kept")]);
    log.append(&batch(1, 1, "")).await.unwrap();
}

#[tokio::test]
async fn a_directory_is_opened_by_one_process_at_a_time() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory, false);
    assert!(matches!(FileLog::open(&settings), Err(OpenError::Missing { .. })));
    let log = FileLog::create(&settings).unwrap();
    assert!(matches!(FileLog::open(&settings), Err(OpenError::InUse { .. })));
    log.release();
    assert!(matches!(FileLog::create(&settings), Err(OpenError::Exists { .. })));
    assert!(FileLog::open(&settings).is_ok());
}

#[tokio::test]
async fn a_log_that_lost_entries_since_a_clean_stop_is_not_opened() {
    let directory = TempDir::new().unwrap();
    let settings = FileSettings { segment_bytes: 1 << 20, ..settings(&directory, false) };
    let log = FileLog::create(&settings).unwrap();
    log.append(&batch(0, 3, "")).await.unwrap();
    log.append(&batch(3, 4, "")).await.unwrap();
    log.close().await.unwrap();
    let segment = settings.directory.join("00000000000000000001.ledger");
    let bytes = std::fs::read(&segment).unwrap();
    std::fs::write(&segment, &bytes[..bytes.len() - 1]).unwrap();
    assert!(matches!(FileLog::open(&settings), Err(OpenError::Log(_))));
    // An earlier end was never noted: it is a torn tail, with all that was appended together.
    std::fs::remove_file(settings.directory.join("closed-at")).unwrap();
    let log = FileLog::open(&settings).unwrap();
    assert!(log.torn_tail().is_some());
    assert_eq!(log.head().await.unwrap(), EntryNumber(3));
}

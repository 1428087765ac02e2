//! Verifying a ledger from its files, without a lock.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed assumption is a failed test"
)]

#[path = "segments/filled.rs"]
mod filled;

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use filled::{filled, flip, settings, with_extension};
use ledger::EntryNumber;
use ledger_log::suite::batch;
use ledger_log::{FileLog, FileSettings, Log, LogError, OpenError, Verified, verify};
use tempfile::TempDir;

fn verified(settings: &FileSettings, asked: u64) -> Result<Verified, OpenError> {
    verify(&settings.directory, None, EntryNumber(asked), &mut |_| {})
}

#[test]
fn a_ledger_is_verified_while_it_is_written() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let log = FileLog::create(&settings).unwrap();
    let end = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let reader = threads.spawn(|| {
            let (mut rounds, mut before) = (0, 0);
            while !end.load(Ordering::Relaxed) || rounds == 0 {
                let now = verified(&settings, before).unwrap();
                assert!(now.entries.0 >= before && now.root_asked.is_some());
                assert!(log.root(now.entries).unwrap().is_none_or(|root| root == now.root));
                (rounds, before) = (rounds + 1, now.entries.0);
            }
            rounds
        });
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for behind in (0..300).step_by(3) {
            runtime.block_on(log.append(&batch(behind, 3, "some remark that makes it longer"))).unwrap();
        }
        end.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() > 0);
    });
    let all = verified(&settings, 3).unwrap();
    assert_eq!(all.entries, EntryNumber(300));
    assert_eq!(Some(all.root), log.root(EntryNumber(300)).unwrap());
    assert_eq!(all.root_asked, log.root(EntryNumber(3)).unwrap());
    assert_eq!(verified(&settings, 301).unwrap().root_asked, None);
}

#[tokio::test]
async fn verifying_names_every_byte_that_was_changed() {
    let directory = TempDir::new().unwrap();
    let settings = filled(&directory, 300).await;
    let whole = verified(&settings, 0).unwrap();
    for segment in with_extension(&settings, "ledger").iter().take(2) {
        let bytes = fs::read(segment).unwrap();
        for position in (0..bytes.len()).step_by(7) {
            flip(segment, position);
            match verified(&settings, 0) {
                Err(OpenError::Log(LogError::Damaged { place, .. })) => {
                    assert!(place.starts_with(segment.to_str().unwrap()), "{place}");
                }
                Err(OpenError::TooNew { file, .. }) => assert_eq!(&file, segment),
                other => panic!("{position}: {other:?}"),
            }
            flip(segment, position);
        }
    }
    assert_eq!(verified(&settings, 0).unwrap(), whole);
}

/// Who can write to the files can also make checksums that fit; not those of the tree, in what follows.
#[tokio::test]
async fn an_entry_that_was_replaced_with_its_checksum_is_told_by_the_root() {
    let directory = TempDir::new().unwrap();
    let settings = filled(&directory, 30).await;
    let segment = with_extension(&settings, "ledger").remove(0);
    let mut bytes = fs::read(&segment).unwrap();
    let payload = 24 + 24..24 + 24 + u32::from_le_bytes(bytes[28..32].try_into().unwrap()) as usize;
    bytes[payload.end - 1] ^= 1;
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[24..44]), &bytes[payload]);
    bytes[44..48].copy_from_slice(&crc.to_le_bytes());
    fs::write(&segment, bytes).unwrap();
    match verified(&settings, 0) {
        Err(OpenError::Log(LogError::Damaged { entry, what, .. })) => {
            assert_eq!(entry, EntryNumber(3), "the end of the batch");
            assert_eq!(what, "the entries up to this one are not those that were recorded");
        }
        other => panic!("{other:?}"),
    }
}

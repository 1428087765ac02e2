//! Archives of the segments of a real log.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::UNIX_EPOCH;

use ledger::{Entry, Event, WorkOrderId};
use tempfile::TempDir;

use super::manifest::MANIFEST_FILE;
use super::*;
use crate::{Batch, FileLog, FileSettings, Log, frame};

const SETTINGS: ArchiveSettings = ArchiveSettings { level: 3, block_bytes: 4096, dictionary_bytes: 1024 };

struct Site {
    directory: TempDir,
    /// What was appended.
    payloads: Vec<Bytes>,
}

impl Site {
    /// A log of several segments.
    async fn new(entries: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut settings = FileSettings::new(directory.path().join("ledger"));
        settings.segment_bytes = 64 << 10;
        let log = FileLog::create(&settings).unwrap();
        let mut payloads = Vec::new();
        while (payloads.len() as u64) < entries {
            let mut batch = Batch::behind(EntryNumber(payloads.len() as u64), 8);
            for _ in 0..7 {
                batch.push(&entry(batch.next().0));
            }
            payloads.extend(batch.payloads().map(Bytes::copy_from_slice));
            log.append(&batch).await.unwrap();
        }
        log.close().await.unwrap();
        Self { directory, payloads }
    }

    fn ledger(&self) -> PathBuf {
        self.directory.path().join("ledger")
    }

    fn archive(&self) -> PathBuf {
        self.directory.path().join("archive")
    }

    fn segments(&self) -> Vec<SealedSegment> {
        let mut found: Vec<_> = fs::read_dir(self.ledger())
            .unwrap()
            .map(|file| file.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "ledger"))
            .map(|path| {
                let first = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
                SealedSegment { path, first: EntryNumber(first) }
            })
            .collect();
        found.sort_by_key(|segment| segment.first);
        found.pop();
        found
    }

    fn mover(&self) -> Mover {
        Mover::begin(&self.ledger(), &self.archive(), SETTINGS).unwrap()
    }

    /// Moves all sealed segments.
    fn move_all(&self) {
        let mut mover = self.mover();
        for segment in self.segments() {
            mover.move_segment(&segment, &mut |_| {}).unwrap();
        }
    }

    fn archives(&self) -> Archives {
        Archives::of(&self.ledger(), None).unwrap()
    }
}

/// Entries of very different lengths, whose contents look alike.
fn entry(number: u64) -> Entry {
    let length = if number.is_multiple_of(97) { 20_000 } else { number as usize % 300 };
    Entry {
        number: EntryNumber(number),
        at: UNIX_EPOCH + std::time::Duration::from_secs(1_800_000_000 + number),
        principal: None,
        request: None,
        content: [number as u8; 32],
        remark: format!("remark {number} {}", "x".repeat(length)),
        event: Event::WorkOrderPaused(WorkOrderId(number)),
    }
}

fn archived(site: &Site) -> u64 {
    site.archives().manifest().archives().last().map_or(0, |record| record.next() - 1)
}

#[tokio::test]
async fn every_entry_is_read_back_from_any_entry_on() {
    let site = Site::new(2000).await;
    assert!(site.segments().len() > 3);
    site.move_all();
    assert!(site.segments().is_empty());
    let archives = site.archives();
    for first in 1..=archived(&site) {
        let read = archives.read(EntryNumber(first), 3).unwrap();
        assert!((1..=3).contains(&read.len()));
        let start = first as usize - 1;
        assert_eq!(read, site.payloads[start..start + read.len()], "from entry {first} on");
    }
    assert!(archives.read(EntryNumber(0), 1).unwrap().is_empty());
    assert!(archives.read(EntryNumber(archived(&site) + 1), 1).unwrap().is_empty());
    assert!(archives.read(EntryNumber(1), 0).unwrap().is_empty());
}

#[tokio::test]
async fn the_segment_is_rebuilt_byte_for_byte() {
    let site = Site::new(500).await;
    let segment = site.segments().remove(0);
    let bytes = fs::read(&segment.path).unwrap();
    let record = site.mover().move_segment(&segment, &mut |_| {}).unwrap();
    let archive = Archive::open(&site.archive().join(&record.file), segment.first).unwrap();
    let blocks: Vec<_> = (0..archive.blocks()).map(|block| archive.block(block).unwrap()).collect();
    assert!(blocks.len() > 5);
    assert!(blocks.concat() == bytes);
    assert!(record.bytes < record.segment_bytes);
    // Positions in batches come along.
    let mut frames = frame::search(&bytes);
    assert!(frames.any(|frame| frame.batch != frame.number));
}

#[tokio::test]
async fn a_segment_is_refused_when_a_byte_of_it_was_changed() {
    let site = Site::new(500).await;
    let segment = site.segments().remove(0);
    let mut bytes = fs::read(&segment.path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&segment.path, &bytes).unwrap();
    let refused = site.mover().move_segment(&segment, &mut |_| {}).unwrap_err();
    assert!(matches!(refused, LogError::Damaged { .. }), "{refused}");
    assert!(segment.path.exists());
    assert_eq!(archived(&site), 0);
}

/// Stops before each step in turn, and goes on with a new process: at every moment the entries are in the
/// segment or in an archive that is whole.
#[tokio::test]
async fn a_crash_between_any_two_steps_leaves_the_segment_or_its_archive() {
    let first = Site::new(500).await;
    let steps = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&steps);
    let mut mover = first.mover();
    mover.before = Box::new(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        Ok(())
    });
    mover.move_segment(&first.segments()[0], &mut |_| {}).unwrap();
    let steps = steps.load(Ordering::Relaxed);
    assert_eq!(steps, 5);
    for stop in 0..steps {
        let site = Site::new(500).await;
        let segment = site.segments().remove(0);
        let mut mover = site.mover();
        let mut step = 0;
        mover.before = Box::new(move |_| {
            step += 1;
            if step > stop { Err(io::Error::other("the power is cut")) } else { Ok(()) }
        });
        mover.move_segment(&segment, &mut |_| {}).unwrap_err();
        drop(mover);
        let read = site.archives().read(EntryNumber(1), 1).unwrap();
        assert!(segment.path.exists() || read == site.payloads[..1], "stopped before step {stop}");
        if segment.path.exists() {
            site.mover().move_segment(&segment, &mut |_| {}).unwrap();
        }
        assert!(!segment.path.exists());
        assert_eq!(site.archives().read(EntryNumber(1), 1).unwrap(), site.payloads[..1]);
        assert!(verify(&site.archive(), &mut |_| {}).unwrap().faults.is_empty());
    }
}

#[tokio::test]
async fn what_a_crash_left_of_an_archive_is_written_again() {
    let site = Site::new(500).await;
    let segment = site.segments().remove(0);
    let mut mover = site.mover();
    mover.before = Box::new(|step| match step {
        moving::Step::NoteArchived => Err(io::Error::other("the power is cut")),
        _ => Ok(()),
    });
    mover.move_segment(&segment, &mut |_| {}).unwrap_err();
    drop(mover);
    let file = site.archive().join("00000000000000000001.archive");
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    site.mover().move_segment(&segment, &mut |_| {}).unwrap();
    assert!(fs::read(&file).unwrap() == whole);
}

#[tokio::test]
async fn an_archive_of_another_ledger_is_not_written_over() {
    let (site, other) = (Site::new(500).await, Site::new(900).await);
    site.move_all();
    let before = fs::read(site.archive().join(MANIFEST_FILE)).unwrap();
    let mut segment = other.segments().remove(0);
    // The same numbers, other bytes.
    segment.path = site.directory.path().join("changed.ledger");
    let batch = {
        let mut batch = Batch::behind(EntryNumber(0), 1);
        batch.push(&entry(77));
        batch
    };
    let header = vec![0; segment::SEGMENT_HEADER_BYTES];
    fs::write(&segment.path, [header, batch.frames.clone()].concat()).unwrap();
    let mut mover = Mover::begin(&other.ledger(), &site.archive(), SETTINGS).unwrap();
    let refused = mover.move_segment(&segment, &mut |_| {}).unwrap_err();
    assert!(format!("{refused:?}").contains("other entries"), "{refused:?}");
    assert!(segment.path.exists());
    assert_eq!(fs::read(site.archive().join(MANIFEST_FILE)).unwrap(), before);
}

#[tokio::test]
async fn a_ledger_of_another_user_is_left_alone() {
    let site = Site::new(500).await;
    // Only root can give files away.
    if std::os::unix::fs::chown(site.ledger(), Some(12_345), None).is_ok() {
        let refused = Mover::begin(&site.ledger(), &site.archive(), SETTINGS).err().unwrap();
        assert!(format!("{refused:?}").contains("user 12345"), "{refused:?}");
        assert!(!site.archive().exists());
    }
}

#[tokio::test]
async fn two_processes_do_not_move_segments_at_the_same_time() {
    let site = Site::new(500).await;
    let _first = site.mover();
    assert!(Mover::begin(&site.ledger(), &site.archive(), SETTINGS).is_err());
}

#[tokio::test]
async fn whole_archives_verify_wherever_they_lie() {
    let site = Site::new(2000).await;
    site.move_all();
    let elsewhere = site.directory.path().join("elsewhere");
    fs::rename(site.archive(), &elsewhere).unwrap();
    let mut read = 0;
    let verified = verify(&elsewhere, &mut |bytes| read += bytes).unwrap();
    assert!(verified.faults.is_empty(), "{:?}", verified.faults);
    assert_eq!(verified.entries, archived(&site));
    assert_eq!(verified.segment_bytes, read);
    let archives = Archives::of(&site.ledger(), Some(elsewhere)).unwrap();
    assert_eq!(archives.read(EntryNumber(9), 1).unwrap(), site.payloads[8..9]);
}

#[tokio::test]
async fn an_archive_that_is_missing_is_named() {
    let site = Site::new(500).await;
    site.move_all();
    let file = site.archive().join("00000000000000000001.archive");
    fs::remove_file(&file).unwrap();
    match site.archives().read(EntryNumber(5), 1).unwrap_err() {
        LogError::ArchiveMissing { file: named, entry } => {
            assert_eq!(
                (named, entry),
                (file.canonicalize().unwrap_or(file).display().to_string(), EntryNumber(5))
            );
        }
        other => panic!("{other}"),
    }
    let verified = verify(&site.archive(), &mut |_| {}).unwrap();
    assert_eq!(verified.faults.len(), 1);
}

/// Every byte of an archive matters: whichever one is changed, the archive does not verify, and nothing but
/// the entries that were recorded is read from it.
#[tokio::test]
async fn a_changed_byte_is_found_and_never_read_as_an_entry() {
    let site = Site::new(500).await;
    let segment = site.segments().remove(0);
    let record = site.mover().move_segment(&segment, &mut |_| {}).unwrap();
    let file = site.archive().join(&record.file);
    let whole = fs::read(&file).unwrap();
    // All of what is not a block, and some of the blocks.
    let ends = (0..1200).chain(whole.len() - 1200..whole.len());
    let places = ends.chain((1200..whole.len() - 1200).step_by(97));
    for place in places {
        let mut changed = whole.clone();
        changed[place] ^= 0x10;
        fs::write(&file, &changed).unwrap();
        assert!(verify_one(&file, &record, None, &mut |_| {}, &mut |_| {}).is_err(), "byte {place}");
        let archives = site.archives();
        for first in [1, record.entries / 2, record.entries] {
            let expected = &site.payloads[first as usize - 1..][..1];
            let read = archives.read(EntryNumber(first), 1);
            assert!(read.is_err() || read.unwrap() == expected, "byte {place}");
        }
    }
    for length in (0..whole.len()).step_by(211) {
        fs::write(&file, &whole[..length]).unwrap();
        assert!(verify_one(&file, &record, None, &mut |_| {}, &mut |_| {}).is_err(), "{length} bytes");
    }
}

#[tokio::test]
async fn a_manifest_that_names_other_hashes_or_lacks_an_archive_does_not_verify() {
    let site = Site::new(2000).await;
    site.move_all();
    let path = site.archive().join(MANIFEST_FILE);
    let text = fs::read_to_string(&path).unwrap();
    let manifest = Manifest::read(&path).unwrap().unwrap();
    let record = &manifest.archives()[1];
    for hash in [&record.sha256, &record.segment_sha256] {
        fs::write(&path, text.replace(hash.as_str(), &"0".repeat(64))).unwrap();
        assert_eq!(verify(&site.archive(), &mut |_| {}).unwrap().faults.len(), 1);
    }
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    json["archives"].as_array_mut().unwrap().remove(1);
    fs::write(&path, json.to_string()).unwrap();
    assert_eq!(verify(&site.archive(), &mut |_| {}).unwrap().faults.len(), 1);
}

#[tokio::test]
async fn segments_are_moved_in_the_order_of_their_entries() {
    let site = Site::new(500).await;
    let segments = site.segments();
    let mut mover = site.mover();
    mover.move_segment(&segments[1], &mut |_| {}).unwrap_err();
    assert!(segments[1].path.exists());
    mover.move_segment(&segments[0], &mut |_| {}).unwrap();
    mover.move_segment(&segments[1], &mut |_| {}).unwrap();
}

#[tokio::test]
async fn segments_are_sealed_up_to_the_last_one_with_an_entry() {
    let site = Site::new(500).await;
    let segments = site.segments();
    let sealed = sealed_segments(&site.ledger()).unwrap();
    assert_eq!(sealed.iter().map(|(segment, _)| segment.clone()).collect::<Vec<_>>(), segments);
    let second = segments[1].first.0;
    assert_eq!(sealed[0].1, UNIX_EPOCH + std::time::Duration::from_secs(1_800_000_000 + second));
    // What a crash left of a segment that was being made.
    let unborn = site.ledger().join("00000000000000009999.ledger");
    fs::write(unborn, [0; 10]).unwrap();
    assert_eq!(sealed_segments(&site.ledger()).unwrap().len(), segments.len());
}

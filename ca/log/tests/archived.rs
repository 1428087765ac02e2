//! A log in files of which old segments were archived: it is read, opened and appended to as before.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed assumption is a failed test"
)]

use std::fs;
use std::path::PathBuf;

use ledger::EntryNumber;
use ledger_log::archive::{ArchiveSettings, Mover, archived, sealed_segments};
use ledger_log::suite::{batch, entry, read_all};
use ledger_log::{FileLog, FileSettings, Log, LogError, OpenError, format, verify};
use tempfile::TempDir;

struct Site {
    directory: TempDir,
    settings: FileSettings,
}

impl Site {
    /// A closed log of so many entries in many segments.
    async fn new(entries: u64) -> Self {
        Self::with(entries, "").await
    }

    async fn with(entries: u64, remark: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let settings =
            FileSettings { segment_bytes: 4096, ..FileSettings::new(directory.path().join("ledger")) };
        let log = FileLog::create(&settings).unwrap();
        for behind in (0..entries).step_by(3) {
            log.append(&batch(behind, 3, remark)).await.unwrap();
        }
        log.close().await.unwrap();
        Self { directory, settings }
    }

    fn archive(&self) -> PathBuf {
        self.directory.path().join("archive")
    }

    /// Moves all sealed segments but the newest ones; returns the number of the last archived entry.
    fn move_all_but(&self, keep: usize) -> u64 {
        let ledger = &self.settings.directory;
        let mut mover = Mover::begin(ledger, &self.archive(), ArchiveSettings::default()).unwrap();
        let sealed = sealed_segments(ledger).unwrap();
        assert!(sealed.len() > keep + 2);
        for (segment, _) in &sealed[..sealed.len() - keep] {
            mover.move_segment(segment, &mut |_| {}).unwrap();
        }
        archived(ledger).unwrap().archives().last().unwrap().next() - 1
    }

    fn open(&self) -> Result<FileLog, OpenError> {
        FileLog::open(&self.settings)
    }
}

fn all(entries: u64) -> Vec<ledger::Entry> {
    (1..=entries).map(|number| entry(number, "")).collect()
}

#[tokio::test]
async fn a_log_with_archived_segments_opens_reads_and_grows_as_before() {
    let site = Site::new(300).await;
    let before = site.open().unwrap().metrics().bytes;
    site.move_all_but(1);
    let log = site.open().unwrap();
    assert_eq!(log.head().await.unwrap(), EntryNumber(300));
    assert_eq!(log.metrics().bytes, before);
    assert_eq!(read_all(&log, 1), all(300));
    log.append(&batch(300, 3, "")).await.unwrap();
    assert_eq!(read_all(&log, 1), all(303));
    assert!(log.read(EntryNumber(304), 1).unwrap().is_empty());
    assert!(log.read(EntryNumber(0), 1).unwrap().is_empty());
}

#[tokio::test]
async fn the_tree_over_a_log_with_archives_is_the_tree_over_its_segments() {
    let site = Site::new(300).await;
    let log = site.open().unwrap();
    let roots = |log: &FileLog| {
        let roots = (0..=300).map(|size| log.root(EntryNumber(size)).unwrap());
        roots.collect::<Vec<_>>()
    };
    let before = roots(&log);
    assert!(before.iter().flatten().count() > 100);
    let verified = |asked| verify(&site.settings.directory, None, EntryNumber(asked), &mut |_| {}).unwrap();
    let proven = verified(9);
    site.move_all_but(1);
    assert_eq!(roots(&log), before, "of a log that was open");
    drop(log);
    let log = site.open().unwrap();
    assert_eq!(roots(&log), before);
    let now = verified(9);
    assert_eq!((now.entries, now.root, now.root_asked), (proven.entries, proven.root, proven.root_asked));
    // The archives prove the same elsewhere.
    let archives = ledger_log::archive::verify(&site.archive(), &mut |_| {}).unwrap();
    assert_eq!(archives.root, before[archives.entries as usize]);
    assert!(archives.root.is_some());
    // A segment that is sealed behind archives is written down as any other.
    let mut behind = 300;
    while sealed_segments(&site.settings.directory).unwrap().len() < 3 {
        log.append(&batch(behind, 3, "")).await.unwrap();
        behind += 3;
    }
    log.close().await.unwrap();
    assert_eq!(read_all(&site.open().unwrap(), 1), all(behind));
}

#[tokio::test]
async fn an_archived_entry_that_was_exchanged_is_found_by_the_ledger_s_verification() {
    let (site, other) = (Site::with(300, "one").await, Site::with(300, "two").await);
    site.move_all_but(1);
    other.move_all_but(1);
    let name = "00000000000000000001.archive";
    fs::copy(other.archive().join(name), site.archive().join(name)).unwrap();
    let verified = verify(&site.settings.directory, None, EntryNumber(0), &mut |_| {});
    assert!(matches!(verified, Err(OpenError::Log(LogError::Damaged { .. }))), "{verified:?}");
    // Nor do all of its archives and a manifest that fits them.
    for file in fs::read_dir(other.archive()).unwrap().map(|file| file.unwrap()) {
        fs::copy(file.path(), site.archive().join(file.file_name())).unwrap();
    }
    for (from, to) in [
        (other.archive(), site.archive()),
        (other.settings.directory.clone(), site.settings.directory.clone()),
    ] {
        for file in ["manifest.json", "archived.json"] {
            if from.join(file).exists() {
                let text = fs::read_to_string(from.join(file)).unwrap();
                let ours = text.replace(other.archive().to_str().unwrap(), site.archive().to_str().unwrap());
                fs::write(to.join(file), ours).unwrap();
            }
        }
    }
    let verified = verify(&site.settings.directory, None, EntryNumber(0), &mut |_| {});
    assert!(matches!(verified, Err(OpenError::Log(LogError::Damaged { .. }))), "{verified:?}");
    let refused = site.open().err().unwrap();
    assert!(matches!(refused, OpenError::Log(LogError::Damaged { .. })), "{refused}");
}

#[tokio::test]
async fn segments_are_moved_under_a_log_that_is_open() {
    let site = Site::new(300).await;
    let log = site.open().unwrap();
    // Some files are open when they are removed.
    assert_eq!(read_all(&log, 1), all(300));
    let bytes = log.metrics().bytes;
    let last = site.move_all_but(0);
    assert_eq!(read_all(&log, 1), all(300));
    assert_eq!(log.metrics().bytes, bytes);
    log.append(&batch(300, 3, "")).await.unwrap();
    log.close().await.unwrap();
    drop(log);
    // Other files are not open.
    for behind in [303, 306] {
        let log = site.open().unwrap();
        log.append(&batch(behind, 3, "")).await.unwrap();
        log.close().await.unwrap();
    }
    let unread = site.open().unwrap();
    assert!(last > 200);
    assert_eq!(read_all(&unread, 1), all(309));
}

#[tokio::test]
async fn a_log_that_was_open_and_not_read_finds_what_was_moved_meanwhile() {
    let site = Site::new(300).await;
    let log = site.open().unwrap();
    site.move_all_but(0);
    for number in [1, 150, 2, 299] {
        let read = log.read(EntryNumber(number), 1).unwrap();
        assert_eq!(format::decode(EntryNumber(number), &read[0]).unwrap(), entry(number, ""));
    }
}

#[tokio::test]
async fn a_crash_before_the_segment_is_removed_changes_nothing() {
    let site = Site::new(300).await;
    let segments = site.directory.path().join("copy");
    fs::create_dir(&segments).unwrap();
    let files = || fs::read_dir(&site.settings.directory).unwrap().map(|file| file.unwrap().path());
    for path in files().filter(|path| path.extension().is_some_and(|extension| extension == "ledger")) {
        fs::copy(&path, segments.join(path.file_name().unwrap())).unwrap();
    }
    site.move_all_but(1);
    for file in fs::read_dir(&segments).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), site.settings.directory.join(file.file_name())).unwrap();
    }
    let log = site.open().unwrap();
    fs::remove_dir_all(site.archive()).unwrap();
    assert_eq!(read_all(&log, 1), all(300), "the segments are read");
}

#[tokio::test]
async fn a_log_opens_without_its_archives_and_says_which_one_it_needs() {
    let site = Site::new(300).await;
    site.move_all_but(1);
    let elsewhere = site.directory.path().join("elsewhere");
    fs::rename(site.archive(), &elsewhere).unwrap();
    let log = site.open().unwrap();
    match log.read(EntryNumber(7), 1) {
        Err(LogError::ArchiveMissing { file, entry }) => {
            assert!(file.ends_with("00000000000000000001.archive"), "{file}");
            assert_eq!(entry, EntryNumber(7));
        }
        other => panic!("{other:?}"),
    }
    drop(log);
    let settings = FileSettings { archive_dir: Some(elsewhere), ..site.settings.clone() };
    assert_eq!(read_all(&FileLog::open(&settings).unwrap(), 1), all(300));
}

#[tokio::test]
async fn a_segment_that_is_missing_and_was_not_archived_is_damage() {
    let site = Site::new(300).await;
    let sealed = sealed_segments(&site.settings.directory).unwrap();
    site.move_all_but(2);
    fs::remove_file(&sealed[sealed.len() - 2].0.path).unwrap();
    let refused = site.open().err().unwrap();
    assert!(matches!(refused, OpenError::Log(LogError::Damaged { .. })), "{refused}");
}

#[tokio::test]
async fn a_log_that_ends_before_its_archives_is_damage() {
    let site = Site::new(300).await;
    let first = sealed_segments(&site.settings.directory).unwrap().remove(0).0;
    let copy = fs::read(&first.path).unwrap();
    site.move_all_but(0);
    for file in fs::read_dir(&site.settings.directory).unwrap().map(|file| file.unwrap().path()) {
        if file.extension().is_some_and(|extension| extension == "ledger") || file.ends_with("closed-at") {
            fs::remove_file(file).unwrap();
        }
    }
    fs::write(&first.path, copy).unwrap();
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(&first.path, permissions).unwrap();
    let refused = site.open().err().unwrap();
    assert!(matches!(refused, OpenError::Log(LogError::Damaged { .. })), "{refused}");
}

#[tokio::test]
async fn archives_and_a_manifest_that_others_can_write_are_not_read() {
    let site = Site::new(300).await;
    site.move_all_but(1);
    let expose = |path: PathBuf, mode| {
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(path, permissions).unwrap();
    };
    let log = site.open().unwrap();
    expose(site.archive().join("00000000000000000001.archive"), 0o622);
    assert!(log.read(EntryNumber(1), 1).is_err());
    drop(log);
    expose(site.settings.directory.join("archived.json"), 0o620);
    assert!(matches!(site.open(), Err(OpenError::Exposed { .. })));
}

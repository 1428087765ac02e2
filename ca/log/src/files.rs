//! A log in local files: append-only segments in one directory, one fdatasync for each batch, one process at
//! a time.

mod archived;
mod directory;
mod frames;
mod offsets;
mod open_files;
mod recovery;
mod scan;
mod sealed;
pub(crate) mod segment;
mod space;
mod verify;

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Builder;
use std::time::{Duration, Instant};

use ::files::{no_space, sync_directory};
use async_trait::async_trait;
use bytes::Bytes;
use ledger::EntryNumber;
use parking_lot::{Mutex, RwLock};
use rustix::fs::{FlockOperation, flock};
use tokio::sync::watch;

use crate::archive::Archives;
use crate::tree::{Frontier, Hash};
use crate::{AppendError, Batch, Log, LogError, LogMetrics, OpenError, frame};
pub(crate) use directory::GROUP_OR_OTHERS_WRITE;
use open_files::OpenFiles;
pub(crate) use scan::ROOT_DIFFERS;
pub(crate) use sealed::path_beside as offsets_file;
use segment::{HEADER_BYTES, Segment, io_error};
use space::DiskSpace;

pub use verify::{Unfinished, Verified, Verifying, verify};

/// Where a log in files lies, and how it writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSettings {
    /// The directory of the segments: what must not be lost.
    pub directory: PathBuf,
    /// The size at which the next segment is begun, bytes; at most 1 GiB.
    pub segment_bytes: u32,
    /// Whether segments are filled with zeros when they are made: a commit then does not move the end of the
    /// file, which spares a journal commit on some file systems.
    pub preallocate: bool,
    /// Where archives of old segments are looked for first; then where they were put.
    pub archive_dir: Option<PathBuf>,
}

impl FileSettings {
    /// The usual settings.
    pub fn new(directory: PathBuf) -> Self {
        Self { directory, segment_bytes: SEGMENT_BYTES_DEFAULT, preallocate: false, archive_dir: None }
    }
}

/// A torn tail that was found when the log was opened, and is cut when the next batch is appended: bytes of a
/// batch that was never acknowledged, unless the log lost its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// The segment.
    pub file: PathBuf,
    /// The offset of its first byte.
    pub offset: u64,
    /// Its length, bytes.
    pub bytes: u64,
}

/// A log in local files.
pub struct FileLog {
    settings: FileSettings,
    segments: RwLock<Vec<Arc<Segment>>>,
    open_files: OpenFiles,
    archives: Archives,
    head: watch::Sender<EntryNumber>,
    /// The tree of all entries up to the head.
    tree: Mutex<Frontier>,
    /// Held by whoever appends.
    appending: Mutex<Appending>,
    /// Held as long as the directory is ours.
    lock: Mutex<Option<File>>,
    space: Arc<DiskSpace>,
    torn_tail: Option<TornTail>,
    counters: Counters,
}

#[derive(Default)]
struct Appending {
    /// What must be removed before anything is appended.
    leftover: Option<Leftover>,
    /// Why nothing is appended any more: a write failed, and nobody knows what is on disk; or the directory
    /// was released.
    failed: Option<LogError>,
}

/// What a crash, or a write that found no space, left behind.
enum Leftover {
    /// Bytes behind the end of the last segment.
    Tail,
    /// A segment that holds nothing.
    Segment(PathBuf),
}

#[derive(Default)]
struct Counters {
    batches: AtomicU64,
    sync_total_us: AtomicU64,
    sync_max_us: AtomicU64,
    full: AtomicU64,
}

impl FileLog {
    /// Makes an empty log.
    ///
    /// # Errors
    /// When there is one already, or the disk refuses.
    pub fn create(settings: &FileSettings) -> Result<Self, OpenError> {
        let lock = directory::create(&settings.directory)?;
        let log = Self::new(settings, lock)?;
        let mut appending = log.appending.lock();
        let made = log.add_segment(1, &mut appending);
        drop(appending);
        made.map_err(|error| io_error("create a segment in", &settings.directory, error))?;
        log.watch_space()?;
        Ok(log)
    }

    /// Opens a log. Changes nothing in it: a torn tail is cut by the first append. Of what lies before the
    /// last segment only the outline is looked at: damage there is found when it is read.
    ///
    /// # Errors
    /// When there is none, another process has it, others may write to it, or it is damaged.
    pub fn open(settings: &FileSettings) -> Result<Self, OpenError> {
        let lock = directory::open(&settings.directory)?;
        let mut log = Self::new(settings, lock)?;
        log.recover()?;
        if let Some(TornTail { file, offset, bytes }) = &log.torn_tail {
            tracing::warn!(file = %file.display(), offset, bytes, "the ledger ends with a torn entry; it is cut off when the next entry is recorded");
        }
        log.watch_space()?;
        Ok(log)
    }

    /// The torn tail that was found when the log was opened.
    pub fn torn_tail(&self) -> Option<&TornTail> {
        self.torn_tail.as_ref()
    }

    fn new(settings: &FileSettings, lock: File) -> Result<Self, LogError> {
        let segment_bytes = settings.segment_bytes.min(SEGMENT_BYTES_MAX);
        Ok(Self {
            archives: Archives::of(&settings.directory, settings.archive_dir.clone())?,
            settings: FileSettings { segment_bytes, ..settings.clone() },
            segments: RwLock::default(),
            open_files: OpenFiles::default(),
            head: watch::Sender::new(EntryNumber(0)),
            tree: Mutex::default(),
            appending: Mutex::default(),
            lock: Mutex::new(Some(lock)),
            space: Arc::default(),
            torn_tail: None,
            counters: Counters::default(),
        })
    }

    fn watch_space(&self) -> Result<(), LogError> {
        let (space, directory) = (Arc::clone(&self.space), self.settings.directory.clone());
        // Nobody joins it: a disk can hang, and then the process must still end.
        let spawned = Builder::new().name("room".to_owned()).spawn(move || space.watch(&directory));
        spawned.map(drop).map_err(|error| io_error("start a thread for", &self.settings.directory, error))
    }

    fn segment_of(&self, number: EntryNumber) -> Option<Arc<Segment>> {
        let segments = self.segments.read();
        let after = segments.partition_point(|segment| segment.first <= number.0);
        after.checked_sub(1).and_then(|position| segments.get(position)).cloned()
    }

    /// Writes the frames and makes them durable with one fdatasync.
    fn write(&self, batch: &Batch, appending: &mut Appending) -> Result<(), AppendError> {
        self.remove_leftover(appending)?;
        let mut tree = self.tree.lock().clone();
        batch.grow(&mut tree);
        let Some((frames, last)) = batch.ended(&tree.root()) else { return Ok(()) };
        let segment = self.segment_for(batch, frames.len() + last.len(), appending)?;
        let written = segment.write(frames, &last).and_then(|()| self.counters.timed(|| segment.sync()));
        match written {
            Ok(()) => {
                segment.extend(&batch.lengths, frame::ROOT_BYTES as u32);
                *self.tree.lock() = tree;
                Ok(())
            }
            Err(error) if no_space(&error) => {
                appending.leftover = Some(Leftover::Tail);
                self.remove_leftover(appending)?;
                Err(AppendError::Full)
            }
            Err(error) => Err(io_error("write", &segment.path, error).into()),
        }
    }

    /// Removes what a crash or a write without space left behind. On some file systems that takes space, too.
    fn remove_leftover(&self, appending: &mut Appending) -> Result<(), AppendError> {
        let (removed, path) = match (&appending.leftover, self.segments.read().last()) {
            (Some(Leftover::Tail), Some(segment)) => (segment.cut(), segment.path.clone()),
            (Some(Leftover::Segment(path)), _) => (fs::remove_file(path), path.clone()),
            (Some(Leftover::Tail), None) | (None, _) => return Ok(()),
        };
        match removed {
            Err(error) if no_space(&error) => return Err(AppendError::Full),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error("cut", &path, error).into());
            }
            Ok(()) | Err(_) => {}
        }
        appending.leftover = None;
        Ok(())
    }

    /// The segment that the batch goes to: the last one, or a new one if the batch would not fit, or that
    /// one is sealed or of a former form.
    fn segment_for(
        &self,
        batch: &Batch,
        bytes: usize,
        appending: &mut Appending,
    ) -> Result<Arc<Segment>, AppendError> {
        let last = self.segments.read().last().cloned();
        let fits = |segment: &Arc<Segment>| {
            segment.grows
                && (segment.end() == HEADER_BYTES
                    || u64::from(segment.end()) + bytes as u64 <= u64::from(self.settings.segment_bytes))
        };
        let first = batch.end().0 + 1;
        let found = match &last {
            Some(segment) if fits(segment) => return Ok(Arc::clone(segment)),
            Some(segment) if segment.first == first => self.reform_last(first),
            Some(segment) => {
                let added = segment.cut().and_then(|()| self.add_segment(first, appending));
                added.inspect(|_| self.seal(segment))
            }
            None => self.add_segment(first, appending),
        };
        found.map_err(|error| match no_space(&error) {
            true => AppendError::Full,
            false => io_error("create a segment in", &self.settings.directory, error).into(),
        })
    }

    /// Replaces the last segment, which has no entries, by one of today's form.
    fn reform_last(&self, first: u64) -> io::Result<Arc<Segment>> {
        let segment = Arc::new(Segment::reform(&self.settings.directory, first)?);
        let mut segments = self.segments.write();
        segments.pop();
        segments.push(Arc::clone(&segment));
        Ok(segment)
    }

    fn add_segment(&self, first: u64, appending: &mut Appending) -> io::Result<Arc<Segment>> {
        let FileSettings { directory, segment_bytes, preallocate, .. } = &self.settings;
        let made = Segment::create(directory, first, preallocate.then_some(u64::from(*segment_bytes)));
        let made = made.and_then(|segment| sync_directory(directory).map(|()| segment));
        let segment = Arc::new(made.inspect_err(|error| {
            if no_space(error) {
                appending.leftover = Some(Leftover::Segment(directory.join(segment::file_name(first))));
                // If it stays there, the next append finds that out.
                self.remove_leftover(appending).ok();
            }
        })?);
        self.segments.write().push(Arc::clone(&segment));
        Ok(segment)
    }
}

#[async_trait]
impl Log for FileLog {
    async fn append(&self, batch: &Batch) -> Result<EntryNumber, AppendError> {
        let mut appending = self.appending.lock();
        if let Some(failed) = &appending.failed {
            return Err(failed.clone().into());
        }
        let head = *self.head.borrow();
        if batch.end() != head {
            return Err(AppendError::Moved { head });
        }
        let written = self.write(batch, &mut appending);
        match &written {
            Ok(()) => {
                self.counters.batches.fetch_add(1, Ordering::Relaxed);
                self.space.was_found();
                self.head.send_replace(batch.last());
            }
            Err(AppendError::Full | AppendError::Moved { .. }) => {
                self.counters.full.fetch_add(1, Ordering::Relaxed);
                self.space.ran_out();
            }
            Err(AppendError::Unknown(error)) => appending.failed = Some(error.clone()),
        }
        written.map(|()| batch.last())
    }

    async fn head(&self) -> Result<EntryNumber, LogError> {
        let failed = self.appending.lock().failed.clone();
        failed.map_or_else(|| Ok(*self.head.borrow()), Err)
    }

    fn follow(&self) -> watch::Receiver<EntryNumber> {
        self.head.subscribe()
    }

    fn read(&self, first: EntryNumber, count: u64) -> Result<Vec<Bytes>, LogError> {
        self.read_run(first, count)
    }

    fn root(&self, size: EntryNumber) -> Result<Option<Hash>, LogError> {
        {
            let tree = self.tree.lock();
            if tree.size() == size.0 {
                return Ok(Some(tree.root()));
            }
        }
        self.root_at(size)
    }

    fn damaged(&self, entry: EntryNumber, what: &'static str) -> LogError {
        self.damaged_at(entry, what)
    }

    fn metrics(&self) -> LogMetrics {
        let microseconds = |counter: &AtomicU64| Duration::from_micros(counter.load(Ordering::Relaxed));
        LogMetrics {
            bytes: self.bytes(),
            batches: self.counters.batches.load(Ordering::Relaxed),
            sync_total: microseconds(&self.counters.sync_total_us),
            sync_max: microseconds(&self.counters.sync_max_us),
            full: self.counters.full.load(Ordering::Relaxed),
            disk_full: self.space.is_full(),
        }
    }

    async fn close(&self) -> Result<(), LogError> {
        let noted = match &self.appending.lock().failed {
            None => directory::note_end(&self.settings.directory, *self.head.borrow()),
            Some(_) => Ok(()),
        };
        self.release();
        noted
    }

    fn release(&self) {
        self.space.end();
        let released = || io_error("write", &self.settings.directory, io::Error::other("it was closed"));
        self.appending.lock().failed.get_or_insert_with(released);
        // By name: closing the file is not enough while a child that was just forked still has it open.
        if let Some(lock) = self.lock.lock().take() {
            flock(&lock, FlockOperation::Unlock).ok();
        }
    }
}

impl Drop for FileLog {
    fn drop(&mut self) {
        self.space.end();
    }
}

impl Counters {
    fn timed(&self, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let start = Instant::now();
        let synced = sync();
        let microseconds = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.sync_total_us.fetch_add(microseconds, Ordering::Relaxed);
        self.sync_max_us.fetch_max(microseconds, Ordering::Relaxed);
        synced
    }
}

/// Of one segment, unless the configuration says otherwise (`log.segment-mib`). Small enough to be read at
/// every start.
pub const SEGMENT_BYTES_DEFAULT: u32 = 64 * 1024 * 1024;

/// Offsets in a segment have 32 bits, and a batch may go over the size.
const SEGMENT_BYTES_MAX: u32 = 1 << 30;

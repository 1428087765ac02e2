//! The ledger's directory: opened, recovered, appended to by one owner, read by many.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::files::{OWNER_ONLY, sync_directory};
use bytes::Bytes;
use ledger::{Entry, EntryNumber};
use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use rustix::fs::{Advice, FlockOperation, fadvise, flock};

use super::entry_cache::EntryCache;
use super::segment::{self, HEADER_BYTES, Segment, io_error};
use super::{TornTail, frame};
use crate::{OpenError, StoreError};

/// All segments. Appending is the committer's alone.
pub(super) struct Files {
    directory: PathBuf,
    segment_bytes: u32,
    preallocate: bool,
    segments: RwLock<Vec<Arc<Segment>>>,
    entry_cache: EntryCache,
    /// What a crash, or a write that found no space, left behind and is not thrown away yet.
    leftover: Mutex<Option<Leftover>>,
    /// Held as long as the directory is ours.
    lock: Mutex<Option<File>>,
}

/// What must be thrown away before anything is appended.
#[derive(Clone)]
enum Leftover {
    /// Bytes behind the end of the last segment.
    Tail,
    /// A segment that holds nothing.
    Segment(PathBuf),
}

impl Files {
    /// Makes an empty ledger.
    pub(super) fn create(directory: &Path, segment_bytes: u32, preallocate: bool) -> Result<Self, OpenError> {
        make_directory(directory).map_err(|error| io_error("create", directory, error))?;
        let lock = lock(directory)?;
        if !segment_paths(directory)?.is_empty() {
            return Err(OpenError::Exists { path: directory.to_owned() });
        }
        let files = Self::new(directory, segment_bytes, preallocate, lock);
        files.add_segment(1).map_err(|error| io_error("create a segment in", directory, error))?;
        Ok(files)
    }

    /// Opens a ledger and shows every payload to `each`, in order, which says whether it could read it. Changes nothing:
    /// a torn tail is thrown away by the first append.
    pub(super) fn open(
        directory: &Path,
        segment_bytes: u32,
        preallocate: bool,
        mut each: impl FnMut(EntryNumber, Bytes) -> bool,
    ) -> Result<(Self, Option<TornTail>), OpenError> {
        if !directory.is_dir() {
            return Err(OpenError::Missing { path: directory.to_owned() });
        }
        let lock = lock(directory)?;
        let paths = segment_paths(directory)?;
        if paths.is_empty() {
            return Err(OpenError::Missing { path: directory.to_owned() });
        }
        refuse_if_exposed(directory, OTHERS_WRITE)?;
        paths.iter().try_for_each(|(_, path)| refuse_if_exposed(path, GROUP_OR_OTHERS_WRITE))?;
        let files = Self::new(directory, segment_bytes, preallocate, lock);
        let mut next = 1;
        let mut torn = None;
        let count = paths.len();
        for (place, (first, path)) in paths.iter().enumerate() {
            if *first != next {
                return Err(missing(path, next, "the segment with this entry is missing").into());
            }
            let last = place + 1 == count;
            if let Some((_, path)) = paths.get(place + 1) {
                read_ahead(path);
            }
            let scan = Scan::of(path, *first, last && place > 0)?;
            next = scan.replay(last, &mut each)?;
            if last {
                files.check_floor(&scan, next)?;
            }
            torn = scan.keep(&files);
        }
        Ok((files, torn))
    }

    fn new(directory: &Path, segment_bytes: u32, preallocate: bool, lock: File) -> Self {
        let segments = RwLock::new(Vec::new());
        Self {
            directory: directory.to_owned(),
            segment_bytes,
            preallocate,
            segments,
            entry_cache: EntryCache::default(),
            leftover: Mutex::default(),
            lock: Mutex::new(Some(lock)),
        }
    }

    /// Writes the frames, which start with entry `first`, and makes them durable with one fdatasync.
    ///
    /// # Errors
    /// [`StoreError::Full`]: nothing of it is on disk, and a later try may succeed. Any other: nobody knows what is on disk, and nothing may be
    /// appended any more.
    pub(super) fn append(
        &self,
        first: u64,
        batch: &[u8],
        lengths: &[u32],
        synced: impl FnOnce(&dyn Fn() -> io::Result<()>) -> io::Result<()>,
    ) -> Result<(), StoreError> {
        self.throw_away_leftover()?;
        let segment = self.segment_for(first, batch.len())?;
        let written = segment.write(batch).and_then(|()| synced(&|| segment.sync()));
        match written {
            Ok(()) => {
                segment.extend(lengths);
                Ok(())
            }
            Err(error) if no_space(&error) => {
                self.leave(Leftover::Tail);
                self.throw_away_leftover()?;
                Err(StoreError::Full)
            }
            Err(error) => Err(io_error("write", segment.path(), error)),
        }
    }

    /// Throws away what a write left behind that found no space. On some file systems that takes space, too.
    ///
    /// # Errors
    /// [`StoreError::Full`]: it is still there. Any other: nothing may be appended any more.
    fn throw_away_leftover(&self) -> Result<(), StoreError> {
        let mut place = self.leftover.lock();
        let (thrown, path) = match (place.as_ref(), self.read_segments().last()) {
            (Some(Leftover::Tail), Some(segment)) => (segment.cut(), segment.path().to_owned()),
            (Some(Leftover::Segment(path)), _) => (fs::remove_file(path), path.clone()),
            (Some(Leftover::Tail), None) | (None, _) => return Ok(()),
        };
        match thrown {
            Err(error) if no_space(&error) => return Err(StoreError::Full),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error("cut", &path, error));
            }
            Ok(()) | Err(_) => {}
        }
        *place = None;
        Ok(())
    }

    fn leave(&self, leftover: Leftover) {
        *self.leftover.lock() = Some(leftover);
    }

    /// Notes that the ledger holds all entries up to `head`: a later start that finds fewer knows that it is damaged.
    pub(super) fn write_floor(&self, head: u64) -> Result<(), StoreError> {
        let path = self.directory.join(FLOOR_FILE);
        let written = ::files::replace(&path, OWNER_ONLY, format!("{head}\n").as_bytes());
        written.map_err(|error| io_error("write", &path, error))
    }

    /// Lets others have the directory. Nothing may be appended any more.
    pub(super) fn unlock(&self) {
        // By name: closing the file is not enough while a child that was just forked still has it open.
        if let Some(lock) = self.lock.lock().take() {
            flock(&lock, FlockOperation::Unlock).ok();
        }
    }

    /// The entry; `None`: the ledger is not that long.
    pub(super) fn read(&self, number: EntryNumber) -> Result<Option<Arc<Entry>>, StoreError> {
        if let Some(entry) = self.entry_cache.find(number) {
            return Ok(Some(entry));
        }
        let Some(segment) = self.segment_of(number) else { return Ok(None) };
        let entry = segment.read(number)?.map(Arc::new);
        entry.iter().for_each(|entry| self.keep(entry));
        Ok(entry)
    }

    /// An entry that is durable and will be asked for soon: it need not be read from the disk then.
    pub(super) fn keep(&self, entry: &Arc<Entry>) {
        self.entry_cache.keep(entry);
    }

    /// Shows the payloads of at most `count` entries from `first` on, read in one piece: those of one segment, and not more than a few hundred
    /// kilobytes. `each` says whether it could read its payload. Returns whether there was one at all.
    pub(super) fn read_run(
        &self,
        first: EntryNumber,
        count: u64,
        each: impl FnMut(EntryNumber, Bytes) -> bool,
    ) -> Result<bool, StoreError> {
        self.segment_of(first).map_or(Ok(false), |segment| segment.read_run(first, count, each))
    }

    /// The error for an entry that must be there and cannot be read: an operator restores the ledger.
    pub(super) fn damaged(&self, entry: EntryNumber, what: &'static str) -> StoreError {
        match self.segment_of(entry) {
            Some(segment) => {
                let offset = segment.offset_of(entry).map_or(0, u64::from);
                StoreError::Damaged { file: segment.path().to_owned(), offset, entry, what }
            }
            None => missing(&self.directory, entry.0, what),
        }
    }

    fn segment_of(&self, number: EntryNumber) -> Option<Arc<Segment>> {
        let segments = self.read_segments();
        let after = segments.partition_point(|segment| segment.first() <= number.0);
        after.checked_sub(1).and_then(|place| segments.get(place)).cloned()
    }

    /// Bytes of all entries and headers.
    pub(super) fn bytes(&self) -> u64 {
        self.read_segments().iter().map(|segment| u64::from(segment.end())).sum()
    }

    /// The segment that the batch goes to; the next one when it would not fit.
    fn segment_for(&self, first: u64, bytes: usize) -> Result<Arc<Segment>, StoreError> {
        let last = self.read_segments().last().cloned();
        let room = |segment: &Arc<Segment>| {
            segment.end() == HEADER_BYTES
                || u64::from(segment.end()) + bytes as u64 <= u64::from(self.segment_bytes)
        };
        let stopped = match last {
            Some(segment) if room(&segment) => return Ok(segment),
            Some(segment) => segment.cut(),
            None => Ok(()),
        };
        stopped.and_then(|()| self.add_segment(first)).map_err(|error| match no_space(&error) {
            true => StoreError::Full,
            false => io_error("create a segment in", &self.directory, error),
        })
    }

    fn add_segment(&self, first: u64) -> io::Result<Arc<Segment>> {
        let preallocate = self.preallocate.then_some(u64::from(self.segment_bytes));
        let path = self.directory.join(segment::file_name(first));
        let made = Segment::create(&self.directory, first, preallocate);
        let made = made.and_then(|segment| sync_directory(&self.directory).map(|()| segment));
        let segment = Arc::new(made.inspect_err(|error| {
            if no_space(error) {
                self.leave(Leftover::Segment(path));
                // If it stays there, the next append finds that out.
                self.throw_away_leftover().ok();
            }
        })?);
        self.segments.write().push(Arc::clone(&segment));
        Ok(segment)
    }

    /// Whether the ledger is as long as it was when it was last closed.
    fn check_floor(&self, last: &Scan, next: u64) -> Result<(), OpenError> {
        let path = self.directory.join(FLOOR_FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(io_error("read", &path, error).into()),
        };
        let end = last.offsets.borrow().last().copied().unwrap_or(HEADER_BYTES) as usize;
        match text.trim().parse::<u64>() {
            Ok(floor) if floor < next => Ok(()),
            Ok(_) => {
                Err(last.damaged(end, next, "no whole entry; there was one at the last clean stop").into())
            }
            Err(_) => Err(missing(&path, next, "no number").into()),
        }
    }

    fn read_segments(&self) -> RwLockReadGuard<'_, Vec<Arc<Segment>>> {
        self.segments.read()
    }
}

/// One segment on its way in.
struct Scan {
    first: u64,
    path: PathBuf,
    file: File,
    bytes: Bytes,
    offsets: std::cell::RefCell<Vec<u32>>,
    /// Its header never became durable.
    unborn: bool,
}

impl Scan {
    fn of(path: &Path, first: u64, may_be_unborn: bool) -> Result<Self, OpenError> {
        let read = || -> io::Result<(File, Vec<u8>)> {
            let mut file = OpenOptions::new().read(true).write(true).open(path)?;
            let mut bytes = Vec::with_capacity(usize::try_from(file.metadata()?.len()).unwrap_or(0));
            file.read_to_end(&mut bytes)?;
            Ok((file, bytes))
        };
        let (file, bytes) = read().map_err(|error| io_error("read", path, error))?;
        if let Some(version) = segment::foreign_version(&bytes) {
            return Err(OpenError::TooNew { file: path.to_owned(), version });
        }
        let sound = bytes.starts_with(&segment::header(first));
        // Frames are written only behind a durable header: without one, frames say that the header was damaged later.
        let unborn = !sound && may_be_unborn && frame::search(&bytes).next().is_none();
        if !sound && !unborn {
            return Err(missing(path, first, "a segment header that is not whole").into());
        }
        let offsets = vec![HEADER_BYTES].into();
        Ok(Self { first, path: path.to_owned(), file, bytes: bytes.into(), offsets, unborn })
    }

    /// Shows the entries; returns the number of the next one.
    fn replay(
        &self,
        last: bool,
        each: &mut impl FnMut(EntryNumber, Bytes) -> bool,
    ) -> Result<u64, OpenError> {
        let mut next = self.first;
        if self.unborn {
            return Ok(next);
        }
        let mut offset = HEADER_BYTES as usize;
        let mut offsets = self.offsets.borrow_mut();
        while let Some(frame) = self.bytes.get(offset..).and_then(frame::read).filter(|f| f.number.0 == next)
        {
            if !each(frame.number, self.bytes.slice_ref(frame.payload)) {
                return Err(self.damaged(offset, next, "an entry that cannot be read").into());
            }
            offset += frame.length;
            offsets.push(u32::try_from(offset).map_err(|_| self.damaged(offset, next, "more than 4 GiB"))?);
            next += 1;
        }
        let tail = self.bytes.get(offset..).unwrap_or_default();
        if !last && !tail.is_empty() {
            return Err(self.damaged(offset, next, "no whole entry, and there are later ones").into());
        }
        // One batch is in flight at a time. A frame of a batch that began later proves that what is broken here was acknowledged.
        if frame::search(tail).any(|frame| frame.batch.0 > next) {
            return Err(self.damaged(offset, next, "no whole entry, and there are later ones").into());
        }
        Ok(next)
    }

    /// Hands the segment over. What lies behind its last whole entry is left where it is until something is appended: whoever finds that the
    /// ledger lost its end, and does not start, must have changed nothing.
    fn keep(self, files: &Files) -> Option<TornTail> {
        if self.unborn {
            let bytes = self.bytes.len() as u64;
            files.leave(Leftover::Segment(self.path.clone()));
            return Some(TornTail { file: self.path, offset: 0, bytes });
        }
        let offsets = self.offsets.into_inner();
        let end = offsets.last().copied().unwrap_or(HEADER_BYTES);
        let tail = self.bytes.get(end as usize..).unwrap_or_default();
        let segment = Segment::opened(self.first, self.path.clone(), self.file, offsets);
        let torn = tail.iter().any(|byte| *byte != 0).then(|| {
            files.leave(Leftover::Tail);
            TornTail { file: self.path, offset: u64::from(end), bytes: tail.len() as u64 }
        });
        files.segments.write().push(Arc::new(segment));
        torn
    }

    fn damaged(&self, offset: usize, entry: u64, what: &'static str) -> StoreError {
        let (file, offset) = (self.path.clone(), offset as u64);
        StoreError::Damaged { file, offset, entry: EntryNumber(entry), what }
    }
}

/// Makes the directory and those above it that are missing, all durable: what is acknowledged in there must be found after a power cut.
fn make_directory(directory: &Path) -> io::Result<()> {
    let missing = directory.ancestors().take_while(|ancestor| !ancestor.exists()).count();
    fs::create_dir_all(directory)?;
    // The name of each lies in the one above it. One that was there may have been made a moment ago.
    for parent in directory.ancestors().skip(1).take(missing.max(1)) {
        let current = Path::new(".");
        sync_directory(if parent.as_os_str().is_empty() { current } else { parent })?;
    }
    Ok(())
}

/// What others may write to is not a record. (Nothing is repaired here: whoever sees the message must know that it was so.)
fn refuse_if_exposed(path: &Path, forbidden: u32) -> Result<(), OpenError> {
    let metadata = fs::metadata(path).map_err(|error| io_error("look at", path, error))?;
    let mode = metadata.permissions().mode() & 0o7777;
    let path = path.to_owned();
    if mode & forbidden == 0 { Ok(()) } else { Err(OpenError::Exposed { path, mode }) }
}

fn missing(path: &Path, entry: u64, what: &'static str) -> StoreError {
    StoreError::Damaged { file: path.to_owned(), offset: 0, entry: EntryNumber(entry), what }
}

fn no_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn segment_paths(directory: &Path) -> Result<Vec<(u64, PathBuf)>, OpenError> {
    let list = || -> io::Result<Vec<(u64, PathBuf)>> {
        let mut found = Vec::new();
        for file in fs::read_dir(directory)? {
            let path = file?.path();
            found.extend(segment::first_of(&path).map(|first| (first, path)));
        }
        found.sort_unstable();
        Ok(found)
    };
    Ok(list().map_err(|error| io_error("list", directory, error))?)
}

/// Has the kernel fetch a file while we are busy with the one before. Only a hint.
fn read_ahead(path: &Path) {
    if let Ok(file) = File::open(path) {
        fadvise(&file, 0, None, Advice::WillNeed).ok();
    }
}

/// Two CAs on one ledger would write over each other.
fn lock(directory: &Path) -> Result<File, OpenError> {
    let path = directory.join(LOCK_FILE);
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(|error| io_error("open", &path, error))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(OpenError::InUse { path: directory.to_owned() }),
        Err(error) => Err(io_error("lock", &path, error.into()).into()),
    }
}

/// Files are made with mode 0600.
const GROUP_OR_OTHERS_WRITE: u32 = 0o022;

/// A directory is made as the umask has it, which may let the group write.
const OTHERS_WRITE: u32 = 0o002;

const FLOOR_FILE: &str = "closed-at";

const LOCK_FILE: &str = "lock";

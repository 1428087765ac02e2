//! Opening a log in files: sealed segments as it is written down beside them, the last one frame by frame;
//! there a torn tail is told from damage.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ledger::EntryNumber;

use super::scan::{ROOT_DIFFERS, Scan};
use super::sealed::Sealed;
use super::segment::{Form, Segment, damaged, io_error};
use super::{FileLog, Leftover, TornTail, directory};
use crate::tree::{Frontier, Hash};
use crate::{LogError, OpenError};

impl FileLog {
    /// Learns which entries there are and where they lie, and the tree over them. Reads the last segment, and
    /// those of which nothing is written down.
    pub(super) fn recover(&mut self) -> Result<(), OpenError> {
        match self.take_segments(true) {
            // The segments are the truth, what is written down beside them is not.
            Err(OpenError::Log(LogError::Damaged { what, .. })) if what == ROOT_DIFFERS => {
                self.segments.get_mut().clear();
                self.take_segments(false)
            }
            taken => taken,
        }
    }

    fn take_segments(&mut self, trusting: bool) -> Result<(), OpenError> {
        let paths = directory::segment_paths(&self.settings.directory)?;
        let mut tree = Frontier::default();
        let mut progress = Progress::new(paths.len());
        for (position, (first, path)) in paths.iter().enumerate() {
            tree = self.behind_archives(tree, *first);
            let next = EntryNumber(tree.size() + 1);
            if *first != next.0 {
                return Err(damaged(path, 0, next, "the segment with this entry is missing").into());
            }
            tree = match position + 1 == paths.len() {
                false => self.take_sealed(path, *first, tree, trusting, &mut progress)?,
                true => self.take_last(path, *first, tree, position > 0)?,
            };
        }
        self.check_archived_end(&tree)?;
        self.head.send_replace(EntryNumber(tree.size()));
        *self.tree.get_mut() = tree;
        Ok(())
    }

    fn take_sealed(
        &mut self,
        path: &Path,
        first: u64,
        before: Frontier,
        trusting: bool,
        progress: &mut Progress,
    ) -> Result<Frontier, OpenError> {
        let known = if trusting { Sealed::read(path, first, &before) } else { None };
        let sealed = match known {
            Some(sealed) => sealed,
            None => {
                let root_before = before.root();
                let Scan { offsets, tree, .. } = Scan::sealed(path, first, before, &mut |_| {})?;
                let sealed = Sealed { first, offsets, root_before, tree };
                note(path, &sealed);
                progress.read_one();
                sealed
            }
        };
        let Sealed { offsets, tree, .. } = sealed;
        let segment = Segment::of(first, path.to_owned(), false, None, offsets);
        segment.root_behind.set(tree.root()).ok();
        self.segments.get_mut().push(Arc::new(segment));
        Ok(tree)
    }

    /// Takes the last segment over. What lies behind its last complete batch is left where it is until
    /// something is appended: a start that finds that the log lost its end must have changed nothing.
    fn take_last(
        &mut self,
        path: &Path,
        first: u64,
        before: Frontier,
        may_be_unborn: bool,
    ) -> Result<Frontier, OpenError> {
        let Scan { form, offsets, tree, tail_bytes, unborn, .. } =
            Scan::last(path, first, before, may_be_unborn, &mut |_| {})?;
        let end = offsets.end;
        check_noted_end(&self.settings.directory, path, end, tree.size() + 1)?;
        let appending = self.appending.get_mut();
        let tail = |offset: u64, bytes| Some(TornTail { file: path.to_owned(), offset, bytes });
        if unborn {
            appending.leftover = Some(Leftover::Segment(path.to_owned()));
            self.torn_tail = tail(0, tail_bytes);
        } else {
            if tail_bytes > 0 {
                appending.leftover = Some(Leftover::Tail);
                self.torn_tail = tail(u64::from(end), tail_bytes);
            }
            let grows = form == Form::Rooted;
            let segment = Segment::of(first, path.to_owned(), grows, None, offsets);
            self.segments.get_mut().push(Arc::new(segment));
        }
        if let Some(last) = self.segments.get_mut().last() {
            last.open_for_writes().map_err(|error| io_error("open", &last.path, error))?;
        }
        Ok(tree)
    }

    /// Writes down what a start must know of a segment to which nothing is added any more, and that begins
    /// behind the last batch that was appended.
    pub(super) fn seal(&self, segment: &Arc<Segment>) {
        let tree = self.tree.lock().clone();
        segment.root_behind.set(tree.root()).ok();
        let root_before = self.root_before(segment);
        if let Some(root_before) = root_before {
            let offsets = segment.offsets();
            note(&segment.path, &Sealed { first: segment.first, offsets, root_before, tree });
        }
        self.open_files.opened(segment);
    }

    fn root_before(&self, segment: &Segment) -> Option<Hash> {
        let segments = self.segments.read();
        let earlier = segments.iter().rev().find(|earlier| earlier.first < segment.first);
        match earlier.filter(|earlier| earlier.next() == segment.first) {
            Some(earlier) => earlier.root_behind.get().copied(),
            None => self.tree_behind_archives(segment.first).map(|tree| tree.root()),
        }
    }
}

/// If it fails, the next start reads the segment.
fn note(path: &Path, sealed: &Sealed) {
    if let Err(error) = sealed.write(path) {
        tracing::warn!(file = %path.display(), %error, "cannot write down where the entries of a ledger file lie");
    }
}

/// Tells how far the reading of old segments is, now and then.
struct Progress {
    files: usize,
    read: usize,
    told: Instant,
}

impl Progress {
    fn new(files: usize) -> Self {
        Self { files, read: 0, told: Instant::now() }
    }

    fn read_one(&mut self) {
        self.read += 1;
        if self.read == 1 || self.told.elapsed() >= TELL_EVERY {
            let (read, files) = (self.read, self.files);
            tracing::info!(read, files, "reading ledger files of which nothing is written down yet");
            self.told = Instant::now();
        }
    }
}

fn check_noted_end(directory: &Path, last: &Path, end: u32, next: u64) -> Result<(), LogError> {
    match directory::noted_end(directory)? {
        Some(noted) if noted.0 >= next => Err(damaged(
            last,
            u64::from(end),
            EntryNumber(next),
            "no intact entry; there was one at the last clean stop",
        )),
        Some(_) | None => Ok(()),
    }
}

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_secs(5);

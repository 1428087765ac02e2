//! Which sealed segments have their file open: a process has fewer descriptors than a ledger has segments.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use super::segment::Segment;

/// Sealed segments whose files are open, the longest open one first.
#[derive(Debug, Default)]
pub(super) struct OpenFiles(Mutex<VecDeque<Arc<Segment>>>);

impl OpenFiles {
    /// Notes that the segment's file was opened, and has the one closed that was open for the longest time,
    /// if there are too many. Reads that use it finish.
    pub(super) fn opened(&self, segment: &Arc<Segment>) {
        let mut open = self.0.lock();
        open.push_back(Arc::clone(segment));
        if open.len() > FILES_OPEN_MAX
            && let Some(first) = open.pop_front()
        {
            first.close_file();
        }
    }
}

/// Files of sealed segments that are open at a time. Systems let a process have 1,024 descriptors unless they
/// are told otherwise, and connections need them, too.
pub(super) const FILES_OPEN_MAX: usize = 128;

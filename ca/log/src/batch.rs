//! Entries that are to be appended together.

use ledger::{Entry, EntryNumber};

use crate::frame;

/// Encoded entries that follow one another, and the end of the log that they were decided over.
#[derive(Debug, Clone)]
pub struct Batch {
    behind: EntryNumber,
    /// The entries as they lie in a segment file.
    pub(crate) frames: Vec<u8>,
    /// The length of each frame, bytes.
    pub(crate) lengths: Vec<u32>,
}

impl Batch {
    /// An empty batch behind an entry (0: at the beginning), with room for so many entries.
    pub fn behind(behind: EntryNumber, entries: usize) -> Self {
        let frames = Vec::with_capacity(entries.saturating_mul(USUAL_ENTRY_BYTES));
        Self { behind, frames, lengths: Vec::with_capacity(entries) }
    }

    /// Adds an entry. Its number is [`Self::next`], whatever the entry says.
    pub fn push(&mut self, entry: &Entry) {
        let (start, number) = (self.frames.len(), self.next());
        frame::write(entry, number, self.lengths.len() as u32, &mut self.frames);
        self.lengths.push((self.frames.len() - start) as u32);
    }

    /// The entry that it is to follow.
    pub fn end(&self) -> EntryNumber {
        self.behind
    }

    /// The number of the entry that is added next.
    pub fn next(&self) -> EntryNumber {
        EntryNumber(self.behind.0 + 1 + self.lengths.len() as u64)
    }

    /// The number of its last entry; of an empty one, [`Self::end`].
    pub fn last(&self) -> EntryNumber {
        EntryNumber(self.behind.0 + self.lengths.len() as u64)
    }

    /// Whether it has no entries.
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// The encoded entries, in order.
    pub fn payloads(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.frames.as_slice();
        self.lengths.iter().filter_map(move |length| {
            let (frame, following) = rest.split_at_checked(*length as usize)?;
            rest = following;
            frame.get(frame::HEADER_BYTES..)
        })
    }
}

/// A birth certificate's entry with its frame, rounded up.
const USUAL_ENTRY_BYTES: usize = 1024;

//! Entries that are to be appended together.

use ledger::{Entry, EntryNumber};

use crate::frame;
use crate::tree::{self, Frontier, Hash};

/// Encoded entries that follow one another, and the end of the log that they were decided over.
#[derive(Debug, Clone)]
pub struct Batch {
    behind: EntryNumber,
    /// The entries as they lie in a segment file.
    pub(crate) frames: Vec<u8>,
    /// The length of each frame, bytes.
    pub(crate) lengths: Vec<u32>,
    /// The hash of each entry.
    leaves: Vec<Hash>,
}

impl Batch {
    /// An empty batch behind an entry (0: at the beginning), with room for so many entries.
    pub fn behind(behind: EntryNumber, entries: usize) -> Self {
        let frames = Vec::with_capacity(entries.saturating_mul(USUAL_ENTRY_BYTES));
        let (lengths, leaves) = (Vec::with_capacity(entries), Vec::with_capacity(entries));
        Self { behind, frames, lengths, leaves }
    }

    /// Adds an entry. Its number is [`Self::next`], whatever the entry says.
    pub fn push(&mut self, entry: &Entry) {
        let (start, number) = (self.frames.len(), self.next());
        frame::write(entry, number, self.lengths.len() as u32, &mut self.frames);
        self.lengths.push((self.frames.len() - start) as u32);
        let payload = self.frames.get(start + frame::HEADER_BYTES..).unwrap_or_default();
        self.leaves.push(tree::leaf(payload));
    }

    /// Adds the entries to the tree of those before them.
    pub(crate) fn grow(&self, tree: &mut Frontier) {
        self.leaves.iter().for_each(|leaf| tree.push(*leaf));
    }

    /// The frames but the last one, and that as it ends the batch. `None`: it is empty.
    pub(crate) fn ended(&self, root: &Hash) -> Option<(&[u8], Vec<u8>)> {
        let last = self.frames.len().checked_sub(*self.lengths.last()? as usize)?;
        let (frames, last) = self.frames.split_at_checked(last)?;
        Some((frames, frame::ending(last, root)?))
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

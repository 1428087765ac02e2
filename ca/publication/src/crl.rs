//! A list that is published: its bytes, and what HTTP says of them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use identity::IssuerName;
use issuance::CrlNumber;
use ledger::EntryNumber;

/// Which list: of a shard, or of the whole issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CrlId {
    /// Whose.
    pub issuer: IssuerName,
    /// `None`: the whole issuer's.
    pub shard: Option<u32>,
}

/// A list that is published. Never changes: a newer one takes its place, and whoever reads this one goes on reading it whole.
#[derive(Debug, Clone)]
pub struct Crl {
    /// Which.
    pub name: CrlId,
    /// Its number.
    pub number: CrlNumber,
    /// As of when it is right.
    pub this_update: SystemTime,
    /// By when there is a newer one.
    pub next_update: SystemTime,
    /// Everything up to this entry of the ledger is in it.
    pub as_of: EntryNumber,
    /// How many certificates it lists.
    pub count: u64,
    /// Whether the list before it has a thisUpdate of the same second: a date in seconds does not tell the two apart.
    pub shares_second: bool,
    /// Where the bytes of its entries begin.
    pub(super) entries_at: u64,
    /// How many they are.
    pub(super) entries_bytes: u64,
    pub(super) content: CrlBytes,
}

/// The bytes of a list.
#[derive(Debug, Clone)]
pub(super) enum CrlBytes {
    /// A small one.
    Memory(Bytes),
    /// A large one: the file stays open, so that one that takes its name does not change it.
    File(Arc<File>, u64),
}

impl Crl {
    /// How many bytes it has.
    pub fn length(&self) -> u64 {
        match &self.content {
            CrlBytes::Memory(bytes) => bytes.len() as u64,
            CrlBytes::File(_, length) => *length,
        }
    }

    /// Its bytes from `offset`, at most `limit`; none at its end. From memory, or from a file that was just written.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&self, offset: u64, limit: usize) -> io::Result<Bytes> {
        let left = usize::try_from(self.length().saturating_sub(offset)).unwrap_or(usize::MAX).min(limit);
        match &self.content {
            CrlBytes::Memory(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                Ok(bytes.slice(start..start + left))
            }
            CrlBytes::File(file, _) => {
                let mut piece = vec![0; left];
                file.read_exact_at(&mut piece, offset)?;
                Ok(piece.into())
            }
        }
    }

    /// Calls `each` with the bytes of its entries, in pieces.
    pub(super) fn entries<E>(
        &self,
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> io::Result<Result<(), E>> {
        let end = self.entries_at + self.entries_bytes;
        let mut at = self.entries_at;
        while at < end {
            let limit = usize::try_from(end - at).unwrap_or(usize::MAX).min(PIECE_BYTES);
            let piece = self.read(at, limit)?;
            if piece.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            at += piece.len() as u64;
            if let Err(error) = each(&piece) {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }
}

/// What is read of a file at a time.
const PIECE_BYTES: usize = 64 * 1024;

//! A published CRL: its bytes and its metadata.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use identity::IssuerName;
use issuance::CrlNumber;
use ledger::EntryNumber;

/// Identifies a CRL: of one shard of an issuer, or of the whole issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CrlId {
    /// The issuer that signs it.
    pub issuer: IssuerName,
    /// `None`: the full CRL.
    pub shard: Option<u32>,
}

/// The metadata of a CRL.
#[derive(Debug, Clone, Copy)]
pub struct CrlMeta {
    /// Issuer and shard.
    pub id: CrlId,
    /// cRLNumber: epoch and counter.
    pub number: CrlNumber,
    /// thisUpdate.
    pub this_update: SystemTime,
    /// nextUpdate.
    pub next_update: SystemTime,
    /// The last ledger entry that changed it.
    pub as_of: EntryNumber,
    /// Number of revoked certificates.
    pub count: u64,
}

/// A published CRL. It never changes: a newer one replaces it in the publication, and readers of this one are
/// not affected.
#[derive(Debug, Clone)]
pub struct Crl {
    /// What is known of it beside its bytes.
    pub meta: CrlMeta,
    /// Whether the CRL before it has a thisUpdate in the same second, so that `Last-Modified` cannot tell
    /// them apart.
    pub shares_second: bool,
    pub(super) entries_at: u64,
    pub(super) entries_bytes: u64,
    pub(super) content: CrlBytes,
}

/// The DER of a CRL.
#[derive(Debug, Clone)]
pub(super) enum CrlBytes {
    /// Of a small CRL.
    Memory(Bytes),
    /// Of a large CRL: the open file, which a rename over its path does not change, and its length.
    File(Arc<File>, u64),
}

impl Crl {
    /// A CRL with entries of `entries_bytes` at the offset `entries_at` of its DER.
    pub(super) fn new(meta: CrlMeta, entries_at: u64, entries_bytes: u64, content: CrlBytes) -> Self {
        Self { meta, shares_second: false, entries_at, entries_bytes, content }
    }

    /// Length in bytes.
    pub fn length(&self) -> u64 {
        match &self.content {
            CrlBytes::Memory(bytes) => bytes.len() as u64,
            CrlBytes::File(_, length) => *length,
        }
    }

    /// At most `limit` bytes from `offset`; none at the end.
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

    /// Calls `each` with the DER of the entries, in pieces.
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

const PIECE_BYTES: usize = 64 * 1024;

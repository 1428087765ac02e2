//! The contract for the storage of CRLs.

use std::io::{self, Write};
use std::sync::Arc;

use async_trait::async_trait;
use issuance::SealedCrl;

use super::crl::{Crl, CrlMeta};

/// Keeps CRLs over restarts, so that a start does not have to sign all of them again.
#[async_trait]
pub trait CrlStorage: Send + Sync + 'static {
    /// The CRLs that were stored, except those that are incomplete or damaged.
    ///
    /// # Errors
    /// When the storage cannot be used.
    async fn load(&self) -> io::Result<Vec<Crl>>;

    /// Replaces the CRL of the same id, and returns the new one. Readers of the old one are not affected. It
    /// need not survive a crash: what is lost is signed again under a new number.
    ///
    /// # Errors
    /// When it cannot be written; then the one before stays.
    async fn put(&self, meta: CrlMeta, sealed: SealedCrl, entries: CrlEntries) -> io::Result<Crl>;

    /// When this returns `Ok`, the next [`Self::load`] finds what was put.
    ///
    /// # Errors
    /// When it cannot be written.
    async fn commit(&self) -> io::Result<()>;
}

/// The entries of a CRL that is being made, DER.
#[derive(Debug)]
pub enum CrlEntries {
    /// Encoded for a shard.
    Encoded(Vec<u8>),
    /// Those of other CRLs, one after the other.
    Of(Vec<Arc<Crl>>),
}

impl CrlEntries {
    /// Their length in bytes.
    pub fn length(&self) -> u64 {
        match self {
            Self::Encoded(bytes) => bytes.len() as u64,
            Self::Of(parts) => parts.iter().map(|part| part.entries_bytes).sum(),
        }
    }

    /// Calls `each` with the bytes, in pieces.
    ///
    /// # Errors
    /// When they cannot be read (outer), or of `each` (inner).
    pub fn pieces<E>(&self, mut each: impl FnMut(&[u8]) -> Result<(), E>) -> io::Result<Result<(), E>> {
        match self {
            Self::Encoded(bytes) => Ok(each(bytes)),
            Self::Of(parts) => {
                for part in parts {
                    if let Err(error) = part.entries(&mut each)? {
                        return Ok(Err(error));
                    }
                }
                Ok(Ok(()))
            }
        }
    }

    /// Writes the bytes.
    ///
    /// # Errors
    /// When they cannot be read or written.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        self.pieces(|piece| out.write_all(piece))?
    }
}

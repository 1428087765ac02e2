//! The list of the root: signed where its key is, at `init` and by `touchmark-ca root-crl`; the CA that serves only hands it on
//! (R-CRL-13).

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use issuance::{
    Certificate, CrlDraft, CrlEntry, CrlNumber, CrlScope, CrlSummary, CrlTerms, IssuerName, Refusal,
};

use super::list::{Content, List, ListName};
use super::numbers::replace;
use crate::ledger::EntryNumber;
use crate::signer::{Signer, SignerError};

/// A list of the issuers that the root has revoked, X.509 DER.
///
/// # Errors
/// When it cannot be made.
pub async fn root_list(
    root: &Certificate,
    signer: &dyn Signer,
    number: CrlNumber,
    entries: &[CrlEntry],
    now: SystemTime,
) -> Result<Vec<u8>, RootListError> {
    let terms =
        CrlTerms { number, this_update: now, next_update: now + ROOT_LIST_LIFE, scope: CrlScope::Whole };
    let draft = CrlDraft::new(root, &terms, now)?;
    let mut bytes = Vec::new();
    for entry in entries {
        draft.entry(entry, &mut bytes)?;
    }
    let mut hash = draft.hash(bytes.len() as u64)?;
    hash.entries(&bytes)?;
    let prepared = hash.finish()?;
    let signature = signer.sign_digest(prepared.digest()).await?;
    let sealed = prepared.seal(&signature)?;
    Ok([sealed.head, bytes, sealed.tail].concat())
}

/// Where the root's list is, beside its certificate.
pub fn root_list_file(issuers_dir: &Path) -> PathBuf {
    issuers_dir.join("root.crl")
}

/// Writes the list in the place of the one before, synced.
///
/// # Errors
/// When it cannot be written.
pub fn write_root_list(issuers_dir: &Path, der: &[u8]) -> Result<(), RootListError> {
    let path = root_list_file(issuers_dir);
    replace(&path, der).map_err(|source| RootListError::Io { path, source })
}

/// Reads the list that `init` or `root-crl` wrote.
///
/// # Errors
/// When it is not there, damaged, or of another root.
pub fn read_root_list(issuers_dir: &Path, root: &Certificate) -> Result<List, RootListError> {
    let path = root_list_file(issuers_dir);
    let der = std::fs::read(&path).map_err(|source| RootListError::Io { path: path.clone(), source })?;
    let summary = CrlSummary::from_der(&der).ok().filter(|summary| *summary.issuer == *root.subject());
    let summary = summary.ok_or(RootListError::Damaged { path })?;
    let (entries_at, entries_bytes) = summary.entries;
    Ok(List {
        name: ListName { issuer: IssuerName::Root, shard: None },
        number: summary.number,
        this_update: summary.this_update,
        next_update: summary.next_update,
        as_of: EntryNumber(0),
        count: 0,
        entries_at: entries_at as u64,
        entries_bytes: entries_bytes as u64,
        content: Content::Memory(Bytes::from(der)),
    })
}

/// Why there is no list of the root: the operator must act.
#[derive(Debug, thiserror::Error)]
pub enum RootListError {
    /// The file cannot be read or written.
    #[error("{} cannot be used; touchmark-ca root-crl makes it", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not the root's list.
    #[error("{} is not a revocation list of this root; touchmark-ca root-crl makes it", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// It would break a rule.
    #[error("the root's revocation list cannot be made")]
    Refused(#[from] Refusal),
    /// It cannot be signed.
    #[error(transparent)]
    Signer(#[from] SignerError),
}

/// The key is offline, and somebody must fetch it for the next one: 12 months (R-CRL-13).
const ROOT_LIST_LIFE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

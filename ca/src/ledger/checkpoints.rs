//! Signs how long the ledger is and the root of its tree, at most [`CHECKPOINT_EVERY`] after an entry, for
//! everybody to fetch and keep.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use files::read_limited;
use ledger::EntryNumber;
use parking_lot::RwLock;
use signer::LedgerSigner;
use store::{Checkpoint, Hash, LedgerKey, Store, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// The newest checkpoint, and the key that signs the next.
pub struct Checkpoints {
    signer: LedgerSigner,
    key: LedgerKey,
    file: PathBuf,
    newest: RwLock<Option<Newest>>,
}

#[derive(Clone)]
struct Newest {
    size: EntryNumber,
    root: Hash,
    note: Bytes,
}

impl Checkpoints {
    /// Goes on behind the checkpoint in this file, which need not be there.
    pub fn open(signer: LedgerSigner, file: PathBuf) -> Self {
        let key = LedgerKey::new(signer.public_key());
        let newest = read_limited(&file, CHECKPOINT_BYTES_MAX).ok().and_then(|bytes| {
            let note = String::from_utf8(bytes).ok()?;
            let checkpoint = Checkpoint::read(&note, &key);
            let Checkpoint { size, root, .. } = checkpoint
                .inspect_err(|why| warn!(%why, file = %file.display(), "the last checkpoint is left out"))
                .ok()?;
            Some(Newest { size, root, note: note.into() })
        });
        Self { signer, key, file, newest: RwLock::new(newest) }
    }

    /// The newest checkpoint, a signed note; `None`: none was made yet.
    pub fn newest(&self) -> Option<Bytes> {
        self.newest.read().as_ref().map(|newest| newest.note.clone())
    }

    /// Makes checkpoints until `stop`.
    pub async fn run(self: Arc<Self>, store: Arc<dyn Store>, stop: CancellationToken) {
        let mut head = store.follow();
        let mut told = false;
        loop {
            let size = *head.borrow_and_update();
            match self.clone().round(Arc::clone(&store), size).await {
                Ok(()) => told = false,
                Err(why) if !told => {
                    let why: &dyn std::error::Error = &why;
                    error!(why, "no checkpoint of the ledger is signed; trying again");
                    told = true;
                }
                Err(_) => {}
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(CHECKPOINT_EVERY) => {}
            }
            tokio::select! {
                () = stop.cancelled() => break,
                changed = head.changed() => if changed.is_err() { break },
                // What was not signed because of an error is signed without a further entry.
                () = tokio::time::sleep(CHECKPOINT_EVERY), if told => {}
            }
        }
        let size = *head.borrow_and_update();
        self.round(store, size).await.ok();
    }

    async fn round(self: Arc<Self>, store: Arc<dyn Store>, size: EntryNumber) -> Result<(), CheckpointFault> {
        let made = tokio::task::spawn_blocking(move || self.sign(&*store, size)).await;
        made.unwrap_or(Err(CheckpointFault::Thread))
    }

    /// Signs the ledger up to this entry, unless it was signed, and puts the note in place.
    fn sign(&self, store: &dyn Store, size: EntryNumber) -> Result<(), CheckpointFault> {
        let newest = self.newest.read().clone();
        if let Some(newest) = &newest {
            // Never back, and never two histories under one name.
            let root = store.root(newest.size)?;
            if newest.size > size || root.is_some_and(|root| root != newest.root) {
                return Err(CheckpointFault::OtherLedger { signed: newest.size, head: size });
            }
            if newest.size == size {
                return Ok(());
            }
        }
        let Some(root) = store.root(size)?.filter(|_| size.0 > 0) else { return Ok(()) };
        let checkpoint = Checkpoint { origin: self.key.name().to_owned(), size, root };
        let note = checkpoint.note(&self.key, &self.signer.sign(checkpoint.text().as_bytes()));
        let written = files::replace(&self.file, MODE, note.as_bytes());
        written.map_err(|source| CheckpointFault::Write { path: self.file.clone(), source })?;
        if newest.is_none() {
            info!(entries = size.0, key = %self.key, "signed the first checkpoint of the ledger");
        }
        *self.newest.write() = Some(Newest { size, root, note: note.into() });
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
enum CheckpointFault {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "a checkpoint was signed over {signed} entries that this ledger, of {head} entries, does not have; \
         restore the ledger that was signed; only if there is none: touchmark-ca accept-restored-store"
    )]
    OtherLedger { signed: EntryNumber, head: EntryNumber },
    #[error("{} cannot be written", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    /// A bug.
    #[error("the thread that signs panicked")]
    Thread,
}

/// Between two checkpoints; with what a write takes, none is ever more than 60 s behind.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(30);

/// The longest checkpoint that is read; ours have 250 bytes.
pub(super) const CHECKPOINT_BYTES_MAX: usize = 64 * 1024;

/// Everybody may read it.
const MODE: u32 = 0o644;

#[cfg(test)]
mod tests {
    use std::fs;

    use identity::SystemClock;
    use store::StoreSettings;

    use super::*;

    async fn opened(dir: &std::path::Path) -> Arc<dyn Store> {
        let made = crate::init::Plan::for_a_test(dir.join("ca")).made().await;
        let store = StoreSettings::new(made.dir.join("store"));
        store::open(store, Arc::new(SystemClock)).await.unwrap()
    }

    #[tokio::test]
    async fn a_checkpoint_says_what_the_ledger_says_and_is_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let store = opened(dir.path()).await;
        let (signer, file) = (LedgerSigner::generate().unwrap(), dir.path().join("checkpoint"));
        let key = LedgerKey::new(signer.public_key());
        let checkpoints = Checkpoints::open(signer, file.clone());
        assert!(checkpoints.newest().is_none());
        let head = *store.follow().borrow();
        checkpoints.sign(&*store, head).unwrap();
        let note = fs::read_to_string(&file).unwrap();
        assert_eq!(checkpoints.newest().unwrap(), note);
        let read = Checkpoint::read(&note, &key).unwrap();
        assert_eq!((read.size, Some(read.root)), (head, store.root(head).unwrap()));
        let again = Checkpoints::open(checkpoints.signer, file);
        assert_eq!(again.newest().unwrap(), note);
        store.close().await.unwrap();
    }

    #[tokio::test]
    async fn nothing_is_signed_over_a_ledger_that_is_not_the_one_that_was_signed() {
        let dir = tempfile::tempdir().unwrap();
        let store = opened(dir.path()).await;
        let head = *store.follow().borrow();
        let key = |signer: &LedgerSigner| LedgerKey::new(signer.public_key());
        for (size, root) in [(EntryNumber(head.0 + 1), [7; 32]), (head, [7; 32])] {
            let (signer, file) = (LedgerSigner::generate().unwrap(), dir.path().join("checkpoint"));
            let key = key(&signer);
            let signed = Checkpoint { origin: key.name().to_owned(), size, root };
            let note = signed.note(&key, &signer.sign(signed.text().as_bytes()));
            fs::write(&file, &note).unwrap();
            let refused = Checkpoints::open(signer, file.clone()).sign(&*store, head);
            assert!(matches!(refused, Err(CheckpointFault::OtherLedger { .. })), "{refused:?}");
            assert_eq!(fs::read_to_string(&file).unwrap(), note, "it never goes back");
        }
        store.close().await.unwrap();
    }
}

//! The store over a log: one committer, an exact index, a projection in sled (ADR 0004). Only the
//! log must be right for nothing to be lost; the other two are derived from it.

mod buckets;
mod clean_shutdown;
mod committer;
mod contracts;
mod entries;
mod entry_cache;
mod group_commit;
mod index;
mod keeper;
mod last_seen;
mod listings;
mod open;
mod projection;
mod projector;
mod replay;
mod revocations;
mod select;
mod times;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use identity::{Clock, SerialNumber};
use ledger::{
    CertificateFacts, CertificateStatus, Entry, EntryNumber, PrincipalFacts, ProductFacts, RotationFacts,
    View,
};
use ledger_log::TornTail;
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use self::entries::Entries;
use self::group_commit::GroupCommit;
use self::index::{Index, Rows};
use self::keeper::Keeper;
use self::last_seen::{End, LastSeen};
use self::projector::Projection;
use self::revocations::CauseCache;
use crate::{CertificateRecord, PrincipalRecord, ProductRecord, Result, StoreError};

/// The store over a log. Dropping it without [`close`](crate::Ledger::close) loses nothing; the next start
/// only has more to do.
pub struct LogStore {
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    group_commit: Mutex<Option<Arc<GroupCommit>>>,
    committer: Mutex<Option<JoinHandle<()>>>,
    /// Writes down when devices were last seen.
    writer: Mutex<Option<JoinHandle<()>>>,
    /// Writes checkpoints of the index.
    keeper: Mutex<Option<JoinHandle<()>>>,
    torn_tail: Option<TornTail>,
}

/// What the committer, the projector and the readers share. The index is changed by the committer alone.
struct Shared {
    entries: Entries,
    index: RwLock<Index>,
    head: watch::Sender<EntryNumber>,
    /// The last entry in the index that revoked, held or released a certificate.
    status_changed: watch::Sender<EntryNumber>,
    projection: Projection,
    last_seen: LastSeen,
    keeper: Keeper,
    /// For status queries: one entry may have revoked thousands.
    cause_cache: Mutex<CauseCache>,
    counters: Counters,
}

#[derive(Default)]
struct Counters {
    entries: AtomicU64,
    conflicts: AtomicU64,
    stopped: AtomicBool,
}

impl LogStore {
    /// The torn tail that was found when the store was opened.
    pub fn torn_tail(&self) -> Option<&TornTail> {
        self.torn_tail.as_ref()
    }

    /// The entry with this number; `None`: the ledger is not that long.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn entry(&self, number: EntryNumber) -> Result<Option<Arc<Entry>>> {
        self.shared.entries.find(number)
    }

    fn group_commit(&self) -> Option<Arc<GroupCommit>> {
        self.group_commit.lock().clone()
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || work(&shared))
            .await
            .unwrap_or(Err(StoreError::Bug("a thread that read the ledger panicked")))
    }
}

impl Shared {
    fn head(&self) -> EntryNumber {
        *self.head.borrow()
    }

    /// Tells all followers that the index has the entries up to this one.
    fn reached(&self, head: EntryNumber) {
        let changed = self.index.read().certificates.last_change();
        self.head.send_replace(head);
        self.status_changed.send_if_modified(|known| std::mem::replace(known, changed) != changed);
        self.projection.committed(head.0);
        self.keeper.committed(head.0);
    }

    fn rows<'a>(&'a self, index: &'a Index) -> Rows<'a> {
        Rows { index, entries: &self.entries }
    }

    /// Looks at the rows as of one moment.
    fn view<T>(&self, look: impl FnOnce(&Rows<'_>) -> Result<T>) -> Result<T> {
        let index = self.index.read();
        look(&self.rows(&index))
    }

    /// The rotation requests that are not forgotten, oldest first.
    fn active_rotations(&self, now: SystemTime) -> Vec<RotationFacts> {
        let index = self.index.read();
        index
            .administration
            .jobs
            .rotations
            .iter()
            .filter(|rotation| rotation.terms.until > now)
            .cloned()
            .collect()
    }

    fn certificate_record(&self, serial_number: &SerialNumber) -> Result<Option<CertificateRecord>> {
        match self.view(|rows| rows.certificate(serial_number))? {
            Some(facts) => self.record(&facts),
            None => Ok(None),
        }
    }

    fn record(&self, facts: &CertificateFacts) -> Result<Option<CertificateRecord>> {
        let changed = match (facts.status, facts.changed) {
            (CertificateStatus::Issued | CertificateStatus::InUse, _) | (_, None) => None,
            (_, Some(changed)) => Some(self.entries.get(changed)?),
        };
        Ok(CertificateRecord::of(&self.entries.get(facts.entry)?, facts, changed.as_deref()))
    }

    fn principal(&self, facts: &PrincipalFacts, now: SystemTime) -> Result<Option<PrincipalRecord>> {
        let credentials =
            facts.certificates.iter().filter_map(|number| self.certificate_record(number).transpose());
        Ok(PrincipalRecord::of(facts, credentials.collect::<Result<_, _>>()?, now))
    }

    fn product_record(&self, facts: ProductFacts) -> Result<ProductRecord> {
        let entry = |number| self.entries.get(number);
        let paused_by = facts.pause.map(|pause| entry(pause.entry)).transpose()?;
        let resumed_by = facts.pause.and_then(|pause| pause.resumed).map(entry).transpose()?;
        Ok(ProductRecord { product: facts.product, paused_by, resumed_by })
    }
}

impl Drop for LogStore {
    fn drop(&mut self) {
        self.shared.projection.stop();
        self.shared.last_seen.end(End::Dropped);
        self.shared.keeper.end(End::Dropped);
    }
}

/// Entries that one store can hold: their numbers have 32 bits in the index. Four hundred a device at ten
/// million devices.
const ENTRIES_MAX: u64 = u32::MAX as u64 - 1;

/// How long a close waits for sled: a flush of what a second of commits leaves. After that the process ends
/// without it.
const PROJECTION_CLOSE_MAX: Duration = Duration::from_secs(10);

//! Everything that is derived from a log of ledger entries: the committer that decides, the index, the
//! projection; and the three contracts by which the rest of the CA asks. One suite
//! (`ca/store/tests/store.rs`) runs over every kind of log.

mod chores;
mod contract;
mod error;
mod job;
mod page;
mod revocations;
mod rows;
mod selection;
mod settings;
mod state;

use std::sync::Arc;

use identity::Clock;
use ledger::Conflict;

pub use chores::{Chore, Chores, OnlyProcess};
pub use contract::{
    DeviceFilter, Ledger, Listings, ReservationFilter, Status, Store, StoreMetrics, Unaccounted,
};
pub use error::{Result, StoreError};
pub use job::carry_out;
pub use ledger_log::archive;
pub use ledger_log::checkpoint::{Checkpoint, CheckpointError, LedgerKey};
pub use ledger_log::tree::Hash;
pub use ledger_log::{Fault, FaultyLog, LogError, MemoryLog, OpenError, SEGMENT_BYTES_DEFAULT, TornTail};
pub use ledger_log::{Unfinished, Verified, Verifying, verify};
pub use page::{Cursor, Page};
pub use revocations::{
    ChangePosition, ChangedStatus, RevocationChange, RevokedEntry, RevokedPage, ShardState, StatusRecord,
};
pub use rows::{
    CertificateRecord, Preflight, PrincipalRecord, ProductRecord, Recorded, Released, Revocation,
};
pub use selection::{ProductSurvey, Selected, SelectedDevice, SelectionPage, Survey};
pub use settings::{CHECKPOINT_ENTRIES_DEFAULT, LogSettings, StoreSettings};
pub use state::LogStore;

/// The outcome of one command: on record, or refused with nothing changed.
pub type Verdict = Result<Recorded, Conflict>;

/// Makes an empty store, on a thread that may block.
///
/// # Errors
/// As of [`LogStore::create`].
pub async fn create(settings: StoreSettings, clock: Arc<dyn Clock>) -> Result<Arc<dyn Store>, OpenError> {
    blocking(move || LogStore::create(&settings, clock)).await
}

/// Opens a store, on a thread that may block: it reads the whole log.
///
/// # Errors
/// As of [`LogStore::open`].
pub async fn open(settings: StoreSettings, clock: Arc<dyn Clock>) -> Result<Arc<dyn Store>, OpenError> {
    blocking(move || LogStore::open(&settings, clock)).await
}

async fn blocking(
    open: impl FnOnce() -> Result<LogStore, OpenError> + Send + 'static,
) -> Result<Arc<dyn Store>, OpenError> {
    let opened = tokio::task::spawn_blocking(open).await.map_err(|panic| LogError::Io {
        what: "open",
        place: "the ledger".into(),
        source: Arc::new(std::io::Error::other(panic)),
    })?;
    Ok(Arc::new(opened?))
}

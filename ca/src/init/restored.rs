//! Going on with a ledger that is older than what was published: after a restore, and only when a person says so (R-CRL-01, R-CA-06).

use std::sync::Arc;

use identity::Clock;
use publication::{Ledger, Numbers, Seen};
use store::{OpenError, Store};

use super::InitError;
use crate::config::{Settings, StoreSettings};

/// Accepts the ledger as it is, and begins an epoch of list numbers above all before. Returns the epoch.
///
/// # Errors
/// When the ledger cannot be opened: also by a CA that is serving; or the file cannot be written.
pub async fn accept_restored_store<S: Store>(
    settings: &Settings,
    clock: &dyn Clock,
    open_store: impl AsyncFnOnce(&StoreSettings) -> Result<S, OpenError>,
) -> Result<u64, InitError> {
    let store = Arc::new(open_store(&settings.store).await?);
    let seen = Seen::end_of(&Ledger(Arc::clone(&store))).await;
    store.close().await?;
    Ok(Numbers::accept(&settings.publication.epoch_file, seen?, clock.now())?)
}

//! Going on with a ledger that is older than what was published: after a restore, and only when a person says so (R-CRL-01, R-CA-06).

use std::sync::Arc;

use identity::Clock;
use publication::{CrlNumberError, CrlNumberFile, Ledger, LedgerHead};
use store::{OpenError, Store, StoreSettings};

use super::InitError;
use crate::config::Settings;

/// Whether the ledger lacks anything that this CA has published or listed. Changes nothing.
///
/// # Errors
/// When the ledger cannot be opened: also by a CA that is serving; or the file with the numbers cannot be read.
pub async fn lacks_something(
    settings: &Settings,
    open_store: impl AsyncFnOnce(&StoreSettings) -> Result<Arc<dyn Store>, OpenError>,
) -> Result<bool, InitError> {
    let store = match open_store(&settings.store).await {
        Ok(store) => store,
        Err(OpenError::LostEnd { .. }) => return Ok(true),
        Err(error) => return Err(error.into()),
    };
    let numbers = CrlNumberFile::open(&settings.publication.epoch_file, &Ledger(store.clone())).await;
    store.close().await?;
    match numbers {
        Ok(_) => Ok(false),
        Err(
            CrlNumberError::OlderLedger { .. } | CrlNumberError::Read { .. } | CrlNumberError::Damaged { .. },
        ) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Accepts the ledger as it is, and begins an epoch of list numbers above all before. Returns the epoch.
///
/// # Errors
/// When the ledger cannot be opened: also by a CA that is serving; or the file cannot be written.
pub async fn accept_restored_store(
    settings: &Settings,
    clock: &dyn Clock,
    open_store: impl AsyncFnOnce(&StoreSettings) -> Result<Arc<dyn Store>, OpenError>,
) -> Result<u64, InitError> {
    let store = open_store(&settings.store).await?;
    let seen = LedgerHead::end_of(&Ledger(store.clone())).await;
    store.close().await?;
    Ok(CrlNumberFile::accept(&settings.publication.epoch_file, seen?, clock.now())?)
}

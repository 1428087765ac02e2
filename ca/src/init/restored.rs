//! `touchmark-ca accept-restored-store`: an operator accepts a ledger that is older than what was published,
//! after a restore (R-CRL-01, R-CA-06).

use std::sync::Arc;

use identity::Clock;
use publication::{CrlNumberError, CrlNumberFile, LedgerHead, StoreStatus};
use store::{OpenError, Store, StoreSettings};

use super::InitError;
use crate::config::Settings;

/// Whether the ledger lacks entries that this CA has published. Changes nothing.
///
/// # Errors
/// When the ledger cannot be opened, which a serving CA has locked, or the file of CRL numbers cannot be
/// read.
pub async fn lacks_something(
    settings: &Settings,
    open_store: impl AsyncFnOnce(&StoreSettings) -> Result<Arc<dyn Store>, OpenError>,
) -> Result<bool, InitError> {
    let store = match open_store(&settings.store).await {
        Ok(store) => store,
        Err(OpenError::LostEnd { .. }) => return Ok(true),
        Err(error) => return Err(error.into()),
    };
    let numbers = CrlNumberFile::open(&settings.publication.epoch_file, &StoreStatus(store.clone())).await;
    store.close().await?;
    match numbers {
        Ok(_) => Ok(false),
        Err(
            CrlNumberError::OlderLedger { .. } | CrlNumberError::Read { .. } | CrlNumberError::Damaged { .. },
        ) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Accepts the ledger as it is, and begins a new epoch of CRL numbers, above all earlier ones. Returns the
/// epoch.
///
/// # Errors
/// When the ledger cannot be opened, which a serving CA has locked, or the file of CRL numbers cannot be
/// written.
pub async fn accept_restored_store(
    settings: &Settings,
    clock: &dyn Clock,
    open_store: impl AsyncFnOnce(&StoreSettings) -> Result<Arc<dyn Store>, OpenError>,
) -> Result<u64, InitError> {
    let store = open_store(&settings.store).await?;
    let seen = LedgerHead::of(&StoreStatus(store.clone())).await;
    store.close().await?;
    Ok(CrlNumberFile::accept(&settings.publication.epoch_file, seen?, clock.now())?)
}

//! `touchmark-ca accept-restored-store`: an operator accepts a ledger that is older than what was published,
//! after a restore (R-CRL-01, R-CA-06).

use std::sync::Arc;

use identity::Clock;
use publication::{CrlNumberError, LedgerHead, StoreStatus};
use store::{OpenError, Store, StoreSettings};

use super::InitError;
use crate::config::Settings;
use crate::ledger::signed_checkpoint;
use crate::open::{accept_ledger, checkpoint_file, retire_ledger_key, with_ledger};

/// Whether the ledger lacks entries that this CA has published. Changes nothing.
///
/// # Errors
/// When the ledger cannot be opened, which a serving CA has locked, or the CRL numbers cannot be read.
pub async fn lacks_something(settings: &Settings, clock: Arc<dyn Clock>) -> Result<bool, InitError> {
    match with_ledger(settings, clock, async |store, _| signed_more(settings, &**store)).await {
        Ok(signed_more) => Ok(signed_more),
        Err(
            InitError::Ledger(OpenError::LostEnd { .. })
            | InitError::CrlNumbers(
                CrlNumberError::OlderLedger { .. }
                | CrlNumberError::Read { .. }
                | CrlNumberError::Damaged { .. },
            ),
        ) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Accepts the ledger as it is, and begins a new epoch of CRL numbers, above all earlier ones. Returns the
/// epoch. Checkpoints are signed by another key from then on: the one so far signed entries that are lost.
///
/// # Errors
/// When the ledger cannot be opened, which a serving CA has locked, or the CRL numbers cannot be written.
pub async fn accept_restored_store(settings: &Settings, clock: Arc<dyn Clock>) -> Result<u64, InitError> {
    let now = clock.now();
    let store = StoreSettings { accept_lost_end: true, ..settings.store.clone() };
    let store = store::open(store, clock).await?;
    let seen = LedgerHead::of(&StoreStatus(store.clone())).await;
    store.close().await?;
    let epoch = accept_ledger(&settings.publication, seen?, now)?;
    retire_ledger_key(&settings.issuers.dir, &checkpoint_file(settings))?;
    Ok(epoch)
}

/// Whether a checkpoint was signed over entries that the ledger does not have.
fn signed_more(settings: &Settings, store: &dyn Store) -> Result<bool, InitError> {
    let Some(signed) = signed_checkpoint(settings) else { return Ok(false) };
    let root = store.root(signed.size)?;
    Ok(signed.size > *store.follow().borrow() || root.is_some_and(|root| root != signed.root))
}

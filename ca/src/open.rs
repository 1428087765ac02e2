//! Opens and makes the ledger, the issuing keys and the CRL numbers. Only here is known that they are files.

mod crl_numbers;
mod issuing_keys;
mod ledger_key;

use std::path::PathBuf;
use std::sync::Arc;

use identity::Clock;
use publication::{CrlNumberError, CrlNumbers, StoreStatus};
use store::{LogSettings, OpenError, Store};

use crate::config::Settings;

pub(crate) use crl_numbers::{
    accept_ledger, check_crl_numbers, create_crl_numbers, crl_numbers, serving_crl_numbers,
};
pub(crate) use issuing_keys::{
    NewIssuingKey, check_passphrase_file, open_for_documents, passphrase_of_keys, warn_of_issuing_keys,
};

pub use ledger_key::LedgerKeyError;
pub(crate) use ledger_key::{
    check_ledger_key, ledger_public_key_file, make_ledger_key, open_or_make_ledger_key, retire_ledger_key,
};

/// Does `work` with the ledger, unless it is older than what was published. Closes it in every case.
pub(crate) async fn with_ledger<T, E>(
    settings: &Settings,
    clock: Arc<dyn Clock>,
    work: impl AsyncFnOnce(&Arc<dyn Store>, Arc<dyn CrlNumbers>) -> Result<T, E>,
) -> Result<T, E>
where
    E: From<OpenError> + From<CrlNumberError> + From<store::StoreError>,
{
    let store = store::open(settings.store.clone(), clock).await?;
    let done = async {
        let numbers = crl_numbers(&settings.publication, &StoreStatus(store.clone())).await?;
        work(&store, numbers).await
    };
    let done = done.await;
    let closed = store.close().await;
    let done = done?;
    closed?;
    Ok(done)
}

/// Where the newest checkpoint of the ledger lies.
pub(crate) fn checkpoint_file(settings: &Settings) -> PathBuf {
    settings.store.dir.join("checkpoint")
}

/// Checks that the ledger is there, without opening it.
pub(crate) fn check_ledger(settings: &Settings) -> Result<(), OpenError> {
    let LogSettings::Files { .. } = settings.store.log;
    let path = settings.store.ledger();
    if path.is_dir() { Ok(()) } else { Err(OpenError::Missing(path.display().to_string())) }
}

/// The paths that nobody else may change, and whether they hold state that only a backup can tell.
pub(crate) fn trusted_paths(settings: &Settings) -> Vec<(PathBuf, bool)> {
    let LogSettings::Files { .. } = settings.store.log;
    let state = [settings.store.ledger(), settings.publication.epoch_file.clone()];
    let keys = issuing_keys::trusted_paths(&settings.issuers);
    state.into_iter().map(|path| (path, true)).chain(keys.map(|path| (path, false))).collect()
}

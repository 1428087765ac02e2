//! The embedded store as the settings want it. Opening reads the whole ledger, so it happens on a thread of its own.

use std::path::Path;
use std::sync::Arc;

use identity::Clock;
use store::{EmbeddedSettings, EmbeddedStore, OpenError, StoreError};

use crate::config::StoreSettings;

/// Makes an empty store in an empty directory.
///
/// # Errors
/// When there is one, or it cannot be made.
pub async fn create(dir: &Path, clock: Arc<dyn Clock>) -> Result<EmbeddedStore, OpenError> {
    let settings = settings(dir);
    blocking(move || EmbeddedStore::create(&settings, clock)).await
}

/// Opens the store that `init` made. What a power cut tore off the end was never acknowledged; the store
/// logs it, and cuts it when it records the next entry.
///
/// # Errors
/// When there is none, another process uses it, or the ledger is damaged or lost its end.
pub async fn open(store: &StoreSettings, clock: Arc<dyn Clock>) -> Result<EmbeddedStore, OpenError> {
    let settings = settings_of(store);
    blocking(move || EmbeddedStore::open(&settings, clock)).await
}

/// As [`open`], but also a store that lost its end: an operator says that there is no newer ledger.
///
/// # Errors
/// As of [`open`], except [`OpenError::LostEnd`].
pub async fn open_as_it_is(store: &StoreSettings, clock: Arc<dyn Clock>) -> Result<EmbeddedStore, OpenError> {
    let settings = EmbeddedSettings { accept_lost_end: true, ..settings_of(store) };
    blocking(move || EmbeddedStore::open(&settings, clock)).await
}

fn settings_of(store: &StoreSettings) -> EmbeddedSettings {
    let segment_bytes = u32::try_from(store.segment_bytes).unwrap_or(u32::MAX);
    EmbeddedSettings { segment_bytes, preallocate: store.preallocate, ..settings(&store.dir) }
}

fn settings(dir: &Path) -> EmbeddedSettings {
    EmbeddedSettings::new(dir.join("ledger"), dir.join("projection"))
}

async fn blocking(
    open: impl FnOnce() -> Result<EmbeddedStore, OpenError> + Send + 'static,
) -> Result<EmbeddedStore, OpenError> {
    // A panic in it: nothing was opened.
    tokio::task::spawn_blocking(open).await.unwrap_or(Err(OpenError::Store(StoreError::Bug {
        what: "the thread that opened the ledger panicked",
    })))
}

//! The next list of the root: made where its key is, while the CA does not serve.

use std::sync::Arc;
use std::time::SystemTime;

use identity::Clock;
use issuance::{CrlEntry, IssuerName};

use super::InitError;
use crate::config::{Settings, StoreSettings};
use crate::publication::{
    Ledger, Numbers, NumbersError, Seen, read_root_list, root_list, root_list_file, write_root_list,
};
use crate::signer::{FileSigner, Issuers, Passphrase, Signer, key_file};
use crate::store::{OpenError, Store};

/// Signs and writes it. Returns by when the one after it is due.
///
/// # Errors
/// When the root's key is not at hand, or something is in the way: also a CA that is serving.
pub async fn renew_root_list<S: Store>(
    settings: &Settings,
    clock: &dyn Clock,
    open_store: impl AsyncFnOnce(&StoreSettings) -> Result<S, OpenError>,
) -> Result<(std::path::PathBuf, SystemTime), InitError> {
    let dir = &settings.issuers.dir;
    let passphrase = Passphrase::read(&settings.issuers.passphrase_file)?;
    let issuers = Issuers::open(dir, &passphrase)?;
    let root = issuers.certificate(IssuerName::Root);
    let path = dir.join(key_file(IssuerName::Root));
    let signer =
        FileSigner::open(&path, &passphrase).map_err(|source| InitError::RootKey { path, source })?;
    if signer.public_key() != root.public_key() {
        return Err(InitError::OtherInstallation);
    }
    let store = Arc::new(open_store(&settings.store).await?);
    let made = make(settings, &store, clock.now(), root, &signer).await;
    store.close().await?;
    write_root_list(dir, &made?)?;
    Ok((root_list_file(dir), read_root_list(dir, root)?.next_update))
}

async fn make<S: Store>(
    settings: &Settings,
    store: &Arc<S>,
    now: SystemTime,
    root: &issuance::Certificate,
    signer: &FileSigner,
) -> Result<Vec<u8>, InitError> {
    let source = Ledger(Arc::clone(store));
    let numbers = Numbers::open(&settings.publication.epoch_file, &source).await?;
    let number = numbers.take(1, Seen::end_of(&source).await?)?.next().ok_or(NumbersError::Exhausted)?;
    let (mut entries, mut from) = (Vec::new(), Some(0));
    while let Some(place) = from {
        // An issuer that is revoked stays on the list of its root (R-CRL-13).
        let page = store.revoked_in(IssuerName::Root, None, SystemTime::UNIX_EPOCH, place, PAGE).await?;
        entries.extend(page.entries.into_iter().map(|entry| CrlEntry {
            serial_number: entry.serial_number,
            revoked_at: entry.at,
            reason: entry.reason,
            invalidity_date: entry.invalidity_date,
        }));
        from = page.next;
    }
    Ok(root_list(root, signer, number, &entries, now).await?)
}

/// A root has a handful of issuers.
const PAGE: usize = 1_024;

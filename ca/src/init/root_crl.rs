//! `touchmark-ca root-crl`: the next CRL of the root, signed by a key on this machine or on another one. The
//! CA must not serve meanwhile.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use identity::{Clock, IssuerName};
use issuance::{Certificate, CrlEntry};
use publication::{
    CrlNumberError, CrlNumbers, LedgerHead, RootCrlDraft, RootCrlError, StoreStatus, read_root_crl,
    root_crl_file, root_crl_signed_elsewhere, write_root_crl,
};
use signer::{Issuers, IssuersError, key_file};
use store::Store;

use super::InitError;
use crate::config::Settings;
use crate::open::with_ledger;

/// Signs and writes the CRL. Returns its path and its nextUpdate.
///
/// # Errors
/// Also when the root's key is not on this machine, or a CA is serving.
pub async fn renew_root_crl(
    settings: &Settings,
    clock: Arc<dyn Clock>,
) -> Result<(PathBuf, SystemTime), InitError> {
    let dir = &settings.issuers.dir;
    let issuers = Issuers::open(&settings.issuers).await?;
    let root = issuers.certificate(IssuerName::Root);
    let signer = issuers.open_root(&settings.issuers).await.map_err(|source| match source {
        IssuersError::Mismatch { .. } => InitError::OtherInstallation,
        source => InitError::RootKey { path: dir.join(key_file(IssuerName::Root)), source },
    })?;
    let draft = draft(settings, root, clock).await?;
    write_root_crl(dir, &draft.sign(&*signer).await?)?;
    Ok((root_crl_file(dir), read_root_crl(dir, root)?.meta.next_update))
}

/// Writes the `TBSCertList` (DER) that the root's key is to sign on another machine to the new file `to`
/// (R-CRL-13).
///
/// # Errors
/// Also when the file exists, or a CA is serving.
pub async fn export_root_crl(settings: &Settings, clock: Arc<dyn Clock>, to: &Path) -> Result<(), InitError> {
    let issuers = Issuers::open(&settings.issuers).await?;
    let cannot = |source| InitError::CeremonyFile { path: to.to_owned(), what: "written", source };
    let mut file = File::create_new(to).map_err(cannot)?;
    let draft = draft(settings, issuers.certificate(IssuerName::Root), clock).await;
    let written = draft.and_then(|draft| {
        file.write_all(&draft.to_be_signed()).and_then(|()| file.sync_all()).map_err(cannot)
    });
    if written.is_err() {
        std::fs::remove_file(to).ok();
    }
    written
}

/// The files of what the root signed on another machine.
#[derive(Debug, Clone, Copy)]
pub struct Elsewhere<'a> {
    /// What was exported: a `TBSCertList` or a `TBSCertificate`.
    pub exported: &'a Path,
    /// The ECDSA signature over it (DER), as `openssl dgst -sign` makes it.
    pub signature: &'a Path,
}

/// Replaces the root's CRL by one that was signed on another machine. Returns its path and its nextUpdate.
///
/// # Errors
/// Also when the root did not sign it, or the CRL that is here is newer.
pub async fn import_root_crl(
    settings: &Settings,
    from: Elsewhere<'_>,
) -> Result<(PathBuf, SystemTime), InitError> {
    let dir = &settings.issuers.dir;
    let issuers = Issuers::open(&settings.issuers).await?;
    let root = issuers.certificate(IssuerName::Root);
    let (der, summary) = root_crl_signed_elsewhere(root, &read(from.exported)?, &read(from.signature)?)?;
    // A damaged or missing CRL is replaced.
    if let Ok(here) = read_root_crl(dir, root)
        && here.meta.number >= summary.number
    {
        return Err(RootCrlError::Overtaken { number: summary.number, newest: here.meta.number }.into());
    }
    write_root_crl(dir, &der)?;
    Ok((root_crl_file(dir), summary.next_update))
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, InitError> {
    files::read_limited(path, FILE_BYTES_MAX).map_err(|source| InitError::CeremonyFile {
        path: path.to_owned(),
        what: "read",
        source,
    })
}

async fn draft(
    settings: &Settings,
    root: &Certificate,
    clock: Arc<dyn Clock>,
) -> Result<RootCrlDraft, InitError> {
    let now = clock.now();
    with_ledger(settings, clock, async |store, numbers| make(settings, store, &*numbers, now, root).await)
        .await
}

async fn make(
    settings: &Settings,
    store: &Arc<dyn Store>,
    numbers: &dyn CrlNumbers,
    now: SystemTime,
    root: &Certificate,
) -> Result<RootCrlDraft, InitError> {
    if let Some(doubt) = settings.clock.judge(now, store.last_entry_at().await?) {
        return Err(InitError::Clock(doubt));
    }
    let head = LedgerHead::of(&StoreStatus(store.clone())).await?;
    let number = numbers.take(1, head).await?.next().ok_or(CrlNumberError::Exhausted)?;
    let (mut entries, mut from) = (Vec::new(), Some(0));
    while let Some(place) = from {
        // Entries of issuers never leave the root's CRL (R-CRL-13).
        let page = store.revoked_in(IssuerName::Root, None, SystemTime::UNIX_EPOCH, place, PAGE).await?;
        entries.extend(page.entries.into_iter().map(|entry| CrlEntry {
            serial_number: entry.serial_number,
            revoked_at: entry.revocation.at,
            reason: entry.revocation.reason,
            invalidity_date: entry.revocation.invalidity_date,
        }));
        from = page.next;
    }
    // Backdated for clients whose clocks are behind, but not before the CRL that it replaces (ADR 0036).
    let before = read_root_crl(&settings.issuers.dir, root).ok().map(|crl| crl.meta.this_update);
    let before = before.filter(|before| *before <= now).unwrap_or(SystemTime::UNIX_EPOCH);
    let this_update = now.checked_sub(settings.publication.backdate).unwrap_or(now).max(before);
    Ok(RootCrlDraft::new(root, number, &entries, this_update, now)?)
}

const PAGE: usize = 1_024;

/// The root's CRL and a certificate have some hundred bytes.
const FILE_BYTES_MAX: usize = 64 * 1024;

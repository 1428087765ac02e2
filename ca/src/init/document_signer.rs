//! `touchmark-ca document-signer`: a certificate for the next signer of documents, issued by the root's key
//! on this machine or on another one. The CA must not serve meanwhile.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use identity::{Clock, IssuerName, ProfileName};
use issuance::{Certificate, signed_elsewhere};
use signer::{
    DocumentSigner, Issuers, Passphrase, document_certificate_file, document_key_file, key_file, verifies,
};
use store::Store;

use super::certificates::{Maker, record_document_signer};
use super::root_crl::{Elsewhere, read};
use super::{InitError, texts};
use crate::config::Settings;
use crate::open::{NewIssuingKey, open_for_documents, passphrase_of_keys, with_ledger};

/// The signer of documents that the CA has from its next start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeDocumentSigner {
    /// Its certificate, PEM.
    pub path: PathBuf,
    /// When that expires.
    pub not_after: SystemTime,
}

/// Makes a key, has its certificate signed by the root's key on this machine, and puts it on record.
///
/// # Errors
/// Also when the root's key is not on this machine, or a CA is serving.
pub async fn make_document_signer(
    settings: &Settings,
    clock: Arc<dyn Clock>,
) -> Result<MadeDocumentSigner, InitError> {
    let dir = &settings.issuers.dir;
    let issuers = Issuers::open(&settings.issuers).await?;
    let root = issuers.certificate(IssuerName::Root);
    let by = issuers
        .open_root(&settings.issuers)
        .await
        .map_err(|source| InitError::RootKey { path: dir.join(key_file(IssuerName::Root)), source })?;
    let passphrase = passphrase_of_keys(&settings.issuers)?;
    with_ledger(settings, Arc::clone(&clock), async |store, _| {
        let now = checked_now(settings, store, root, &*clock).await?;
        let key = NewIssuingKey::generate()?;
        let certificate = maker(settings, now).document_signer(&key, (root, &*by)).await?;
        save_key(dir, &key, &passphrase)?;
        install(settings, store, &certificate).await
    })
    .await
}

/// Makes a key, and writes the `TBSCertificate` (DER) that the root's key is to sign on another machine to
/// the new file `to`. The key waits in the directory of the issuers.
///
/// # Errors
/// Also when the file exists, or a CA is serving.
pub async fn export_document_signer(
    settings: &Settings,
    clock: Arc<dyn Clock>,
    to: &Path,
) -> Result<(), InitError> {
    let issuers = Issuers::open(&settings.issuers).await?;
    let root = issuers.certificate(IssuerName::Root);
    let passphrase = passphrase_of_keys(&settings.issuers)?;
    let cannot = |source| InitError::CeremonyFile { path: to.to_owned(), what: "written", source };
    let mut file = File::create_new(to).map_err(cannot)?;
    let written = with_ledger(settings, Arc::clone(&clock), async |store, _| {
        let now = checked_now(settings, store, root, &*clock).await?;
        let key = NewIssuingKey::generate()?;
        let prepared = maker(settings, now).prepared_document_signer(&key, root)?;
        save_key(&settings.issuers.dir, &key, &passphrase)?;
        file.write_all(prepared.to_be_signed()).and_then(|()| file.sync_all()).map_err(cannot)
    });
    let written = written.await;
    if written.is_err() {
        std::fs::remove_file(to).ok();
    }
    written
}

/// Puts a certificate on record that the root's key signed on another machine. Importing the same again
/// finishes what was interrupted.
///
/// # Errors
/// Also when the root did not sign it, it is no certificate for a signer of documents, or its key is not
/// here.
pub async fn import_document_signer(
    settings: &Settings,
    clock: Arc<dyn Clock>,
    from: Elsewhere<'_>,
) -> Result<MadeDocumentSigner, InitError> {
    let issuers = Issuers::open(&settings.issuers).await?;
    let root = issuers.certificate(IssuerName::Root);
    let (to_be_signed, signature) = (read(from.exported)?, read(from.signature)?);
    if !verifies(root.public_key(), &to_be_signed, &signature) {
        return Err(InitError::NotTheRoots);
    }
    let certificate = signed_elsewhere(&to_be_signed, &signature, ProfileName::Document, root)
        .map_err(InitError::NoDocumentSigner)?;
    let passphrase = passphrase_of_keys(&settings.issuers)?;
    let key = open_for_documents(&settings.issuers, &certificate.public_key().fingerprint(), &passphrase)
        .map_err(InitError::DocumentKey)?;
    DocumentSigner::new(certificate.clone(), key).await?;
    with_ledger(settings, Arc::clone(&clock), async |store, _| {
        checked_now(settings, store, root, &*clock).await?;
        install(settings, store, &certificate).await
    })
    .await
}

/// The time, if the clock is trusted and the ledger is this root's.
async fn checked_now(
    settings: &Settings,
    store: &Arc<dyn Store>,
    root: &Certificate,
    clock: &dyn Clock,
) -> Result<SystemTime, InitError> {
    let now = clock.now();
    if let Some(doubt) = settings.clock.judge(now, store.last_entry_at().await?) {
        return Err(InitError::Clock(doubt));
    }
    let on_record = store.issuer(IssuerName::Root).await?;
    match on_record {
        Some(record) if record.certificate().der == root.der() => Ok(now),
        _ => Err(InitError::OtherInstallation),
    }
}

fn maker(settings: &Settings, now: SystemTime) -> Maker<'_> {
    Maker { organization: &settings.organization, public_url: settings.public_url.as_deref(), now }
}

fn save_key(dir: &Path, key: &NewIssuingKey, passphrase: &Passphrase) -> Result<(), InitError> {
    key.save_for_documents(dir, passphrase)?;
    let cannot = |source| InitError::Io { what: "sync", path: dir.to_owned(), source };
    files::sync_directory(dir).map_err(cannot)
}

/// On record first (R-CA-07); its key is durable already. The keys of other signers are of no use then.
async fn install(
    settings: &Settings,
    store: &Arc<dyn Store>,
    certificate: &Certificate,
) -> Result<MadeDocumentSigner, InitError> {
    for verdict in store.commit(vec![record_document_signer(certificate)]).await? {
        verdict?;
    }
    let path = settings.issuers.dir.join(document_certificate_file());
    let pem = texts::certificate_pem(certificate);
    let written = files::replace(&path, 0o644, pem.as_bytes());
    written.map_err(|source| InitError::Io { what: "write", path: path.clone(), source })?;
    remove_other_keys(&settings.issuers.dir, &document_key_file(&certificate.public_key().fingerprint()));
    Ok(MadeDocumentSigner { path, not_after: certificate.validity().not_after() })
}

fn remove_other_keys(dir: &Path, but: &str) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("document-") && name.ends_with(".key.pem") && name != but {
            std::fs::remove_file(entry.path()).ok();
        }
    }
}

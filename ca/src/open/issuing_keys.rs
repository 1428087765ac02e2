//! Issuing keys: in encrypted files beside the issuers' certificates. `signer::Issuers` opens them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use identity::{IssuerName, KeyFingerprint};
use signer::{
    FileSigner, IssuerKeys, IssuerSettings, KeyFileError, Passphrase, PassphraseError, Signer,
    document_key_file, key_file,
};
use tracing::warn;

pub(crate) enum NewIssuingKey {
    /// To be written to an encrypted file.
    File(FileSigner),
}

impl NewIssuingKey {
    /// Makes a key, which is kept once [`Self::save`] has returned.
    pub(crate) fn generate() -> Result<Self, KeyFileError> {
        FileSigner::generate().map(Self::File)
    }

    pub(crate) fn signer(&self) -> &dyn Signer {
        let Self::File(signer) = self;
        signer
    }

    /// Keeps the key of this issuer, in the directory of the issuers.
    pub(crate) fn save(
        &self,
        dir: &Path,
        name: IssuerName,
        passphrase: &Passphrase,
    ) -> Result<(), KeyFileError> {
        let Self::File(signer) = self;
        signer.save(&dir.join(key_file(name)), passphrase)
    }
}

impl NewIssuingKey {
    /// Keeps the key of a signer of documents, in the directory of the issuers. Not replaced: each has a
    /// file of its own.
    pub(crate) fn save_for_documents(&self, dir: &Path, passphrase: &Passphrase) -> Result<(), KeyFileError> {
        let Self::File(signer) = self;
        signer.save(&dir.join(document_key_file(&signer.public_key().fingerprint())), passphrase)
    }
}

/// The passphrase of the files of issuing keys.
pub(crate) fn passphrase_of_keys(settings: &IssuerSettings) -> Result<Passphrase, PassphraseError> {
    let IssuerKeys::Files { passphrase_file } = &settings.keys;
    Passphrase::read(passphrase_file)
}

/// The key that [`NewIssuingKey::save_for_documents`] kept for a certificate with this key.
pub(crate) fn open_for_documents(
    settings: &IssuerSettings,
    key: &KeyFingerprint,
    passphrase: &Passphrase,
) -> Result<Arc<dyn Signer>, KeyFileError> {
    Ok(Arc::new(FileSigner::open(&settings.dir.join(document_key_file(key)), passphrase)?))
}

/// Warns of issuing keys in files, and of the root's key on this machine (R-CA-01, R-CA-04).
pub(crate) fn warn_of_issuing_keys(settings: &IssuerSettings) {
    let IssuerKeys::Files { .. } = settings.keys;
    warn!("the issuers' keys are in files: as safe as this machine and no safer");
    let root_key = settings.dir.join(key_file(IssuerName::Root));
    if root_key.exists() {
        warn!(path = %root_key.display(), "the root's key is on this machine; serving does not need it: take it offline");
    }
}

/// Checks the file of the passphrase; the error says what it must be.
pub(crate) fn check_passphrase_file(path: &Path) -> Result<(), String> {
    let told = |error| format!("{}; it {}", diagnostics::error_chain(&error), Passphrase::file_rule());
    Passphrase::read(path).map(drop).map_err(told)
}

/// The paths that nobody else may change.
pub(super) fn trusted_paths(settings: &IssuerSettings) -> impl Iterator<Item = PathBuf> {
    let IssuerKeys::Files { passphrase_file } = &settings.keys;
    [settings.dir.clone(), passphrase_file.clone()].into_iter()
}

//! Issuing keys: in encrypted files beside the issuers' certificates. `signer::Issuers` opens them.

use std::path::{Path, PathBuf};

use identity::IssuerName;
use signer::{FileSigner, IssuerKeys, IssuerSettings, KeyFileError, Passphrase, Signer, key_file};
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

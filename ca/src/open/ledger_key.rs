//! The key that signs checkpoints of the ledger: in a file beside the issuers' keys, encrypted as they are,
//! with its public half beside it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use signer::{IssuerSettings, KeyFileError, LedgerSigner, Passphrase, ledger_key_file};
use store::LedgerKey;
use tracing::info;

use super::passphrase_of_keys;

/// Opens the key; makes one in an installation that has none.
pub(crate) fn open_or_make_ledger_key(settings: &IssuerSettings) -> Result<LedgerSigner, LedgerKeyError> {
    let passphrase = passphrase_of_keys(settings).map_err(LedgerKeyError::Passphrase)?;
    let signer = match LedgerSigner::open(&settings.dir, &passphrase)? {
        Some(signer) => signer,
        None => {
            let made = make_ledger_key(&settings.dir, &passphrase)?;
            info!("made the key that signs checkpoints of the ledger");
            made
        }
    };
    write_public_key(&settings.dir, &signer)?;
    Ok(signer)
}

/// Checks the key; an installation that has none gets one at the next start.
pub(crate) fn check_ledger_key(settings: &IssuerSettings) -> Result<(), LedgerKeyError> {
    let passphrase = passphrase_of_keys(settings).map_err(LedgerKeyError::Passphrase)?;
    LedgerSigner::open(&settings.dir, &passphrase)?;
    Ok(())
}

/// Makes the key in the directory of the issuers, durable.
pub(crate) fn make_ledger_key(dir: &Path, passphrase: &Passphrase) -> Result<LedgerSigner, LedgerKeyError> {
    let signer = LedgerSigner::generate()?;
    signer.save(dir, passphrase)?;
    write_public_key(dir, &signer)?;
    files::sync_directory(dir).map_err(|source| LedgerKeyError::Io { path: dir.to_owned(), source })?;
    Ok(signer)
}

/// The file of the public key.
pub(crate) fn ledger_public_key_file(dir: &Path) -> PathBuf {
    dir.join("ledger.pub")
}

/// Takes the key out of use, because it signed a ledger that is no more: the next start makes another. The
/// old one is kept, and what it signed last.
pub(crate) fn retire_ledger_key(dir: &Path, checkpoint: &Path) -> Result<(), LedgerKeyError> {
    let key = dir.join(ledger_key_file());
    for (path, former) in [
        (&key, dir.join("ledger-former.key.pem")),
        (&checkpoint.to_owned(), checkpoint.with_extension("former")),
    ] {
        match fs::rename(path, &former) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(LedgerKeyError::Io { path: path.clone(), source: error });
            }
            Ok(()) | Err(_) => {}
        }
    }
    files::sync_directory(dir).map_err(|source| LedgerKeyError::Io { path: dir.to_owned(), source })
}

fn write_public_key(dir: &Path, signer: &LedgerSigner) -> Result<(), LedgerKeyError> {
    let path = ledger_public_key_file(dir);
    let line = format!("{}\n", LedgerKey::new(signer.public_key()));
    if fs::read(&path).is_ok_and(|there| there == line.as_bytes()) {
        return Ok(());
    }
    files::replace(&path, 0o644, line.as_bytes()).map_err(|source| LedgerKeyError::Io { path, source })
}

/// Why the key cannot be used.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum LedgerKeyError {
    #[error(transparent)]
    Passphrase(signer::PassphraseError),
    #[error("the key that signs checkpoints of the ledger cannot be used")]
    Key(#[from] KeyFileError),
    #[error("{} cannot be written", path.display())]
    Io { path: PathBuf, source: io::Error },
}

//! The key that signs the ledger's checkpoints, and nothing else (R-CA-02). No certificate: who keeps
//! checkpoints keeps the public key with them.

use std::fmt;
use std::io::ErrorKind;
use std::path::Path;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

use super::Passphrase;
use super::key_file::{self, KeyFileError, Pkcs8};

/// An Ed25519 key held in memory, kept in an encrypted PKCS#8 file.
pub struct LedgerSigner {
    key: Ed25519KeyPair,
    public_key: [u8; 32],
}

impl LedgerSigner {
    /// Makes a fresh key. It exists only in memory until [`Self::save`].
    pub fn generate() -> Result<Self, KeyFileError> {
        let key = Ed25519KeyPair::generate().map_err(|_| KeyFileError::Generate)?;
        Self::new(key).ok_or(KeyFileError::Generate)
    }

    /// Reads the key in the issuers' directory; `None`: there is none.
    ///
    /// # Errors
    /// When it cannot be read, may be read by others, is no encrypted Ed25519 key, or has another passphrase.
    pub fn open(dir: &Path, passphrase: &Passphrase) -> Result<Option<Self>, KeyFileError> {
        let path = dir.join(ledger_key_file());
        let pkcs8 = match key_file::read_encrypted(&path, passphrase) {
            Err(KeyFileError::Read { source, .. }) if source.kind() == ErrorKind::NotFound => {
                return Ok(None);
            }
            read => read?,
        };
        let key = Ed25519KeyPair::from_pkcs8(pkcs8.as_der()).ok().and_then(Self::new);
        key.map(Some).ok_or(KeyFileError::Kind { path, expected: "Ed25519" })
    }

    /// Writes the key to its file in the issuers' directory, encrypted with `passphrase`, and syncs the file
    /// (not its directory).
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub fn save(&self, dir: &Path, passphrase: &Passphrase) -> Result<(), KeyFileError> {
        let pkcs8 = self.key.to_pkcs8v1().map(Pkcs8::from).map_err(|_| KeyFileError::Generate)?;
        key_file::write_encrypted(&dir.join(ledger_key_file()), passphrase, &pkcs8)
    }

    /// The public half.
    pub fn public_key(&self) -> [u8; 32] {
        self.public_key
    }

    /// The signature over `message`, 64 bytes. At once: about 30 µs.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.key.sign(message).as_ref().to_vec()
    }

    fn new(key: Ed25519KeyPair) -> Option<Self> {
        let public_key = key.public_key().as_ref().try_into().ok()?;
        Some(Self { key, public_key })
    }
}

impl fmt::Debug for LedgerSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LedgerSigner({})", hex::encode(self.public_key))
    }
}

/// The name of the key in the issuers' directory.
pub fn ledger_key_file() -> &'static str {
    "ledger.key.pem"
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};

    use super::*;
    use crate::FileSigner;

    #[test]
    fn a_saved_key_signs_as_before_and_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let passphrase = Passphrase::new(b"correct horse battery staple".to_vec()).unwrap();
        assert!(LedgerSigner::open(dir.path(), &passphrase).unwrap().is_none());
        let made = LedgerSigner::generate().unwrap();
        made.save(dir.path(), &passphrase).unwrap();
        let opened = LedgerSigner::open(dir.path(), &passphrase).unwrap().unwrap();
        assert_eq!(opened.sign(b"text"), made.sign(b"text"));
        let public = UnparsedPublicKey::new(&ED25519, made.public_key());
        public.verify(b"text", &opened.sign(b"text")).unwrap();
        let refused = LedgerSigner::generate().unwrap().save(dir.path(), &passphrase);
        assert!(matches!(refused, Err(KeyFileError::Write { .. })));
    }

    #[test]
    fn a_key_of_another_kind_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let passphrase = Passphrase::new(b"correct horse battery staple".to_vec()).unwrap();
        FileSigner::generate().unwrap().save(&dir.path().join(ledger_key_file()), &passphrase).unwrap();
        let refused = LedgerSigner::open(dir.path(), &passphrase);
        assert!(matches!(refused, Err(KeyFileError::Kind { expected: "Ed25519", .. })), "{refused:?}");
    }

    #[test]
    fn nothing_printed_of_a_signer_shows_its_key() {
        let signer = LedgerSigner::generate().unwrap();
        let pkcs8 = signer.key.to_pkcs8v1().unwrap();
        let private = hex::encode(&pkcs8.as_ref()[pkcs8.as_ref().len() - 32..]);
        assert!(!format!("{signer:?}").contains(&private));
    }
}

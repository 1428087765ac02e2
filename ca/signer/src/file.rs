//! Keys in encrypted files. For development and small installations: a key in a file is as safe as the
//! machine (R-CA-01).

use std::fmt;
use std::future::ready;
use std::path::Path;

use aws_lc_rs::digest::{Digest, SHA256};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair, Signature};
use identity::PublicKey;
use issuance::SignatureAlgorithm;

use super::key_file::{self, KeyFileError, Pkcs8};
use super::{Passphrase, Signer, SignerError, Signing};

/// A P-256 key held in memory, kept in an encrypted PKCS#8 file.
pub struct FileSigner {
    key: EcdsaKeyPair,
    public_key: PublicKey,
    random: SystemRandom,
}

impl FileSigner {
    /// Makes a fresh key. It exists only in memory until [`FileSigner::save`].
    pub fn generate() -> Result<Self, KeyFileError> {
        let key =
            EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(|_| KeyFileError::Generate)?;
        Self::new(key).ok_or(KeyFileError::Generate)
    }

    /// Reads the key from `path`, which must be of mode 0600 or stricter and encrypted with `passphrase`.
    ///
    /// # Errors
    /// When the file cannot be read, may be read by others, is not an encrypted P-256 key, or has another
    /// passphrase.
    pub fn open(path: &Path, passphrase: &Passphrase) -> Result<Self, KeyFileError> {
        let pkcs8 = key_file::read_encrypted(path, passphrase)?;
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_der())
            .ok()
            .and_then(Self::new)
            .ok_or_else(|| KeyFileError::Kind { path: path.to_owned(), expected: "P-256" })
    }

    /// Writes the key to the fresh file `path` with mode 0600, encrypted with `passphrase`, and syncs the
    /// file (not its directory).
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub fn save(&self, path: &Path, passphrase: &Passphrase) -> Result<(), KeyFileError> {
        key_file::write_encrypted(path, passphrase, &self.pkcs8()?)
    }

    pub(super) fn pkcs8(&self) -> Result<Pkcs8, KeyFileError> {
        self.key.to_pkcs8v1().map(Pkcs8::from).map_err(|_| KeyFileError::Generate)
    }

    pub(super) fn sign_now(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        octets(self.key.sign(&self.random, message))
    }

    fn new(key: EcdsaKeyPair) -> Option<Self> {
        let spki = key.public_key().as_der().ok()?;
        let public_key = PublicKey::from_spki(spki.as_ref()).ok()?;
        Some(Self { key, public_key, random: SystemRandom::new() })
    }
}

impl Signer for FileSigner {
    fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::EcdsaP256Sha256
    }

    // Signed before the future is polled: 22 µs are less than another thread would cost.
    fn sign<'a>(&'a self, message: &'a [u8]) -> Signing<'a> {
        Box::pin(ready(self.sign_now(message)))
    }

    fn sign_digest<'a>(&'a self, digest: &'a [u8]) -> Signing<'a> {
        let digest = Digest::import_less_safe(digest, &SHA256);
        Box::pin(ready(octets(digest.and_then(|digest| self.key.sign_digest(&digest)))))
    }
}

fn octets(signature: Result<Signature, Unspecified>) -> Result<Vec<u8>, SignerError> {
    signature.map(|signature| signature.as_ref().to_vec()).map_err(SignerError::unavailable)
}

impl fmt::Debug for FileSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileSigner({:?})", self.public_key)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn passphrase() -> Passphrase {
        Passphrase::new(b"correct horse battery staple".to_vec()).unwrap()
    }

    #[test]
    fn a_saved_key_is_the_same_key_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.key.pem");
        let signer = FileSigner::generate().unwrap();
        signer.save(&path, &passphrase()).unwrap();
        let again = FileSigner::open(&path, &passphrase()).unwrap();
        assert_eq!(signer.public_key(), again.public_key());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::read_to_string(&path).unwrap().starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
    }

    #[test]
    fn another_passphrase_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.key.pem");
        FileSigner::generate().unwrap().save(&path, &passphrase()).unwrap();
        let other = Passphrase::new(b"correct horse battery stapler".to_vec()).unwrap();
        assert!(matches!(FileSigner::open(&path, &other), Err(KeyFileError::WrongPassphrase { .. })));
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.key.pem");
        FileSigner::generate().unwrap().save(&path, &passphrase()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            FileSigner::open(&path, &passphrase()),
            Err(KeyFileError::ReadableByOthers { mode: 0o640, .. })
        ));
    }

    #[test]
    fn a_key_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.key.pem");
        FileSigner::generate().unwrap().save(&path, &passphrase()).unwrap();
        let before = fs::read(&path).unwrap();
        let refused = FileSigner::generate().unwrap().save(&path, &passphrase());
        assert!(matches!(refused, Err(KeyFileError::Write { .. })));
        assert_eq!(fs::read(&path).unwrap(), before);
    }

    #[test]
    fn a_damaged_key_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.key.pem");
        FileSigner::generate().unwrap().save(&path, &passphrase()).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        for damaged in ["", "nonsense", &text[..text.len() / 2], &text.replace("ENCRYPTED ", "")] {
            fs::write(&path, damaged).unwrap();
            assert!(
                matches!(FileSigner::open(&path, &passphrase()), Err(KeyFileError::NotAKey { .. })),
                "{damaged}"
            );
        }
    }

    #[test]
    fn nothing_printed_of_a_signer_shows_its_key() {
        let signer = FileSigner::generate().unwrap();
        let pkcs8 = signer.key.to_pkcs8v1().unwrap();
        let printed = format!("{signer:?}");
        let private = hex::encode(&pkcs8.as_ref()[36..68]);
        assert!(!printed.contains(&private), "{printed}");
    }
}

//! A key in a file: PKCS#8 in PEM, mode 0600, or 0640 where one group was given the right to read it.

use std::fmt;
use std::io;
use std::path::Path;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use files::{PrivateFileError, Readers, read_private};
use identity::{PublicKey, Secret};
use pkcs8::SecretDocument;
use pkcs8::der::pem::LineEnding;

use super::{DeviceKey, KeyError};

/// A P-256 key that lies in a file and, while this lives, in memory.
pub struct FileKey {
    pair: EcdsaKeyPair,
    public_key: PublicKey,
}

impl FileKey {
    /// A fresh key, and the bytes of its file. It is in memory only: write it before using it.
    pub fn generate() -> Result<(Self, Secret), KeyError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(|_| KeyError::Refused)?;
        let pkcs8 = pair.to_pkcs8v1().map_err(|_| KeyError::Refused)?;
        let document = SecretDocument::try_from(pkcs8.as_ref()).map_err(|_| KeyError::Refused)?;
        let pem = document.to_pem(PEM_LABEL, LineEnding::LF).map_err(|_| KeyError::Refused)?;
        // The secret is what goes to the file; `pem` wipes itself.
        let secret = Secret::new(pem.as_bytes().to_vec());
        Ok((Self::from_pair(pair)?, secret))
    }

    /// Reads the key from `path`, which only its owner and the group with the number `readers` may be able
    /// to.
    pub fn open(path: &Path, readers: Option<u32>) -> Result<Self, KeyError> {
        let readers = readers.map_or(Readers::Nobody, Readers::Group);
        let pem = read_private(path, KEY_FILE_BYTES_MAX, readers).map_err(|error| match error {
            PrivateFileError::Read(error) if error.kind() == io::ErrorKind::NotFound => KeyError::Missing,
            PrivateFileError::Read(error) => KeyError::Unavailable(error),
            PrivateFileError::Exposed { mode } => KeyError::Exposed { mode },
            PrivateFileError::Unexpected => KeyError::Malformed,
        })?;
        let text = std::str::from_utf8(&pem).map_err(|_| KeyError::Malformed)?;
        let (label, document) = SecretDocument::from_pem(text).map_err(|_| KeyError::Malformed)?;
        if label != PEM_LABEL {
            return Err(KeyError::Malformed);
        }
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_bytes())
            .map_err(|_| KeyError::Malformed)?;
        Self::from_pair(pair)
    }

    fn from_pair(pair: EcdsaKeyPair) -> Result<Self, KeyError> {
        let spki = pair.public_key().as_der().map_err(|_| KeyError::Refused)?;
        let public_key = PublicKey::from_spki(spki.as_ref()).map_err(|_| KeyError::Malformed)?;
        Ok(Self { pair, public_key })
    }
}

impl DeviceKey for FileKey {
    fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signature = self.pair.sign(&SystemRandom::new(), message).map_err(|_| KeyError::Refused)?;
        Ok(signature.as_ref().to_vec())
    }
}

impl fmt::Debug for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileKey({:?})", self.public_key)
    }
}

/// RFC 5958, section 5: the label of an unencrypted PKCS#8 key.
const PEM_LABEL: &str = "PRIVATE KEY";

/// The longest key file we read: a P-256 key is 241 bytes of PEM.
const KEY_FILE_BYTES_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    fn kept(mode: u32) -> (tempfile::TempDir, std::path::PathBuf, FileKey) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key.pem");
        let (key, file) = FileKey::generate().unwrap();
        std::fs::write(&path, file.expose()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (directory, path, key)
    }

    #[test]
    fn a_key_that_is_read_back_is_the_same_key() {
        let (_directory, path, key) = kept(0o600);
        assert_eq!(FileKey::open(&path, None).unwrap().public_key(), key.public_key());
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        for mode in [0o640, 0o604, 0o660, 0o644, 0o610] {
            let (_directory, path, _) = kept(mode);
            let refusal = FileKey::open(&path, None).unwrap_err();
            assert!(matches!(refusal, KeyError::Exposed { mode: m } if m == mode), "{mode:o}: {refusal}");
        }
    }

    #[test]
    fn a_group_that_was_asked_for_may_read_and_do_no_more() {
        let (_directory, path, _) = kept(0o640);
        let group = path.metadata().unwrap().gid();
        FileKey::open(&path, Some(group)).unwrap();
        assert!(matches!(FileKey::open(&path, Some(group + 1)), Err(KeyError::Exposed { mode: 0o640 })));
        for mode in [0o644, 0o660, 0o650, 0o641] {
            let (_directory, path, _) = kept(mode);
            assert!(matches!(FileKey::open(&path, Some(group)), Err(KeyError::Exposed { .. })), "{mode:o}");
        }
        let (_directory, path, _) = kept(0o600);
        FileKey::open(&path, Some(group + 1)).unwrap();
    }

    #[test]
    fn a_damaged_key_file_is_refused_and_says_nothing_of_its_content() {
        let (_directory, path, _) = kept(0o600);
        let whole = std::fs::read(&path).unwrap();
        for cut in [0, 1, 30, whole.len() / 2, whole.len() - 30] {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert!(matches!(FileKey::open(&path, None), Err(KeyError::Malformed)), "cut at {cut}");
        }
        let (_, _, key) = kept(0o600);
        assert!(!format!("{key:?}").contains("PRIVATE"));
    }

    #[test]
    fn two_keys_differ() {
        assert_ne!(FileKey::generate().unwrap().0.public_key(), FileKey::generate().unwrap().0.public_key());
    }
}

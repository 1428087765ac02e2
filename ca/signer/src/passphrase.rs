//! The passphrase of the issuers' key files. It comes from a file, never from argv or the environment.

use std::path::Path;

use aws_lc_rs::rand;
use identity::Secret;
use zeroize::Zeroizing;

use super::key_file::{self, KeyFileError};

/// Opens the issuers' key files.
#[derive(Debug)]
pub struct Passphrase {
    secret: Secret,
    pub(super) generated: bool,
}

impl Passphrase {
    /// Takes a passphrase that somebody chose.
    ///
    /// # Errors
    /// When it is too short, too long, or has more than one line.
    pub fn new(bytes: Vec<u8>) -> Result<Self, PassphraseError> {
        let secret = Secret::new(bytes);
        let length = secret.expose().len();
        if length < PASSPHRASE_BYTES_MIN {
            return Err(PassphraseError::TooShort { bytes: length });
        }
        if length > PASSPHRASE_BYTES_MAX {
            return Err(PassphraseError::TooLong);
        }
        if secret.expose().iter().any(|byte| matches!(byte, b'\n' | b'\r' | 0)) {
            return Err(PassphraseError::Lines);
        }
        Ok(Self { secret, generated: false })
    }

    /// Makes one of 256 random bits.
    pub fn generate() -> Result<Self, KeyFileError> {
        let mut random = Zeroizing::new([0; 32]);
        rand::fill(random.as_mut_slice()).map_err(|_| KeyFileError::Generate)?;
        Ok(Self { secret: Secret::new(hex::encode(random.as_slice()).into_bytes()), generated: true })
    }

    /// Reads it from a file of mode 0600: one line, with or without its end, as `openssl -passin file:` reads
    /// it.
    ///
    /// # Errors
    /// When the file cannot be read, others may read it, or what it holds is not a passphrase.
    pub fn read(path: &Path) -> Result<Self, PassphraseError> {
        let mut bytes =
            key_file::read_private(path, PASSPHRASE_BYTES_MAX + 2).map_err(PassphraseError::File)?;
        if bytes.ends_with(b"\n") {
            bytes.pop();
        }
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
        Self::new(bytes.to_vec())
    }

    /// Writes it to a fresh file of mode 0600.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), KeyFileError> {
        let mut line = Zeroizing::new(Vec::with_capacity(PASSPHRASE_BYTES_MAX + 1));
        line.extend_from_slice(self.expose());
        line.push(b'\n');
        key_file::write_private(path, &line)
    }

    /// What its file must be: completes "it …".
    pub fn file_rule() -> String {
        format!("holds one line of at most {PASSPHRASE_BYTES_MAX} bytes and has mode 0600")
    }

    /// The bytes, to derive the key that encrypts a key file.
    pub(super) fn expose(&self) -> &[u8] {
        self.secret.expose()
    }
}

/// Why there is no passphrase: the operator must act.
#[derive(Debug, thiserror::Error)]
pub enum PassphraseError {
    /// The file cannot be used.
    #[error("the passphrase file cannot be used")]
    File(#[source] KeyFileError),
    /// Too easy to guess.
    #[error("a passphrase has at least {PASSPHRASE_BYTES_MIN} bytes, not {bytes}")]
    TooShort {
        /// How long it is.
        bytes: usize,
    },
    /// Longer than openssl reads.
    #[error("a passphrase has at most {PASSPHRASE_BYTES_MAX} bytes")]
    TooLong,
    /// openssl would read the first line only.
    #[error("a passphrase is one line, without NUL")]
    Lines,
}

/// The shortest passphrase: shorter ones are guessed, whatever the key derivation costs.
const PASSPHRASE_BYTES_MIN: usize = 16;

/// The longest passphrase: openssl cuts a line of a file at 1,024 bytes.
const PASSPHRASE_BYTES_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_is_one_line_of_sixteen_bytes_or_more() {
        assert!(matches!(
            Passphrase::new(b"fifteen bytes!!".to_vec()),
            Err(PassphraseError::TooShort { bytes: 15 })
        ));
        assert!(matches!(
            Passphrase::new(b"two lines in it\nand more".to_vec()),
            Err(PassphraseError::Lines)
        ));
        assert!(matches!(Passphrase::new(vec![b'x'; 1_001]), Err(PassphraseError::TooLong)));
        Passphrase::new(b"sixteen bytes !!".to_vec()).unwrap();
    }

    #[test]
    fn a_saved_passphrase_reads_the_same_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("passphrase");
        let made = Passphrase::generate().unwrap();
        made.save(&path).unwrap();
        assert!(made.secret.matches(&Passphrase::read(&path).unwrap().secret));
    }

    #[test]
    fn a_passphrase_is_never_printed() {
        let made = Passphrase::generate().unwrap();
        assert!(!format!("{made:?}").contains(str::from_utf8(made.expose()).unwrap()));
    }
}

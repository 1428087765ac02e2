//! Private keys on disk: encrypted PKCS#8 (RFC 5958, section 3; PBES2, RFC 8018, section 6.2) for issuers,
//! readable by `openssl pkcs8`; plain PKCS#8 for the credentials that `init` makes.

use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;
use files::{OWNER_ONLY, PrivateFileError, Readers};
use pkcs8::der::Decode;
use pkcs8::der::pem::PemLabel;
use pkcs8::pkcs5::{pbes2, scrypt};
use pkcs8::{EncryptedPrivateKeyInfo, LineEnding, PrivateKeyInfo, SecretDocument};
use zeroize::Zeroizing;

use super::{FileSigner, Passphrase, Signer};

/// An unencrypted PKCS#8 private key: wiped when dropped, never printed.
pub(super) struct Pkcs8(Zeroizing<Vec<u8>>);

impl Pkcs8 {
    pub(super) fn as_der(&self) -> &[u8] {
        &self.0
    }
}

impl From<aws_lc_rs::pkcs8::Document> for Pkcs8 {
    // The library wipes its own copy.
    fn from(document: aws_lc_rs::pkcs8::Document) -> Self {
        Self(Zeroizing::new(document.as_ref().to_vec()))
    }
}

pub(super) fn read_encrypted(path: &Path, passphrase: &Passphrase) -> Result<Pkcs8, KeyFileError> {
    let pem = read_private(path, KEY_FILE_BYTES_MAX)?;
    let not_a_key = || KeyFileError::NotAKey(path.to_owned());
    let text = str::from_utf8(&pem).map_err(|_| not_a_key())?;
    let (label, encrypted) = SecretDocument::from_pem(text).map_err(|_| not_a_key())?;
    EncryptedPrivateKeyInfo::validate_pem_label(label).map_err(|_| not_a_key())?;
    let encrypted = EncryptedPrivateKeyInfo::from_der(encrypted.as_bytes()).map_err(|_| not_a_key())?;
    let key =
        encrypted.decrypt(passphrase.expose()).map_err(|_| KeyFileError::WrongPassphrase(path.to_owned()))?;
    Ok(Pkcs8(Zeroizing::new(key.as_bytes().to_vec())))
}

/// Encrypts and writes to a fresh file of mode 0600.
pub(super) fn write_encrypted(path: &Path, passphrase: &Passphrase, key: &Pkcs8) -> Result<(), KeyFileError> {
    let encode = |_| KeyFileError::Encode(path.to_owned());
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    rand::fill(&mut salt).and_then(|()| rand::fill(&mut iv)).map_err(|_| KeyFileError::Generate)?;
    let (log_n, r, p) = if passphrase.generated { SCRYPT_COST_GENERATED } else { SCRYPT_COST_BROUGHT };
    let scheme = scrypt::Params::new(log_n, r, p, AES_256_KEY_BYTES).ok();
    let scheme = scheme.and_then(|cost| pbes2::Parameters::scrypt_aes256cbc(cost, &salt, &iv).ok());
    let scheme = scheme.ok_or_else(|| KeyFileError::Encode(path.to_owned()))?;
    let pem = PrivateKeyInfo::try_from(key.as_der())
        .map_err(encode)?
        .encrypt_with_params(scheme, passphrase.expose())
        .map_err(encode)?
        .to_pem(EncryptedPrivateKeyInfo::PEM_LABEL, LineEnding::LF)
        .map_err(|error| encode(error.into()))?;
    write_private(path, pem.as_bytes())
}

/// A fresh P-256 key for a credential: its PKCS#8 in PEM, unencrypted, and its SubjectPublicKeyInfo in DER.
pub fn plain_key_pem() -> Result<(Zeroizing<String>, Vec<u8>), KeyFileError> {
    let key = FileSigner::generate()?;
    let document = SecretDocument::try_from(key.pkcs8()?.as_der()).map_err(|_| KeyFileError::Generate)?;
    let pem =
        document.to_pem(PrivateKeyInfo::PEM_LABEL, LineEnding::LF).map_err(|_| KeyFileError::Generate)?;
    Ok((pem, key.public_key().spki().to_vec()))
}

/// Reads a file of at most `bytes_max` bytes that nobody else may read, unless root gave it to this process.
///
/// # Errors
/// When it cannot be read, others can read it, or it is no regular file of that size.
pub fn read_private(path: &Path, bytes_max: usize) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    files::read_private(path, bytes_max, Readers::GivenByRoot).map_err(|error| {
        let path = path.to_owned();
        match error {
            PrivateFileError::Read(source) => KeyFileError::Read { path, source },
            PrivateFileError::Exposed { mode } => KeyFileError::ReadableByOthers { path, mode },
            PrivateFileError::Unexpected => KeyFileError::NotAKey(path),
        }
    })
}

/// Writes a file of mode 0600 that did not exist, and syncs its content.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), KeyFileError> {
    let written = files::create(path, OWNER_ONLY, bytes);
    written.map_err(|source| KeyFileError::Write { path: path.to_owned(), source })
}

/// Errors of a private key and its file. The operator must act.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the name and the type of some fields say all")]
pub enum KeyFileError {
    /// The file cannot be read.
    #[error("{} cannot be read", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// The file exists or cannot be written.
    #[error("{} cannot be written", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// The file can be read by others.
    #[error("{} has mode {mode:04o}, so others can read it; run chmod 600 on it, and replace the key if they may have", path.display())]
    ReadableByOthers { path: PathBuf, mode: u32 },
    /// The file is of another kind, or damaged.
    #[error("{} is not a private key in PKCS#8 PEM of the expected kind, or it is damaged", .0.display())]
    NotAKey(PathBuf),
    /// The passphrase does not decrypt it.
    #[error("{} cannot be decrypted with this passphrase", .0.display())]
    WrongPassphrase(PathBuf),
    /// The key is of another kind.
    #[error("{} holds a key of another kind than {expected}", path.display())]
    Kind { path: PathBuf, expected: &'static str },
    /// The key cannot be encoded.
    #[error("the key for {} cannot be encoded", .0.display())]
    Encode(PathBuf),
    /// The cryptographic library fails.
    #[error("no key can be made: the cryptographic library failed")]
    Generate,
}

/// scrypt cost (log2 N, r, p) for a passphrase that a person may have chosen: 16 MiB five times over, as
/// OWASP advises for this memory; more than 32 MiB and openssl refuses to read it.
const SCRYPT_COST_BROUGHT: (u8, u32, u32) = (14, 8, 5);

/// scrypt cost for a passphrase of 256 random bits, which nobody guesses: openssl's own default, so that a
/// start is quick.
const SCRYPT_COST_GENERATED: (u8, u32, u32) = (14, 8, 1);

const AES_256_KEY_BYTES: usize = 32;

/// The largest key file we read: an encrypted RSA-4096 key has about 3.5 kB.
pub const KEY_FILE_BYTES_MAX: usize = 16 * 1024;

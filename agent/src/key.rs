//! The device's keys: the only module that handles a private key. A key signs and cannot be read.

mod file;
mod group;
mod request;
mod store;
mod tls;

use std::fmt;
use std::io;

use identity::PublicKey;

pub use file::FileKey;
pub use group::{KeyGroup, KeyGroupError, KeyReaders};
pub use request::{bare_key_certificate, certificate_request};
pub use store::{FileKeyStore, KeyStore};
pub use tls::TlsKey;

/// A private key that is never seen: in a file that only its owner reads, in a TPM, in a secure element.
pub trait DeviceKey: fmt::Debug + Send + Sync {
    /// Its public half. Always the same one.
    fn public_key(&self) -> &PublicKey;

    /// Signs `message` (not its digest) with ECDSA on P-256 and SHA-256; the signature is DER (RFC 3279,
    /// section 2.2.3). May block while hardware works: in a handshake rustls calls it on the runtime's
    /// thread.
    ///
    /// # Errors
    /// [`KeyError::Unavailable`] when trying again may help, [`KeyError::Refused`] otherwise.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError>;
}

/// Why a key cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is no key.
    #[error("it is missing")]
    Missing,
    /// The key, in its file or hardware, cannot be reached now. Trying again may help.
    #[error("the key cannot be read")]
    Unavailable(#[source] io::Error),
    /// A new key, or what leads to it, cannot be written.
    #[error("the key cannot be kept")]
    Write(#[source] io::Error),
    /// Others than the owner and the configured group can use the key file.
    #[error(
        "the key file can be used by group or others (mode {mode:04o}); set it to 0600 with chmod, or run the agent as the user that owns \
         the file, then it does so itself; --key-group GROUP lets one group read the key in use; if somebody else may have read the key, \
         revoke its certificate"
    )]
    Exposed {
        /// The file's permission bits.
        mode: u32,
    },
    /// Not a private key of this kind.
    #[error(
        "the key file is not a P-256 private key in PKCS#8 PEM; restore it from a backup, or return the unit to the factory"
    )]
    Malformed,
    /// What holds the key does not sign or does not make one.
    #[error("the key does not sign or cannot be made")]
    Refused,
}

//! The device's keys: the only room with a private key. It signs, and no more.

mod file;
mod group;
mod request;
mod tls;

use std::fmt;
use std::io;

use identity::PublicKey;

pub use file::FileKey;
pub use group::{KeyGroup, KeyGroupError, KeyReaders};
pub use request::certificate_request;
pub use tls::TlsKey;

/// A private key that stays where it is: in a file that only its owner reads, in a TPM, in a secure element.
pub trait DeviceKey: fmt::Debug + Send + Sync {
    /// Its public half.
    fn public_key(&self) -> &PublicKey;

    /// Signs `message` (not its digest) with ECDSA on P-256 and SHA-256; the signature is DER (RFC 3279, section 2.2.3).
    ///
    /// # Errors
    /// When whatever holds the key does not sign.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError>;
}

/// Why a key cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("the key file cannot be read")]
    Unreadable(#[source] io::Error),
    /// Others than the owner, and than the group that was asked for, can use it: whoever read it may now be this device.
    #[error(
        "the key file can be used by group or others (mode {mode:04o}); set it to 0600 with chmod, or run the agent as the user that owns \
         the file, then it does so itself; --key-group GROUP lets one group read the key in use; if somebody else may have read the key, \
         revoke its certificate"
    )]
    Exposed {
        /// Its permission bits.
        mode: u32,
    },
    /// Not a private key of this kind.
    #[error(
        "the key file is not a P-256 private key in PKCS#8 PEM; restore it from a backup, or return the unit to the factory"
    )]
    Malformed,
    /// The cryptographic library refuses.
    #[error("the key does not sign or cannot be made")]
    Unusable,
}

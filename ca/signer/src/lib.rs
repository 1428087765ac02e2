//! Signing with the private keys of the issuers. One key has one purpose (R-CA-02).

mod delegate;
mod file;
mod issuers;
mod key_file;
mod passphrase;

use std::future::Future;
use std::pin::Pin;

use identity::PublicKey;
use issuance::SignatureAlgorithm;

pub use delegate::DelegateKey;
pub use file::FileSigner;
pub use issuers::{Issuer, Issuers, IssuersError};
pub use issuers::{certificate_file, key_file};
pub use key_file::{KEY_FILE_BYTES_MAX, read_private, write_private};
pub use key_file::{KeyFileError, plain_key_pem};
pub use passphrase::{PASSPHRASE_BYTES_MAX, PASSPHRASE_BYTES_MIN, Passphrase, PassphraseError};

/// A private key that signs and is never seen (R-CA-01): no method returns it, and nothing printed of a signer shows it.
///
/// Whoever holds a signer may have anything signed; that a certificate is lawful is for `issuance` to say before, and that it is
/// on record for the ledger after.
pub trait Signer: Send + Sync + 'static {
    /// The public half. Always the same one.
    fn public_key(&self) -> &PublicKey;

    /// How it signs. Always the same way.
    fn algorithm(&self) -> SignatureAlgorithm;

    /// The signature over `message` (which is hashed here; ECDSA: DER `Ecdsa-Sig-Value`, RFC 3279, section 2.2.3).
    ///
    /// A software key signs at once, on the caller's thread, and the future is ready when it is first polled (about 22 µs); a
    /// hardware key may take milliseconds, elsewhere. A dropped future may have signed; a signature that nobody received is
    /// worth nothing to anybody.
    fn sign<'a>(&'a self, message: &'a [u8]) -> Signing<'a>;

    /// The signature over what has this digest, of the algorithm that [`Self::algorithm`] names: for what is too long to be held in
    /// one piece (revocation lists). Otherwise as [`Self::sign`].
    fn sign_digest<'a>(&'a self, digest: &'a [u8]) -> Signing<'a>;
}

/// A signature to come.
pub type Signing<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, SignerError>> + Send + 'a>>;

/// Why there is no signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    /// The key cannot be used now; the operator must look at it, and the caller may try again.
    #[error("the signing key cannot be used")]
    Unavailable,
}

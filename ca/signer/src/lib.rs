//! Signing with the private keys of the issuers. One key has one purpose (R-CA-02).

mod check;
mod delegate;
mod document;
mod file;
mod issuers;
mod key_file;
mod ledger;
mod passphrase;

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use identity::{IssuerName, PublicKey};
use issuance::SignatureAlgorithm;

pub use check::{SignerCheckError, check_signer, verifies};
pub use delegate::DelegateKey;
pub use document::{DocumentSigner, DocumentSignerError, document_certificate_file, document_key_file};
pub use file::FileSigner;
pub use issuers::{Issuer, IssuerKeys, IssuerSettings, Issuers, IssuersError};
pub use issuers::{certificate_file, key_file};
pub use key_file::{KEY_FILE_BYTES_MAX, read_private, write_private};
pub use key_file::{KeyFileError, plain_key_pem};
pub use ledger::{LedgerSigner, ledger_key_file};
pub use passphrase::{Passphrase, PassphraseError};

/// A private key that signs and is never seen (R-CA-01): no method returns it, and no text of a signer shows
/// it.
///
/// A signer does not know what it signs: `issuance` judges a certificate before, and the ledger records it
/// after. Every implementation is judged by `ca/signer/tests/signers.rs`; its key is held against a
/// certificate by [`check_signer`].
pub trait Signer: Send + Sync + 'static {
    /// The public half. Always the same one.
    fn public_key(&self) -> &PublicKey;

    /// How it signs. Always the same way.
    fn algorithm(&self) -> SignatureAlgorithm;

    /// The signature over `message` (which is hashed here; ECDSA: DER `Ecdsa-Sig-Value`, RFC 3279, section
    /// 2.2.3).
    ///
    /// A software key signs at once, on the caller's thread, and the future is ready when it is first polled
    /// (about 22 µs). A hardware key takes milliseconds, on another thread; many signatures may be in flight.
    /// A dropped future may have signed.
    fn sign<'a>(&'a self, message: &'a [u8]) -> Signing<'a>;

    /// The signature over a message with this digest, of the hash that [`Self::algorithm`] names: for
    /// messages that are too long for memory (CRLs). A digest of another length is an error. Otherwise as
    /// [`Self::sign`].
    fn sign_digest<'a>(&'a self, digest: &'a [u8]) -> Signing<'a>;
}

/// The future of a signature.
pub type Signing<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, SignerError>> + Send + 'a>>;

/// Why there is no signature.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SignerError {
    /// The key did not sign; the operator must look at it, and the caller may try again.
    #[error("the signing key cannot be used")]
    Unavailable(#[source] Arc<dyn Error + Send + Sync>),
    /// The key is offline, as the root's is.
    #[error("the key of the {0} issuer is not on this machine")]
    Offline(IssuerName),
}

impl SignerError {
    /// A key that did not sign because of `cause`.
    pub fn unavailable(cause: impl Error + Send + Sync + 'static) -> Self {
        Self::Unavailable(Arc::new(cause))
    }
}

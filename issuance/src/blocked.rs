//! Keys that get no certificate: published test keys (R-KEY-12), keys with a trivial private key, and the
//! keys of an operator's list (R-KEY-05).

mod fingerprints;
mod trivial;

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use identity::{KeyType, PublicKey};

use fingerprints::Fingerprints;
pub use fingerprints::{FINGERPRINT_PREFIX_BYTES_MIN, ListMistake};
pub use trivial::TRIVIAL_PRIVATE_KEYS_MAX;

/// The blocked keys. Published test keys and keys with a trivial private key are always blocked.
#[derive(Clone)]
pub struct BlockedKeys {
    published: Fingerprints,
    listed: Fingerprints,
}

impl BlockedKeys {
    /// Blocks the published test keys and the keys of an operator's list.
    ///
    /// An entry is a line of hex digits: the SHA-256 of a SubjectPublicKeyInfo; or the SHA-256 that
    /// badkeys.info uses, of the RSA modulus, of x of a point or of an Ed25519 key, without leading zeros; or
    /// the first [`FINGERPRINT_PREFIX_BYTES_MIN`] bytes or more of one of these. `#` begins a comment.
    ///
    /// # Errors
    /// All lines that are not entries.
    pub fn with_list(list: &str) -> Result<Self, Vec<ListMistake>> {
        let (listed, mistakes) = Fingerprints::parse(list);
        if mistakes.is_empty() { Ok(Self { listed, ..Self::default() }) } else { Err(mistakes) }
    }

    /// Why the key gets no certificate; `None`: it is not blocked.
    pub fn why(&self, key: &PublicKey) -> Option<BlockedKey> {
        let fingerprint = key.fingerprint();
        if self.published.contain(fingerprint.as_bytes()) {
            return Some(BlockedKey::Published);
        }
        if trivial::is_trivial(key) {
            return Some(BlockedKey::Trivial);
        }
        if self.listed.is_empty() {
            return None;
        }
        let number = digest(&SHA256, number(key));
        let number = number.as_ref().first_chunk();
        let listed = self.listed.contain(fingerprint.as_bytes())
            || number.is_some_and(|number| self.listed.contain(number));
        listed.then_some(BlockedKey::Listed)
    }

    /// The number of different entries in the operator's list.
    pub fn listed(&self) -> usize {
        self.listed.len()
    }
}

impl Default for BlockedKeys {
    /// The published test keys only.
    fn default() -> Self {
        // A test proves that this list has no mistakes.
        let (published, _) = Fingerprints::parse(PUBLISHED);
        Self { published, listed: Fingerprints::default() }
    }
}

impl fmt::Debug for BlockedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockedKeys({} published, {} listed)", self.published.len(), self.listed.len())
    }
}

/// Why a key gets no certificate. `KEY_BLOCKED`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlockedKey {
    /// The private key is published (R-KEY-12).
    #[error("this is a test key whose private key is published")]
    Published,
    /// The private key is trivial: a small number, a power of two, the negative of one, one octet repeated,
    /// or a counter.
    #[error(
        "the private key of this key is a small number, one octet repeated or a counter: anybody finds it by trying"
    )]
    Trivial,
    /// An operator listed it (R-KEY-05).
    #[error("this key is blocked")]
    Listed,
}

/// The bytes that badkeys.info hashes: a big-endian number without leading zeros.
fn number(key: &PublicKey) -> &[u8] {
    let bits = key.key_bits();
    let number = match key.key_type() {
        KeyType::P256 | KeyType::P384 => bits.get(1..bits.len().div_ceil(2)),
        KeyType::Ed25519 => Some(bits),
        KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => key.rsa_modulus(),
    };
    let number = number.unwrap_or_default();
    let zeros = number.iter().take_while(|octet| **octet == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// Has the form of an operator's list.
const PUBLISHED: &str = include_str!("../data/known_test_keys.txt");

#[cfg(test)]
mod tests;

//! Keys that get no certificate, whoever has them: published test keys (R-KEY-12), keys whose private half is a small number, and those that an
//! operator lists (R-KEY-05).

mod fingerprints;
mod trivial;

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use identity::{KeyType, PublicKey};

use fingerprints::Fingerprints;
pub use fingerprints::{FINGERPRINT_PREFIX_BYTES_MIN, ListMistake};
pub use trivial::TRIVIAL_PRIVATE_KEYS_MAX;

/// Keys that get no certificate. Published test keys and those with a trivial private key are always among them.
#[derive(Clone)]
pub struct BlockedKeys {
    published: Fingerprints,
    listed: Fingerprints,
}

impl BlockedKeys {
    /// The published test keys, and those of an operator's list.
    ///
    /// An entry is a line of hex: the SHA-256 over a SubjectPublicKeyInfo, or over a number of the key as badkeys.info hashes it (the
    /// modulus of an RSA key, x of a point, the bytes of an Ed25519 key, each without leading zeros), or the first
    /// [`FINGERPRINT_PREFIX_BYTES_MIN`] bytes or more of one of them. `#` begins a comment.
    ///
    /// # Errors
    /// All lines that are no entry.
    pub fn with_list(list: &str) -> Result<Self, Vec<ListMistake>> {
        let (listed, mistakes) = Fingerprints::parse(list);
        if mistakes.is_empty() { Ok(Self { listed, ..Self::default() }) } else { Err(mistakes) }
    }

    /// Why the key gets no certificate; `None`: nothing is known against it.
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

    /// How many entries the operator's list has, each once.
    pub fn listed(&self) -> usize {
        self.listed.len()
    }
}

impl Default for BlockedKeys {
    /// The published test keys and no others.
    fn default() -> Self {
        // That this has no mistakes is a test's to say, not a start's.
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
    /// Anybody can read its private key (R-KEY-12).
    #[error("this is a test key whose private key is published")]
    Published,
    /// Its private key is one of the first that anybody tries: a small number, a power of two, the negative of one, one octet repeated, or a counter.
    #[error(
        "the private key of this key is a small number, one octet repeated or a counter: anybody finds it by trying"
    )]
    Trivial,
    /// An operator listed it (R-KEY-05).
    #[error("this key is blocked")]
    Listed,
}

/// What badkeys.info hashes of a key: a number, big-endian, without leading zeros.
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

/// In the form of an operator's list.
const PUBLISHED: &str = include_str!("../data/known_test_keys.txt");

#[cfg(test)]
mod tests;

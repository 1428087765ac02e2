//! Signed checkpoints: how many entries a ledger has, and the root of the tree over them, for people to keep
//! elsewhere. The forms are those of C2SP: tlog-checkpoint, signed-note.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ledger::EntryNumber;

use crate::tree::Hash;

/// The public half of the key that signs a ledger's checkpoints, with the ledger's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerKey {
    name: String,
    key: [u8; 32],
}

impl LedgerKey {
    /// An Ed25519 key. The ledger is named after it.
    pub fn new(key: [u8; 32]) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(&key);
        let digest = context.finish();
        let short: String = digest.as_ref().iter().take(8).map(|octet| format!("{octet:02x}")).collect();
        Self { name: format!("touchmark.ledger/{short}"), key }
    }

    /// The ledger's name, which is the key's: the origin of its checkpoints.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key as `SubjectPublicKeyInfo` (RFC 8410), PEM.
    pub fn pem(&self) -> String {
        let spki = [&SPKI_PREFIX[..], &self.key].concat();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(spki))
    }

    /// "SHA-256(key name || 0x0A || signature type || public key)[:4]" --
    /// <https://c2sp.org/signed-note#signatures>
    fn id(&self) -> [u8; 4] {
        let mut context = Context::new(&SHA256);
        [self.name.as_bytes(), b"\n", &[ALGORITHM], &self.key].iter().for_each(|part| context.update(part));
        context.finish().as_ref().first_chunk().copied().unwrap_or_default()
    }
}

/// A verifier key: `name+id+base64(type || key)`.
impl fmt::Display for LedgerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u32::from_be_bytes(self.id());
        let key = STANDARD.encode([&[ALGORITHM][..], &self.key].concat());
        write!(f, "{}+{id:08x}+{key}", self.name)
    }
}

impl FromStr for LedgerKey {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let parsed = || {
            let (name, rest) = text.trim_end().split_once('+')?;
            let (id, key) = rest.split_once('+')?;
            let key = STANDARD.decode(key).ok()?;
            let (algorithm, key) = key.split_first()?;
            let key = Self { name: name.to_owned(), key: key.try_into().ok()? };
            let fits = *algorithm == ALGORITHM
                && is_name(name)
                && id == format!("{:08x}", u32::from_be_bytes(key.id()));
            fits.then_some(key)
        };
        parsed().ok_or(CheckpointError::NotAKey)
    }
}

/// How many entries a ledger has, and the root over them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The ledger's name.
    pub origin: String,
    /// The number of its last entry.
    pub size: EntryNumber,
    /// The root of the tree over all entries.
    pub root: Hash,
}

impl Checkpoint {
    /// What is signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root))
    }

    /// The text with a signature over it by this key.
    pub fn note(&self, key: &LedgerKey, signature: &[u8]) -> String {
        let signature = STANDARD.encode([&key.id()[..], signature].concat());
        format!("{}\n{SIGNATURE}{} {signature}\n", self.text(), key.name)
    }

    /// Reads a note that this key signed. Signatures of others, and lines behind the root, are ignored.
    ///
    /// # Errors
    /// When it is no checkpoint, or this key did not sign it.
    pub fn read(note: &str, key: &LedgerKey) -> Result<Self, CheckpointError> {
        let (text, signatures) = note.rsplit_once("\n\n").ok_or(CheckpointError::NotANote)?;
        let text = format!("{text}\n");
        let checkpoint = Self::parse(&text).ok_or(CheckpointError::NotANote)?;
        let signed_by = |line: &str| {
            let (name, signature) = line.strip_prefix(SIGNATURE)?.split_once(' ')?;
            let signature = STANDARD.decode(signature).ok()?;
            let signature = signature.strip_prefix(&key.id())?;
            let public = UnparsedPublicKey::new(&ED25519, key.key);
            (name == key.name && public.verify(text.as_bytes(), signature).is_ok()).then_some(())
        };
        match signatures.lines().find_map(signed_by) {
            Some(()) if checkpoint.origin == key.name => Ok(checkpoint),
            Some(()) | None => Err(CheckpointError::NotSigned { name: key.name.clone() }),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        let number: u64 = size.parse().ok()?;
        let canonical = number.to_string() == size && !origin.is_empty();
        let root = STANDARD.decode(root).ok()?.try_into().ok()?;
        canonical.then(|| Self { origin: origin.to_owned(), size: EntryNumber(number), root })
    }
}

/// "It MUST be non-empty, and it MUST NOT contain any Unicode spaces or plus (U+002B)" --
/// <https://c2sp.org/signed-note#signatures>
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|character: char| character.is_whitespace() || character == '+')
}

/// Why a checkpoint proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The public key is of another form.
    #[error(
        "this is no public key of a ledger (name+id+base64, as touchmark-ca ledger public-key prints it)"
    )]
    NotAKey,
    /// It is of another form.
    #[error("this is no checkpoint of a ledger")]
    NotANote,
    /// It was changed, or is of another ledger.
    #[error("the checkpoint has no signature of {name} that fits")]
    NotSigned {
        /// The name of the key.
        name: String,
    },
}

/// Ed25519 in signed notes.
const ALGORITHM: u8 = 0x01;

/// Begins a line with a signature.
const SIGNATURE: &str = "\u{2014} ";

/// Before the 32 bytes of a key: "SEQUENCE { SEQUENCE { OID 1.3.101.112 }, BIT STRING }" (RFC 8410, §4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

    use super::*;

    fn signed() -> (LedgerKey, Checkpoint, String) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let key = LedgerKey::new(pair.public_key().as_ref().try_into().unwrap());
        let checkpoint = Checkpoint { origin: key.name().to_owned(), size: EntryNumber(42), root: [9; 32] };
        let note = checkpoint.note(&key, pair.sign(checkpoint.text().as_bytes()).as_ref());
        (key, checkpoint, note)
    }

    /// The example of golang.org/x/mod/sumdb/note.
    #[test]
    fn a_key_and_a_signature_of_another_implementation_are_read() {
        let text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let key: LedgerKey = text.parse().unwrap();
        assert_eq!(key.to_string(), text);
        let signature =
            "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";
        let signature = STANDARD.decode(signature).unwrap();
        assert_eq!(signature[..4], key.id());
        let message = "If you think cryptography is the answer to your problem,\n\
                       then you don't know what your problem is.\n";
        UnparsedPublicKey::new(&ED25519, key.key).verify(message.as_bytes(), &signature[4..]).unwrap();
    }

    #[test]
    fn a_checkpoint_that_was_signed_is_read_back() {
        let (key, checkpoint, note) = signed();
        assert_eq!(Checkpoint::read(&note, &key), Ok(checkpoint.clone()));
        assert_eq!(key.to_string().parse(), Ok(key.clone()));
        let cosigned = format!("{note}\u{2014} witness.example/w AAAAAAAA\n");
        assert_eq!(Checkpoint::read(&cosigned, &key), Ok(checkpoint), "signatures of others are allowed");
    }

    #[test]
    fn a_checkpoint_that_was_changed_or_signed_by_another_key_is_refused() {
        let (key, _, note) = signed();
        let other = LedgerKey::new([1; 32]);
        assert_eq!(Checkpoint::read(&note, &other), Err(CheckpointError::NotSigned { name: other.name }));
        for position in 0..note.len() {
            let mut changed = note.clone().into_bytes();
            changed[position] ^= 1;
            let Ok(changed) = String::from_utf8(changed) else { continue };
            assert!(Checkpoint::read(&changed, &key).is_err(), "{changed}");
        }
        assert_eq!(Checkpoint::read("", &key), Err(CheckpointError::NotANote));
    }

    #[test]
    fn a_key_that_was_mistyped_is_refused() {
        let text = signed().0.to_string();
        for position in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[position] ^= 1;
            let changed = String::from_utf8(changed).unwrap_or_default();
            assert_eq!(changed.parse::<LedgerKey>(), Err(CheckpointError::NotAKey), "{changed}");
        }
    }

    proptest::proptest! {
        #[test]
        fn reading_never_panics(note in ".{0,200}", text in ".{0,100}") {
            let key = signed().0;
            Checkpoint::read(&note, &key).ok();
            text.parse::<LedgerKey>().ok();
        }
    }
}

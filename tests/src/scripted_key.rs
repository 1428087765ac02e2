//! Device keys on P-256 whose random numbers are chosen, as a broken random generator makes them. Only for
//! tests: no key of the product is made or used like this.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use agent::key::{DeviceKey, KeyError, KeyStore};
use agent::state::Disk;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::AsBigEndian;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use identity::PublicKey;
use num_bigint::BigUint;

/// A number below the order of P-256, and its product with the base point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multiple {
    number: BigUint,
    x: BigUint,
    y: BigUint,
}

impl Multiple {
    /// Of a good random generator.
    pub fn random() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key can be made");
        let number = pair.private_key().as_be_bytes().expect("a number");
        let point = pair.public_key().as_ref();
        Self {
            number: BigUint::from_bytes_be(number.as_ref()),
            x: BigUint::from_bytes_be(&point[1..33]),
            y: BigUint::from_bytes_be(&point[33..]),
        }
    }

    /// The other number whose point has the same x.
    pub fn negated(&self) -> Self {
        Self { number: order() - &self.number, x: self.x.clone(), y: prime() - &self.y }
    }
}

/// A private key, and the random number that it signs with every time; `None`: a fresh one each time.
pub struct ScriptedKey {
    private: Multiple,
    nonce: Option<Multiple>,
    public: PublicKey,
}

impl ScriptedKey {
    pub fn new(private: Multiple, nonce: Option<Multiple>) -> Self {
        let spki = [SPKI_HEAD, &octets(&private.x), &octets(&private.y)].concat();
        let public = PublicKey::from_spki(&spki).expect("a point of the curve");
        Self { private, nonce, public }
    }

    /// ECDSA (FIPS 186-5, section 6.4.1).
    fn numbers(&self, message: &[u8]) -> (BigUint, BigUint) {
        let nonce = self.nonce.clone().unwrap_or_else(Multiple::random);
        let (n, hash) = (order(), BigUint::from_bytes_be(digest(&SHA256, message).as_ref()));
        let r = &nonce.x % &n;
        let s = inverse(&nonce.number) * (hash + &r * &self.private.number) % n;
        (r, s)
    }
}

impl DeviceKey for ScriptedKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let (r, s) = self.numbers(message);
        let numbers = [integer(&r), integer(&s)].concat();
        Ok([&[0x30, numbers.len() as u8], numbers.as_slice()].concat())
    }
}

impl fmt::Debug for ScriptedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScriptedKey({:?})", self.public)
    }
}

/// Has one key, which it hands out as a new one once for each directory.
#[derive(Debug)]
pub struct ScriptedKeys(pub Arc<ScriptedKey>);

impl KeyStore for ScriptedKeys {
    fn holds_key(&self, directory: &Path) -> bool {
        mark(directory).exists()
    }

    fn make(&self, directory: &Path, _disk: &dyn Disk) -> Result<Arc<dyn DeviceKey>, KeyError> {
        std::fs::write(mark(directory), "here").map_err(KeyError::Write)?;
        Ok(self.0.clone())
    }

    fn open(&self, directory: &Path, _readers: Option<u32>) -> Result<Arc<dyn DeviceKey>, KeyError> {
        if self.holds_key(directory) { Ok(self.0.clone()) } else { Err(KeyError::Missing) }
    }

    fn remove(&self, directory: &Path, _disk: &dyn Disk) -> Result<(), KeyError> {
        let _ = std::fs::remove_file(mark(directory));
        Ok(())
    }

    fn private_file(&self, _directory: &Path) -> Option<PathBuf> {
        None
    }
}

fn mark(directory: &Path) -> PathBuf {
    directory.join("scripted")
}

/// Modulo the order, by Fermat's little theorem.
fn inverse(number: &BigUint) -> BigUint {
    number.modpow(&(order() - 2_u32), &order())
}

fn order() -> BigUint {
    number("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551")
}

fn prime() -> BigUint {
    number("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff")
}

fn number(hexadecimal: &str) -> BigUint {
    BigUint::parse_bytes(hexadecimal.as_bytes(), 16).expect("a number")
}

fn octets(number: &BigUint) -> [u8; 32] {
    let (bytes, mut padded) = (number.to_bytes_be(), [0; 32]);
    padded[32 - bytes.len()..].copy_from_slice(&bytes);
    padded
}

/// A DER INTEGER of at most 33 octets.
fn integer(number: &BigUint) -> Vec<u8> {
    let mut content = number.to_bytes_be();
    if content[0] >= 0x80 {
        content.insert(0, 0);
    }
    [&[2, content.len() as u8], content.as_slice()].concat()
}

/// A SubjectPublicKeyInfo on P-256 up to the coordinates (RFC 5480).
const SPKI_HEAD: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3,
    1, 7, 3, 0x42, 0, 4,
];

#[cfg(test)]
mod tests {
    use agent::key::certificate_request;
    use identity::Csr;

    use super::*;

    #[test]
    fn whoever_has_one_of_two_keys_that_signed_with_one_number_computes_the_other() {
        let nonce = Multiple::random();
        let own = ScriptedKey::new(Multiple::random(), Some(nonce.clone()));
        let others = ScriptedKey::new(Multiple::random(), Some(nonce));
        let n = order();
        let hash = |message: &[u8]| BigUint::from_bytes_be(digest(&SHA256, message).as_ref());
        let ((r, s), (other_r, other_s)) = (own.numbers(b"mine"), others.numbers(b"theirs"));
        assert_eq!(r, other_r);
        let k = inverse(&s) * (hash(b"mine") + &r * &own.private.number) % &n;
        let computed = inverse(&r) * ((other_s * k % &n) + &n - hash(b"theirs") % &n) % &n;
        assert_eq!(computed, others.private.number);
    }

    #[test]
    fn its_requests_are_good_and_show_what_it_repeats() {
        let (nonce, private) = (Multiple::random(), Multiple::random());
        let traces = |private: &Multiple, nonce: Option<&Multiple>| {
            let key = ScriptedKey::new(private.clone(), nonce.cloned());
            Csr::from_der(&certificate_request(&key).unwrap()).unwrap().traces()
        };
        let one = traces(&private, Some(&nonce));
        assert_eq!(one.nonce, traces(&Multiple::random(), Some(&nonce)).nonce);
        let near = traces(&private.negated(), None);
        assert_eq!(near.key_ends, one.key_ends);
        assert_ne!(near.nonce, one.nonce);
    }
}

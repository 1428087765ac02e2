//! Keyed hashes (SipHash-1-3) of what the index finds rows by. They are keyed because outsiders choose device
//! keys and request ids; and they are on disk: what is hashed, and how, never changes within a version.

use std::fmt;
use std::hash::Hasher;

use identity::{KeyFingerprint, RequestId, SerialNumber};
use ledger::Trace;
use ledger_log::format::{Caller, DeviceName};
use siphasher::sip::SipHasher13;

use super::disk::Hash;

/// The key of an index. Whoever knows it can choose device keys that fall into one bucket.
#[derive(Clone, Copy)]
pub(super) struct HashKey(pub(super) [u8; 16]);

impl fmt::Debug for HashKey {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("HashKey(..)")
    }
}

impl HashKey {
    pub(super) fn serial_number(&self, serial_number: &SerialNumber) -> Hash {
        self.hash(SERIAL_NUMBER, &[serial_number.as_bytes()])
    }

    pub(super) fn key(&self, key: &KeyFingerprint) -> Hash {
        self.hash(KEY, &[key.as_bytes()])
    }

    pub(super) fn device(&self, device: DeviceName<'_>) -> Hash {
        self.hash(DEVICE, &[device.product.as_bytes(), device.serial.as_bytes()])
    }

    pub(super) fn request(&self, caller: Caller<'_>, request: &RequestId) -> Hash {
        let request = request.as_bytes();
        match caller {
            Caller::Nobody => self.hash(REQUEST, &[request]),
            Caller::Named(role, name) => {
                self.hash(REQUEST, &[request, role.to_string().as_bytes(), name.as_bytes()])
            }
            Caller::Device(DeviceName { product, serial }) => {
                self.hash(DEVICE_REQUEST, &[request, product.as_bytes(), serial.as_bytes()])
            }
        }
    }

    pub(super) fn trace(&self, trace: &Trace<'_>) -> Hash {
        match trace {
            Trace::Nonce(nonce) => self.nonce(nonce.as_slice()),
            Trace::KeyStart(product, start) => self.key_start(product.as_str(), start.as_slice()),
            Trace::KeyEnd(product, end) => self.key_end(product.as_str(), end.as_slice()),
        }
    }

    pub(super) fn nonce(&self, nonce: &[u8]) -> Hash {
        self.hash(NONCE, &[nonce])
    }

    pub(super) fn key_start(&self, product: &str, start: &[u8]) -> Hash {
        self.hash(KEY_START, &[product.as_bytes(), start])
    }

    pub(super) fn key_end(&self, product: &str, end: &[u8]) -> Hash {
        self.hash(KEY_END, &[product.as_bytes(), end])
    }

    fn hash(&self, kind: u8, parts: &[&[u8]]) -> Hash {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        hasher.write(&[kind]);
        for part in parts {
            hasher.write(&(part.len() as u32).to_le_bytes());
            hasher.write(part);
        }
        Hash(hasher.finish())
    }
}

const SERIAL_NUMBER: u8 = 1;
const KEY: u8 = 2;
const DEVICE: u8 = 3;
const REQUEST: u8 = 4;
const DEVICE_REQUEST: u8 = 5;
const NONCE: u8 = 6;
const KEY_START: u8 = 7;
const KEY_END: u8 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    /// Hashes are on disk: one that changes must come with a new version of the index.
    #[test]
    fn hashes_are_those_that_are_on_disk() {
        let key = HashKey(*b"0123456789abcdef");
        let serial_number = SerialNumber::try_from([0x42; 16].as_slice()).unwrap();
        let device = DeviceName { product: "cam-2", serial: "SN000001" };
        let found = [
            key.serial_number(&serial_number),
            key.key(&KeyFingerprint::from([7; 32])),
            key.device(device),
            key.request(Caller::Nobody, &RequestId::from([1; 16])),
            key.request(Caller::Named(identity::Role::Station, "line-3"), &RequestId::from([1; 16])),
            key.request(Caller::Device(device), &RequestId::from([1; 16])),
            key.nonce(&[3; 32]),
            key.key_start("cam-2", &[4; 8]),
            key.key_end("cam-2", &[4; 8]),
        ]
        .map(|hash| hash.0);
        assert_eq!(found, EXPECTED);
    }

    const EXPECTED: [u64; 9] = [
        14403268768197404230,
        937254194592327184,
        3157015742879432904,
        8915689262231216029,
        7008363091225223603,
        6479794370996501558,
        13061520894674499632,
        8085657503765419008,
        5185138165987588359,
    ];
}

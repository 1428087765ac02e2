//! Traces of random generators that were entered here.

use std::collections::HashMap;

use identity::{DeviceId, GeneratorTraces, KEY_END_BYTES, Product, SerialNumber};

use crate::Trace;

type KeyEnds = HashMap<(Product, [u8; KEY_END_BYTES]), SerialNumber>;

/// The birth certificate that first left each trace.
#[derive(Debug, Default)]
pub(super) struct Traces {
    nonces: HashMap<[u8; 32], SerialNumber>,
    key_starts: KeyEnds,
    key_ends: KeyEnds,
}

impl Traces {
    pub(super) fn enter(&mut self, device: &DeviceId, traces: &GeneratorTraces, birth: SerialNumber) {
        for trace in Trace::of(&device.product, traces) {
            match trace {
                Trace::Nonce(nonce) => self.nonces.entry(nonce).or_insert(birth),
                Trace::KeyStart(product, start) => {
                    self.key_starts.entry((product.clone(), start)).or_insert(birth)
                }
                Trace::KeyEnd(product, end) => self.key_ends.entry((product.clone(), end)).or_insert(birth),
            };
        }
    }

    pub(super) fn find(&self, trace: &Trace<'_>) -> Option<SerialNumber> {
        let found = match trace {
            Trace::Nonce(nonce) => self.nonces.get(nonce),
            Trace::KeyStart(product, start) => self.key_starts.get(&((*product).clone(), *start)),
            Trace::KeyEnd(product, end) => self.key_ends.get(&((*product).clone(), *end)),
        };
        found.copied()
    }
}

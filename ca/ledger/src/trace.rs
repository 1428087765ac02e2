//! Traces of random generators, as they are looked for (R-KEY-14).

use identity::{DeviceId, GeneratorTraces, KEY_END_BYTES, Product};

use super::Clash;

/// One value that a birth request shows of a random generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trace<'a> {
    /// The hash of the random part of its signature, whatever the product is.
    Nonce([u8; 32]),
    /// The first 64 bits of its key, within a product.
    KeyStart(&'a Product, [u8; KEY_END_BYTES]),
    /// The last 64 bits of its key, within a product.
    KeyEnd(&'a Product, [u8; KEY_END_BYTES]),
}

impl<'a> Trace<'a> {
    /// The traces of a unit. A birth that was recorded before traces were has none.
    pub fn of(product: &'a Product, traces: &GeneratorTraces) -> impl Iterator<Item = Self> + use<'a> {
        let nonce = traces.nonce.map(Self::Nonce);
        let start = traces.key_ends.map(|ends| Self::KeyStart(product, ends.start));
        let end = traces.key_ends.map(|ends| Self::KeyEnd(product, ends.end));
        [nonce, start, end].into_iter().flatten()
    }

    /// Whether it is among the traces of the unit.
    pub fn is_of(&self, device: &DeviceId, traces: &GeneratorTraces) -> bool {
        Trace::of(&device.product, traces).any(|trace| trace == *self)
    }

    /// What two units that leave it have in common.
    pub fn clash(&self) -> Clash {
        match self {
            Self::Nonce(_) => Clash::Nonce,
            Self::KeyStart(..) => Clash::KeyStart,
            Self::KeyEnd(..) => Clash::KeyEnd,
        }
    }
}

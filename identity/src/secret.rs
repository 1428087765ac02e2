//! A secret is a type.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Bytes that must not be seen: wiped when dropped, boxed so that moves leave no copies, never printed, never cloned.
pub struct Secret(Zeroizing<Box<[u8]>>);

impl Secret {
    /// Takes the bytes. The caller's other copies, if any, are the caller's to wipe.
    pub fn new(bytes: Vec<u8>) -> Self {
        // into_boxed_slice may move to a smaller allocation; keep the old one until it is wiped.
        let bytes = Zeroizing::new(bytes);
        Self(Zeroizing::new(bytes.as_slice().into()))
    }

    /// The bytes. Callers say why they need them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether both are the same, in time that depends only on the lengths.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

//! Ed25519 keys (RFC 8032, R-KEY-08).

use num_bigint::BigUint;

use super::{KeyError, KeyType};

/// Checks the key: 32 bytes (RFC 8410, section 4) that are the canonical encoding of a point, not of small
/// order. For points of small order some signatures verify for every message, so possession proves nothing.
pub(super) fn shape(bytes: &[u8]) -> Result<KeyType, KeyError> {
    if bytes.len() != KEY_BYTES {
        return Err(KeyError::Malformed { what: "an Ed25519 key has 32 bytes" });
    }
    let mut y_bytes = bytes.to_vec();
    if let Some(last) = y_bytes.last_mut() {
        *last &= 0x7f;
    }
    let y = BigUint::from_bytes_le(&y_bytes);
    let prime = prime();
    // Checked before the range, because small order is the worse fault.
    let reduced = &y % &prime;
    if small_order(&reduced, &prime) {
        return Err(KeyError::Weak { what: "a point of small order: anyone can sign for it" });
    }
    if y >= prime {
        return Err(KeyError::Malformed { what: "the encoding of the point is not canonical" });
    }
    if on_curve(&y, &prime) {
        Ok(KeyType::Ed25519)
    } else {
        Err(KeyError::Malformed { what: "the point is not on the curve" })
    }
}

/// Whether y is of one of the eight points whose order divides eight: 1, -1, 0 and two of order eight.
fn small_order(y: &BigUint, prime: &BigUint) -> bool {
    let one = BigUint::from(1u8);
    let order_eight = BigUint::from_bytes_le(&ORDER_EIGHT);
    *y == BigUint::ZERO || *y == one || *y == prime - &one || *y == order_eight || *y == prime - &order_eight
}

/// Whether x exists: (y² - 1) / (d y² + 1) is a square modulo p (RFC 8032, section 5.1.3), by Euler's
/// criterion. d = -121665/121666; both sides are multiplied by the square of the denominator.
fn on_curve(y: &BigUint, prime: &BigUint) -> bool {
    let square = y * y % prime;
    let numerator = ((&square + prime - 1u8) * 121_666u32) % prime;
    let denominator = ((prime - 121_665u32) * &square + 121_666u32) % prime;
    let product = numerator * denominator % prime;
    let exponent = (prime - 1u8) >> 1u8;
    product.modpow(&exponent, prime) == BigUint::from(1u8)
}

/// 2^255 - 19.
fn prime() -> BigUint {
    (BigUint::from(1u8) << 255u32) - 19u8
}

/// id-Ed25519, 1.3.101.112.
pub(super) const OID: &[u8] = &[0x2b, 0x65, 0x70];

/// id-Ed25519 without parameters (RFC 8410, section 3).
pub(super) const IDENTIFIER: &[u8] = &[6, 3, 0x2b, 0x65, 0x70];

const KEY_BYTES: usize = 32;

/// y of a point of order eight, little-endian.
const ORDER_EIGHT: [u8; 32] = [
    0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
    0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
];

//! Finds what is wrong with the algorithm or the form of a refused signature.

use super::RSA_PSS;
use crate::KeyType;
use crate::der::{Element, Elements, INTEGER, NotDer, OBJECT_IDENTIFIER, SEQUENCE, only};

/// Why this AlgorithmIdentifier is not accepted with this type of key.
pub(super) fn algorithm(key_type: KeyType, identifier: Element<'_>) -> &'static str {
    let read = || -> Result<&[u8], NotDer> {
        let mut fields = identifier.elements()?;
        let oid = fields.expect(OBJECT_IDENTIFIER)?.content;
        if !fields.is_empty() {
            fields.any()?;
        }
        fields.end()?;
        Ok(oid)
    };
    let Ok(oid) = read() else { return "is not an AlgorithmIdentifier (RFC 5280, section 4.1.1.2)" };
    let ecdsa = matches!(key_type, KeyType::P256 | KeyType::P384);
    match oid {
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1] | [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5] => {
            "uses SHA-1, with which signatures can be forged: sign with SHA-256, SHA-384 or SHA-512"
        }
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 2..=4] => {
            "uses MD2, MD4 or MD5, with which signatures can be forged: sign with SHA-256, SHA-384 or SHA-512"
        }
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 1] | [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 14] => {
            "uses SHA-224, which is not taken: sign with SHA-256, SHA-384 or SHA-512"
        }
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2..=4] if ecdsa => {
            "has parameters, which ECDSA with SHA-2 does not have (RFC 5758, section 3.2; NULL is taken)"
        }
        [0x2b, 0x65, 0x70] if key_type == KeyType::Ed25519 => {
            "has parameters, which Ed25519 does not have (RFC 8410, section 3)"
        }
        oid if !ecdsa && key_type != KeyType::Ed25519 && RSA_PSS.ends_with(oid) => {
            "is RSASSA-PSS with other parameters than one SHA-2 hash for message and mask and a salt of its length"
        }
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10..=13]
        | [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, ..]
        | [0x2b, 0x65, 0x70] => "does not fit the key in the request: it is for another kind of key",
        _ => "is not one that is taken (ECDSA or RSA with SHA-256, SHA-384 or SHA-512, or Ed25519)",
    }
}

/// Why the bytes cannot be a signature; `None`: they can, by another key or over other bytes.
pub(super) fn signature(key_type: KeyType, signature: &[u8]) -> Option<&'static str> {
    let coordinate = match key_type {
        KeyType::P256 => 32,
        KeyType::P384 => 48,
        KeyType::Ed25519 => {
            return (signature.len() != 64)
                .then_some("is not of 64 octets, as those of Ed25519 are (RFC 8032)");
        }
        KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => return None,
    };
    let read = || -> Result<[&[u8]; 2], NotDer> {
        let mut fields: Elements<'_> = only(signature, SEQUENCE)?.elements()?;
        let numbers = [fields.expect(INTEGER)?.content, fields.expect(INTEGER)?.content];
        fields.end()?;
        Ok(numbers)
    };
    match read() {
        Err(NotDer) if signature.len() == 2 * coordinate => Some(
            "is r and s one after the other; it must be a SEQUENCE of two INTEGERs in DER (RFC 3279, section 2.2.3)",
        ),
        Err(NotDer) => Some("is not a SEQUENCE of two INTEGERs in DER (RFC 3279, section 2.2.3)"),
        Ok(numbers) if numbers.iter().any(|number| number.first().is_none_or(|first| *first >= 0x80)) => {
            Some(
                "has a negative INTEGER: a number whose first bit is set needs a zero before it (X.690, section 8.3)",
            )
        }
        Ok(numbers) if numbers.iter().any(|number| matches!(number, [0, 0..=0x7f, ..])) => {
            Some("has an INTEGER that is not written in as few octets as possible (X.690, section 8.3.2)")
        }
        Ok(_) => None,
    }
}

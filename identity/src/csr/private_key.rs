//! Recognises what was sent in place of a request.

use super::{CsrError, FormFault};
use crate::der::{INTEGER, SEQUENCE, only};

/// Private keys and text have errors of their own (R-KEY-13); all else has the fault of its form.
pub(super) fn explain(bytes: &[u8], fault: FormFault) -> CsrError {
    if let Some(text) = text(bytes) {
        return match (text.contains(PEM), text.contains(PRIVATE)) {
            (true, true) => CsrError::PrivateKey,
            (true, false) => CsrError::Pem,
            (false, _) => CsrError::Base64,
        };
    }
    // PKCS#1, PKCS#8, SEC 1 and PKCS#12 all begin with a version; a request begins with a SEQUENCE.
    let begins_with_version = only(bytes, SEQUENCE)
        .and_then(|outer| outer.elements())
        .and_then(|mut fields| fields.expect(INTEGER))
        .is_ok_and(|version| matches!(version.content, [0 | 1 | 3]));
    if begins_with_version { CsrError::PrivateKey } else { CsrError::NotDer(fault) }
}

/// Finds PEM or base64 in text, also in UTF-16, as some editors save it.
fn text(bytes: &[u8]) -> Option<String> {
    let wide = |unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.as_chunks::<2>().0.iter().map(|pair| unit(*pair)).collect();
        String::from_utf16_lossy(&units)
    };
    let text = match bytes {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    };
    let base64 = |text: &str| {
        // The base64 of a SEQUENCE of this size begins with "MI".
        text.trim_start().starts_with("MI")
            && text.chars().all(|one| one.is_ascii_alphanumeric() || "+/=-_\r\n \t".contains(one))
    };
    (text.contains(PEM) || base64(&text)).then_some(text)
}

const PEM: &str = "-----BEGIN ";
const PRIVATE: &str = "PRIVATE KEY-----";

//! Tells what was sent in the place of a request.

use super::CsrError;
use crate::der::{INTEGER, SEQUENCE, only};

/// Says why `bytes` are no request: a private key and PEM get their own answers (R-KEY-13).
pub(super) fn explain(bytes: &[u8]) -> CsrError {
    let is_pem = bytes.windows(PEM.len()).any(|window| window == PEM);
    if is_pem {
        let private = bytes.windows(PRIVATE.len()).any(|window| window == PRIVATE);
        return if private { CsrError::PrivateKey } else { CsrError::Pem };
    }
    // PKCS#1, PKCS#8, SEC 1 and PKCS#12 all begin with a version; a request begins with a SEQUENCE.
    let begins_with_version = only(bytes, SEQUENCE)
        .and_then(|outer| outer.elements())
        .and_then(|mut fields| fields.expect(INTEGER))
        .is_ok_and(|version| matches!(version.content, [0 | 1 | 3]));
    if begins_with_version { CsrError::PrivateKey } else { CsrError::NotDer }
}

const PEM: &[u8] = b"-----BEGIN ";
const PRIVATE: &[u8] = b"PRIVATE KEY-----";

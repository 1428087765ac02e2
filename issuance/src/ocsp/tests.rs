//! Each test breaks one rule in the bytes, and the lint names it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::RevocationReason;

use super::*;
use crate::Refusal;

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_305_600)
}

fn responder() -> OcspSigner {
    OcspSigner::new(&Certificate::from_der(include_bytes!("../../tests/goldens/ocsp-signer.der")).unwrap())
        .unwrap()
}

/// A CertID as openssl writes it.
const CERT_ID: &[u8] = &[
    0x30, 0x49, 0x30, 9, 6, 5, 0x2b, 14, 3, 2, 26, 5, 0, 4, 20, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 4, 20, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 16, 0x45, 0x45,
    0x45, 0x45, 0x45, 0x45, 0x45, 0x45, 0x45, 0x45, 0x45, 0x45, 0x45, 0x45, 0x45, 0x45,
];

fn answer() -> SingleResponse<'static> {
    SingleResponse {
        cert_id: CERT_ID,
        status: OcspCertStatus::Revoked {
            at: now() - Duration::from_secs(60),
            reason: RevocationReason::KeyCompromise,
        },
        this_update: now(),
        next_update: now() + Duration::from_secs(3600),
    }
}

const NONCE: &[u8] = &[9; 16];

fn judge(tbs: &[u8]) -> Option<&'static str> {
    let by_key = encode_by_key();
    let expected =
        lint::Expected { answers: &[answer()], by_key: &by_key, produced_at: now(), nonce: Some(NONCE) };
    lint::lint(tbs, &expected).err().map(|broken| broken.rule)
}

fn encode_by_key() -> Vec<u8> {
    let prepared = responder();
    let response = ocsp_response(&[answer()], &prepared, now(), Some(NONCE)).unwrap();
    response.to_be_signed()[3..3 + 24].to_vec()
}

#[test]
fn a_wrong_ocsp_response_is_named_by_its_rule() {
    let responder = responder();
    let prepared = ocsp_response(&[answer()], &responder, now(), Some(NONCE)).unwrap();
    let good = prepared.to_be_signed().to_vec();
    assert_eq!(judge(&good), None);
    let spoiled = |from: &[u8], to: &[u8]| {
        let at = good.windows(from.len()).position(|window| window == from).unwrap();
        [&good[..at], to, &good[at + from.len()..]].concat()
    };
    let mut other_key = encode_by_key();
    other_key[23] ^= 1;
    let table: &[(&str, &[u8], &[u8])] = &[
        ("R-OCSP-02", &[0x45; 16], &[0x46; 16]),
        ("R-OCSP-03", NONCE, &[8; 16]),
        ("R-OCSP-05", &[0xa1, 22, 0x18], &[0xa1, 22, 0x16]),
        ("R-OCSP-04", b"20261121235900Z", b"20261121235901Z"),
        ("R-OCSP-04", &[10, 1, 1], &[10, 1, 4]),
        ("R-OCSP-05", &[10, 1, 1], &[10, 1, 0]),
        ("R-OCSP-05", &[10, 1, 1], &[10, 1, 7]),
        ("R-OCSP-05", b"20261122010000Z", b"20261122010001Z"),
        ("R-OCSP-05", b"20261122000000Z", b"20261122000001Z"),
        ("R-OCSP-06", &encode_by_key(), &other_key),
        ("R-5280-20", &[10, 1, 1], &[10, 0x81, 1]),
        ("R-5280-23", &[0x2b, 6, 1, 5, 5, 7, 48, 1, 2], &[0x2b, 6, 1, 5, 5, 7, 48, 1, 9]),
    ];
    for (row, (rule, from, to)) in table.iter().enumerate() {
        assert_eq!(judge(&spoiled(from, to)), Some(*rule), "row {row}");
    }
}

#[test]
fn an_ocsp_response_that_breaks_a_rule_is_refused() {
    let responder = responder();
    let rule = |answers: &[SingleResponse<'_>], produced_at| match ocsp_response(
        answers,
        &responder,
        produced_at,
        None,
    ) {
        Err(Refusal::Lint(finding)) => finding.rule,
        other => panic!("{other:?}"),
    };
    assert_eq!(rule(&[], now()), "R-OCSP-02");
    assert_eq!(rule(&[answer()], now() - Duration::from_secs(1)), "R-OCSP-05");
    assert_eq!(rule(&[SingleResponse { next_update: now(), ..answer() }], now()), "R-OCSP-05");
    let issuer = Certificate::from_der(include_bytes!("../../tests/goldens/operational-ca.der")).unwrap();
    assert!(matches!(OcspSigner::new(&issuer), Err(Refusal::Lint(finding)) if finding.rule == "R-OCSP-06"));
}

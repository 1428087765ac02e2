//! The lint of OCSP responses: parses the bytes that are about to be signed and fails closed (R-5280-23). It
//! does not use the code that wrote them.

use std::time::SystemTime;

use identity::RevocationReason;
use identity::der::{
    CONTEXT_0, CONTEXT_0_CONSTRUCTED, CONTEXT_1_CONSTRUCTED, CONTEXT_2_CONSTRUCTED, ENUMERATED, Element,
    Elements, GENERALIZED_TIME, NotDer, OCTET_STRING, SEQUENCE, check_values, only,
};

use super::{OcspCertStatus, SingleResponse};
use crate::lint::{Broken, ensure};
use crate::reading::{extensions, oid, time};
use crate::time::whole_seconds;

pub(super) struct Expected<'a> {
    pub(super) answers: &'a [SingleResponse<'a>],
    pub(super) by_key: &'a [u8],
    pub(super) produced_at: SystemTime,
    pub(super) nonce: Option<&'a [u8]>,
}

pub(super) fn lint(tbs: &[u8], expected: &Expected<'_>) -> Result<(), Broken> {
    check_values(tbs)?;
    let mut fields = only(tbs, SEQUENCE).and_then(|data| data.elements())?;
    let responder = fields.expect(CONTEXT_2_CONSTRUCTED)?.raw;
    ensure(responder == expected.by_key, "R-OCSP-06", "it does not name its signer by key")?;
    let produced_at = generalized_time(fields.any()?)?;
    ensure(
        produced_at == whole_seconds(expected.produced_at),
        "R-OCSP-05",
        "producedAt is not the intended time",
    )?;
    let mut singles = fields.expect(SEQUENCE).and_then(|list| list.elements())?;
    for answer in expected.answers {
        let single = singles.expect(SEQUENCE).and_then(|single| single.elements())?;
        self::single(single, answer, produced_at)?;
    }
    let asked = !expected.answers.is_empty();
    ensure(asked && singles.is_empty(), "R-OCSP-02", "it has another number of responses")?;
    let list = match fields.optional(CONTEXT_1_CONSTRUCTED)? {
        Some(explicit) => only(explicit.content, SEQUENCE).and_then(extensions)?,
        None => Vec::new(),
    };
    fields.end()?;
    let nonce = match list.as_slice() {
        [] => None,
        [nonce] if nonce.oid == oid::OCSP_NONCE && !nonce.critical => {
            Some(only(nonce.value, OCTET_STRING)?.content)
        }
        _ => {
            return Err(Broken { rule: "R-5280-23", what: "an extension that no response of ours has" });
        }
    };
    ensure(nonce == expected.nonce, "R-OCSP-03", "the nonce is not the client's")
}

fn single(
    mut fields: Elements<'_>,
    answer: &SingleResponse<'_>,
    produced_at: SystemTime,
) -> Result<(), Broken> {
    let cert_id = fields.expect(SEQUENCE)?.raw;
    ensure(cert_id == answer.cert_id, "R-OCSP-02", "the CertID is not the client's")?;
    let status = status(fields.any()?)?;
    ensure(status == whole(answer.status), "R-OCSP-04", "the status is not the intended one")?;
    let this_update = generalized_time(fields.any()?)?;
    let Ok(next) = fields.expect(CONTEXT_0_CONSTRUCTED) else {
        return Err(Broken { rule: "R-OCSP-05", what: "it has no nextUpdate" });
    };
    let next_update =
        generalized_time(only(next.content, GENERALIZED_TIME).map_err(|NotDer| NOT_GENERALIZED)?)?;
    fields.end()?;
    ensure(
        this_update == whole_seconds(answer.this_update) && next_update == whole_seconds(answer.next_update),
        "R-OCSP-05",
        "its times are not those that were decided",
    )?;
    ensure(
        this_update <= produced_at && produced_at < next_update,
        "R-OCSP-05",
        "producedAt is not between thisUpdate and nextUpdate",
    )
}

fn status(element: Element<'_>) -> Result<OcspCertStatus, Broken> {
    let broken = Broken { rule: "R-OCSP-05", what: "a status that no response of ours has" };
    match (element.tag, element.content) {
        (CONTEXT_0, []) => Ok(OcspCertStatus::Good),
        (UNKNOWN, []) => Ok(OcspCertStatus::Unknown),
        (CONTEXT_1_CONSTRUCTED, _) => {
            let read = || {
                let mut fields = element.elements()?;
                let at = fields.expect(GENERALIZED_TIME)?;
                let reason = fields.optional(CONTEXT_0_CONSTRUCTED)?;
                fields.end()?;
                let reason = reason.map(|reason| only(reason.content, ENUMERATED)).transpose()?;
                Ok((time(at)?, reason.map(|reason| reason.content)))
            };
            let (at, reason) = read().map_err(|NotDer| broken)?;
            let code = match reason {
                None => 0,
                // Omitted, as in a CRL.
                Some([code]) if *code != 0 => *code,
                Some(_) => return Err(Broken { rule: "R-OCSP-05", what: "unspecified is written out" }),
            };
            let reason = RevocationReason::from_code(code);
            let reason = reason.ok_or(Broken { rule: "R-OCSP-05", what: "an unknown reason" })?;
            Ok(OcspCertStatus::Revoked { at, reason })
        }
        _ => Err(broken),
    }
}

fn whole(status: OcspCertStatus) -> OcspCertStatus {
    match status {
        OcspCertStatus::Revoked { at, reason } => OcspCertStatus::Revoked { at: whole_seconds(at), reason },
        other => other,
    }
}

/// R-OCSP-05: GeneralizedTime without fractions, whatever the year.
fn generalized_time(element: Element<'_>) -> Result<SystemTime, Broken> {
    if element.tag != GENERALIZED_TIME {
        return Err(NOT_GENERALIZED);
    }
    time(element).map_err(|NotDer| NOT_GENERALIZED)
}

const NOT_GENERALIZED: Broken =
    Broken { rule: "R-OCSP-05", what: "a time is not a GeneralizedTime in seconds" };

/// `[2] unknown`.
const UNKNOWN: u8 = CONTEXT_0 | 2;

//! The lint of CRLs: reads the bytes that are about to be signed and fails closed (R-5280-23). It does not
//! use the code that wrote them.

use std::time::{Duration, SystemTime};

use identity::der::{
    CONTEXT_0, CONTEXT_0_CONSTRUCTED, ENUMERATED, GENERALIZED_TIME, INTEGER, NotDer, SEQUENCE, check_values,
    only,
};

use super::reading::Reading;
use super::{CrlEntry, CrlFields, CrlScope};
use crate::SignatureAlgorithm;
use crate::lint::{Broken, ensure, time_by_year};
use crate::reading::{URI, extensions, oid, time};
use crate::time::whole_seconds;

pub(super) struct Expected<'a> {
    pub(super) issuer: &'a [u8],
    pub(super) key_identifier: &'a [u8],
    pub(super) algorithm: SignatureAlgorithm,
    pub(super) terms: &'a CrlFields,
    pub(super) now: SystemTime,
    pub(super) is_root: bool,
}

/// Applies every rule to the fields before and after the entries.
pub(super) fn lint(content: &[u8], expected: &Expected<'_>) -> Result<(), Broken> {
    let reading = Reading::of(content)?;
    ensure(reading.version == Some(&[1]), "R-CRL-01", "it is not version 2")?;
    ensure(
        reading.signature == expected.algorithm.identifier() && reading.issuer == expected.issuer,
        "R-CRL-04",
        "it names another issuer or algorithm than the one that signs",
    )?;
    ensure(reading.revoked.is_none(), "R-CRL-02", "entries before they were counted")?;
    times(&reading, expected)?;
    for (index, extension) in reading.extensions.iter().enumerate() {
        let first = reading.extensions.iter().position(|other| other.oid == extension.oid);
        ensure(first == Some(index), "R-5280-19", "an extension is there twice")?;
        // Delta CRLs, freshestCRL and indirect CRLs are not used (R-CRL-10).
        ensure(KNOWN.contains(&extension.oid), "R-5280-23", "an extension that no CRL of ours has")?;
        ensure(check_values(extension.value).is_ok(), "R-5280-20", "an extension is not strict DER")?;
    }
    identifiers(&reading, expected)?;
    distribution_point(&reading, &expected.terms.scope)
}

fn times(reading: &Reading<'_>, expected: &Expected<'_>) -> Result<(), Broken> {
    let Some(next_update) = reading.next_update else {
        return Err(Broken { rule: "R-CRL-01", what: "it has no nextUpdate" });
    };
    let (this, next) = (time_by_year(reading.this_update)?, time_by_year(next_update)?);
    let terms = expected.terms;
    ensure(
        this == terms.this_update && next == terms.next_update,
        "R-5280-05",
        "the times are not those that were decided",
    )?;
    ensure(this <= expected.now, "R-CRL-03", "it begins in the future")?;
    let life = next.duration_since(this).unwrap_or_default();
    let longest = if expected.is_root { ROOT_LIFE_MAX } else { LIFE_MAX };
    ensure(!life.is_zero() && life <= longest, "R-CRL-03", "it lives too long, or not at all")
}

fn identifiers(reading: &Reading<'_>, expected: &Expected<'_>) -> Result<(), Broken> {
    let authority = reading.extension(oid::AUTHORITY_KEY_IDENTIFIER);
    let key_identifier = authority.filter(|extension| !extension.critical).and_then(|extension| {
        Some(only(only(extension.value, SEQUENCE).ok()?.content, CONTEXT_0).ok()?.content)
    });
    ensure(
        key_identifier == Some(expected.key_identifier),
        "R-CRL-01",
        "the authority key identifier is not the issuer's subject key identifier alone",
    )?;
    let number = reading.extension(oid::CRL_NUMBER).filter(|extension| !extension.critical);
    let octets = number.and_then(|extension| only(extension.value, INTEGER).ok());
    let fits = octets.is_some_and(|octets| {
        octets.content.len() <= NUMBER_OCTETS_MAX && octets.content.first().is_some_and(|first| *first < 0x80)
    });
    ensure(
        fits && reading.number() == Some(expected.terms.number),
        "R-CRL-01",
        "the number is critical, negative, over 20 octets, or not the one that was given",
    )
}

/// `SEQUENCE { [0] { [0] { [6] URI, … } }, [1] TRUE }` and nothing else.
fn distribution_point(reading: &Reading<'_>, scope: &CrlScope) -> Result<(), Broken> {
    let found = reading.extension(oid::ISSUING_DISTRIBUTION_POINT);
    let CrlScope::Shard { urls } = scope else {
        return ensure(found.is_none(), "R-CRL-09", "a full CRL names a distribution point");
    };
    let Some(extension) = found else {
        return Err(Broken { rule: "R-CRL-08", what: "the CRL of a shard does not name its shard" });
    };
    ensure(extension.critical, "R-CRL-08", "the distribution point is not critical")?;
    let read = || -> Result<bool, NotDer> {
        let mut fields = only(extension.value, SEQUENCE)?.elements()?;
        let point = fields.expect(CONTEXT_0_CONSTRUCTED)?;
        let only_users = fields.any()?;
        fields.end()?;
        let mut names = only(point.content, CONTEXT_0_CONSTRUCTED)?.elements()?;
        let mut written = Vec::new();
        while !names.is_empty() {
            written.push(names.expect(URI)?.content);
        }
        Ok(only_users.raw == super::ONLY_USER_CERTIFICATES
            && written.iter().copied().eq(urls.iter().map(String::as_bytes)))
    };
    let fits = read() == Ok(true);
    ensure(fits, "R-CRL-08", "the distribution point is not the shard's URL and onlyContainsUserCerts alone")
}

/// Applies every rule to one entry as it is written.
pub(super) fn entry(bytes: &[u8], meant: &CrlEntry, of_issuers: bool) -> Result<(), Broken> {
    let broken = |rule, what| Broken { rule, what };
    let mut fields = only(bytes, SEQUENCE).and_then(|entry| entry.elements())?;
    let serial = fields.expect(INTEGER)?.content;
    ensure(serial == meant.serial_number.as_bytes(), "R-5280-01", "an entry names another certificate")?;
    let date = time_by_year(fields.any()?)?;
    ensure(date == whole_seconds(meant.revoked_at), "R-CRL-06", "an entry has another date")?;
    let list = match fields.optional(SEQUENCE)? {
        Some(list) => extensions(list)?,
        None => Vec::new(),
    };
    fields.end()?;
    let (mut reason, mut invalidity) = (0, None);
    for extension in list {
        ensure(!extension.critical, "R-CRL-05", "an entry's extension is critical")?;
        match extension.oid {
            oid::REASON_CODE => {
                let code = only(extension.value, ENUMERATED)?.content;
                let &[code] = code else { return Err(broken("R-CRL-05", "a reason of many octets")) };
                ensure(code != 0, "R-CRL-05", "unspecified is written out")?;
                ensure(![7, 8, 10].contains(&code), "R-CRL-05", "a reason that no CRL of ours has")?;
                ensure(code != 2 || of_issuers, "R-CRL-05", "cACompromise of a certificate that is no CA's")?;
                reason = code;
            }
            oid::INVALIDITY_DATE => {
                let date = only(extension.value, GENERALIZED_TIME);
                let date = date
                    .and_then(time)
                    .map_err(|NotDer| broken("R-CRL-07", "an invalidity date is not a GeneralizedTime"))?;
                invalidity = Some(date);
            }
            _ => return Err(broken("R-5280-23", "an extension of an entry that no CRL of ours has")),
        }
    }
    ensure(reason == meant.reason.code(), "R-CRL-05", "an entry has another reason")?;
    ensure(
        invalidity == meant.invalidity_date.map(whole_seconds),
        "R-CRL-07",
        "an entry has another invalidity date",
    )
}

/// The extensions that our CRLs use.
const KNOWN: &[&[u8]] = &[oid::AUTHORITY_KEY_IDENTIFIER, oid::CRL_NUMBER, oid::ISSUING_DISTRIBUTION_POINT];

/// RFC 5280, section 5.2.3.
const NUMBER_OCTETS_MAX: usize = 20;

/// End-entity certificates: a client that holds an old CRL must fetch a new one within days (R-CRL-03).
const LIFE_MAX: Duration = Duration::from_secs(10 * 24 * 60 * 60);

/// The root is offline (R-CRL-13: up to 12 months); its CRL is renewed by hand.
const ROOT_LIFE_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

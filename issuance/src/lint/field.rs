//! Rules for the fields: version, serial number, algorithm, validity, key.

use std::time::{Duration, SystemTime};

use identity::no_well_defined_expiration;
use identity::{
    ProfileName,
    der::{Element, GENERALIZED_TIME, UTC_TIME},
};

use super::{Broken, Expected, ensure};
use crate::reading::{Reading, time};
use crate::time::year_2050;

pub(super) fn lint(reading: &Reading<'_>, expected: &Expected<'_>) -> Result<(), Broken> {
    ensure(reading.version == Some(&[2]), "R-AR-01", "it is not version 3")?;
    ensure(
        reading.serial == expected.serial_number.as_bytes(),
        "R-5280-01",
        "the serial number is not the one that was drawn",
    )?;
    ensure(
        reading.signature == expected.algorithm.identifier(),
        "R-5280-03",
        "the signature algorithm is not the issuer's",
    )?;
    ensure(reading.spki == expected.public_key.spki(), "R-5280-22", "the key is not encoded as it came")?;
    times(reading, expected)
}

fn times(reading: &Reading<'_>, expected: &Expected<'_>) -> Result<(), Broken> {
    let not_before = time_by_year(reading.not_before)?;
    let not_after = time_by_year(reading.not_after)?;
    ensure(
        not_before == expected.validity.not_before() && not_after == expected.validity.not_after(),
        "R-5280-05",
        "the times are not those that were decided",
    )?;
    if expected.profile == ProfileName::Idevid {
        ensure(not_after == no_well_defined_expiration(), "R-AR-02", "a birth certificate has no end")?;
    }
    if expected.profile == ProfileName::OcspSigner {
        let life = not_after.duration_since(not_before).unwrap_or(Duration::MAX);
        ensure(life <= OCSP_SIGNER_LIFE_MAX, "R-OCSP-06", "an OCSP signer lives longer than 14 days")?;
    }
    let Some(issuer) = expected.issuer else { return Ok(()) };
    ensure(not_before >= issuer.validity.not_before(), "R-5280-06", "it begins before its issuer")?;
    let may_outlive = expected.profile == ProfileName::Idevid;
    ensure(may_outlive || not_after <= issuer.validity.not_after(), "R-5280-07", "it ends after its issuer")
}

/// "CAs conforming to this profile MUST always encode certificate validity dates through the year 2049 as
/// UTCTime; certificate validity dates in 2050 or later MUST be encoded as GeneralizedTime." --
/// <https://www.rfc-editor.org/rfc/rfc5280#section-4.1.2.5>
pub(crate) fn time_by_year(element: Element<'_>) -> Result<SystemTime, Broken> {
    let broken = Broken { rule: "R-5280-05", what: "a time is not encoded as its year wants" };
    let Ok(time) = time(element) else { return Err(broken) };
    let wanted = if time < year_2050() { UTC_TIME } else { GENERALIZED_TIME };
    if element.tag == wanted { Ok(time) } else { Err(broken) }
}

/// An OCSP signer cannot be revoked (id-pkix-ocsp-nocheck), so its life is short.
const OCSP_SIGNER_LIFE_MAX: Duration = Duration::from_secs(14 * 24 * 60 * 60);

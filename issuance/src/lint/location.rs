//! Rules for the URLs of CRLs, OCSP and the issuer's certificate.

use identity::{
    ProfileName,
    der::{CONTEXT_0_CONSTRUCTED, NotDer, OBJECT_IDENTIFIER, SEQUENCE, only},
};

use super::{Broken, Expected, ensure};
use crate::reading::{CA_ISSUERS, OCSP, Reading, URI, oid};

pub(super) fn lint(reading: &Reading<'_>, expected: &Expected<'_>) -> Result<(), Broken> {
    let is_root = expected.profile == ProfileName::Root;
    if let Some(extension) = reading.extension(oid::CRL_DISTRIBUTION_POINTS) {
        let fits = distribution_point(extension.value) == Ok(true);
        ensure(fits && !is_root, "R-5280-16", "not one distribution point with http URLs and nothing else")?;
    }
    if let Some(extension) = reading.extension(oid::AUTHORITY_INFORMATION_ACCESS) {
        let fits = access_descriptions(extension.value) == Ok(true);
        ensure(
            fits && !is_root,
            "R-5280-17",
            "authority information that is not at http URLs, or in a root",
        )?;
    }
    Ok(())
}

/// `SEQUENCE { DistributionPoint { [0] { [0] fullName { [6] URI, … } } } }`.
fn distribution_point(value: &[u8]) -> Result<bool, NotDer> {
    let point = only(only(value, SEQUENCE)?.content, SEQUENCE)?;
    let name = only(point.content, CONTEXT_0_CONSTRUCTED)?;
    let mut urls = only(name.content, CONTEXT_0_CONSTRUCTED)?.elements()?;
    let mut fits = !urls.is_empty();
    while !urls.is_empty() {
        let url = urls.any()?;
        fits &= url.tag == URI && is_plain_http(url.content);
    }
    Ok(fits)
}

fn access_descriptions(value: &[u8]) -> Result<bool, NotDer> {
    let mut descriptions = only(value, SEQUENCE)?.elements()?;
    let mut fits = !descriptions.is_empty();
    while !descriptions.is_empty() {
        let mut fields = descriptions.expect(SEQUENCE)?.elements()?;
        let method = fields.expect(OBJECT_IDENTIFIER)?.content;
        let url = fields.any()?;
        fields.end()?;
        fits &= [OCSP, CA_ISSUERS].contains(&method) && url.tag == URI && is_plain_http(url.content);
    }
    Ok(fits)
}

/// Not https: fetching would need the certificates that are fetched.
fn is_plain_http(url: &[u8]) -> bool {
    url.starts_with(b"http://") && url.is_ascii()
}

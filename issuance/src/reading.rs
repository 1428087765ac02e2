//! Parses a to-be-signed certificate, strictly: the lint judges the written bytes.

use std::time::SystemTime;

use der::Decode;
use der::asn1::{GeneralizedTime, UtcTime};
use identity::der::{
    BIT_STRING, BOOLEAN, CONTEXT_0_CONSTRUCTED, CONTEXT_3_CONSTRUCTED, Element, Elements, GENERALIZED_TIME,
    INTEGER, NotDer, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, UTC_TIME, only,
};

/// The fields of a `TBSCertificate` (RFC 5280, section 4.1), borrowed from the bytes.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    /// The content of the version; absent for v1.
    pub(crate) version: Option<&'a [u8]>,
    /// Content of the INTEGER.
    pub(crate) serial: &'a [u8],
    pub(crate) signature: &'a [u8],
    pub(crate) issuer: &'a [u8],
    pub(crate) not_before: Element<'a>,
    pub(crate) not_after: Element<'a>,
    pub(crate) subject: &'a [u8],
    pub(crate) spki: &'a [u8],
    /// In the encoded order.
    pub(crate) extensions: Vec<Extension<'a>>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Extension<'a> {
    /// Content of the OBJECT IDENTIFIER.
    pub(crate) oid: &'a [u8],
    pub(crate) critical: bool,
    /// What is in the OCTET STRING.
    pub(crate) value: &'a [u8],
}

impl<'a> Reading<'a> {
    /// Parses `tbs`. Refuses unique identifiers (R-5280-19).
    pub(crate) fn of(tbs: &'a [u8]) -> Result<Self, NotDer> {
        let mut fields = only(tbs, SEQUENCE)?.elements()?;
        let version = match fields.optional(CONTEXT_0_CONSTRUCTED)? {
            Some(explicit) => Some(only(explicit.content, INTEGER)?.content),
            None => None,
        };
        let serial = fields.expect(INTEGER)?.content;
        let signature = fields.expect(SEQUENCE)?.raw;
        let issuer = fields.expect(SEQUENCE)?.raw;
        let mut validity = fields.expect(SEQUENCE)?.elements()?;
        let (not_before, not_after) = (validity.any()?, validity.any()?);
        validity.end()?;
        let subject = fields.expect(SEQUENCE)?.raw;
        let spki = fields.expect(SEQUENCE)?.raw;
        let extensions = match fields.optional(CONTEXT_3_CONSTRUCTED)? {
            Some(explicit) => extensions(only(explicit.content, SEQUENCE)?)?,
            None => Vec::new(),
        };
        fields.end()?;
        Ok(Self { version, serial, signature, issuer, not_before, not_after, subject, spki, extensions })
    }

    pub(crate) fn extension(&self, oid: &[u8]) -> Option<Extension<'a>> {
        self.extensions.iter().copied().find(|extension| extension.oid == oid)
    }

    /// Whether basicConstraints has cA TRUE.
    pub(crate) fn is_ca(&self) -> bool {
        self.extension(oid::BASIC_CONSTRAINTS)
            .and_then(|extension| only(extension.value, SEQUENCE).ok())
            .is_some_and(|constraints| !constraints.content.is_empty())
    }

    /// Whether keyUsage has cRLSign (RFC 5280, section 4.2.1.3: bit 6).
    pub(crate) fn signs_crls(&self) -> bool {
        let usage = self.extension(oid::KEY_USAGE);
        let bits = usage.and_then(|usage| only(usage.value, BIT_STRING).ok()).map(|bits| bits.content);
        matches!(bits, Some([_, first, ..]) if first & 0x02 != 0)
    }

    pub(crate) fn subject_key_identifier(&self) -> Option<&'a [u8]> {
        let extension = self.extension(oid::SUBJECT_KEY_IDENTIFIER)?;
        only(extension.value, OCTET_STRING).ok().map(|element| element.content)
    }
}

/// The extensions of a certificate, CRL, OCSP request or response; all have this form (RFC 5280, section
/// 4.1.2.9).
pub(crate) fn extensions(list: Element<'_>) -> Result<Vec<Extension<'_>>, NotDer> {
    let mut elements = list.elements()?;
    let mut extensions = Vec::with_capacity(EXTENSIONS_USUAL);
    while !elements.is_empty() {
        extensions.push(extension(elements.expect(SEQUENCE)?.elements()?)?);
    }
    Ok(extensions)
}

fn extension(mut fields: Elements<'_>) -> Result<Extension<'_>, NotDer> {
    let oid = fields.expect(OBJECT_IDENTIFIER)?.content;
    let critical = match fields.optional(BOOLEAN)? {
        // FALSE is the default, which DER omits.
        Some(Element { content: [0xff], .. }) => true,
        Some(_) => return Err(NotDer),
        None => false,
    };
    let value = fields.expect(OCTET_STRING)?.content;
    fields.end()?;
    Ok(Extension { oid, critical, value })
}

pub(crate) fn time(element: Element<'_>) -> Result<SystemTime, NotDer> {
    match element.tag {
        UTC_TIME => UtcTime::from_der(element.raw).map(|time| time.to_system_time()).map_err(|_| NotDer),
        GENERALIZED_TIME => {
            GeneralizedTime::from_der(element.raw).map(|time| time.to_system_time()).map_err(|_| NotDer)
        }
        _ => Err(NotDer),
    }
}

/// Contents of the object identifiers of extensions (RFC 5280, section 4.2).
pub(crate) mod oid {
    pub(crate) const SUBJECT_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 14];
    pub(crate) const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
    pub(crate) const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 17];
    pub(crate) const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
    pub(crate) const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 30];
    pub(crate) const CRL_DISTRIBUTION_POINTS: &[u8] = &[0x55, 0x1d, 31];
    pub(crate) const CERTIFICATE_POLICIES: &[u8] = &[0x55, 0x1d, 32];
    pub(crate) const AUTHORITY_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 35];
    pub(crate) const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 37];
    pub(crate) const CRL_NUMBER: &[u8] = &[0x55, 0x1d, 20];
    pub(crate) const REASON_CODE: &[u8] = &[0x55, 0x1d, 21];
    pub(crate) const INVALIDITY_DATE: &[u8] = &[0x55, 0x1d, 24];
    pub(crate) const ISSUING_DISTRIBUTION_POINT: &[u8] = &[0x55, 0x1d, 28];
    pub(crate) const OCSP_NONCE: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 48, 1, 2];
    pub(crate) const OCSP_NO_CHECK: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 48, 1, 5];
    pub(crate) const AUTHORITY_INFORMATION_ACCESS: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 1];
}

/// uniformResourceIdentifier of a GeneralName: `[6] IMPLICIT IA5String`.
pub(crate) const URI: u8 = 0x86;

/// id-ad-ocsp, an access method.
pub(crate) const OCSP: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 48, 1];

/// id-ad-caIssuers, an access method.
pub(crate) const CA_ISSUERS: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 48, 2];

/// id-on-hardwareModuleName, a kind of otherName.
pub(crate) const HARDWARE_MODULE_NAME: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 8, 4];

/// How many extensions our certificates have; a larger number costs one more allocation.
const EXTENSIONS_USUAL: usize = 8;

//! Parses a CRL, strictly.

use std::time::SystemTime;

use identity::der::{
    BIT_STRING, CONTEXT_0_CONSTRUCTED, Element, Elements, GENERALIZED_TIME, INTEGER, NotDer, SEQUENCE,
    UTC_TIME, only,
};

use super::CrlNumber;
use crate::reading::{Extension, extensions, oid, time};

/// The fields of a `TBSCertList` (RFC 5280, section 5.1), borrowed from the bytes.
pub(super) struct Reading<'a> {
    pub(super) version: Option<&'a [u8]>,
    pub(super) signature: &'a [u8],
    pub(super) issuer: &'a [u8],
    pub(super) this_update: Element<'a>,
    pub(super) next_update: Option<Element<'a>>,
    pub(super) revoked: Option<Element<'a>>,
    pub(super) extensions: Vec<Extension<'a>>,
}

impl<'a> Reading<'a> {
    /// Parses the content of a `TBSCertList`, with or without its entries.
    pub(super) fn of(content: &'a [u8]) -> Result<Self, NotDer> {
        let mut fields = Elements::new(content)?;
        let version = fields.optional(INTEGER)?.map(|version| version.content);
        let signature = fields.expect(SEQUENCE)?.raw;
        let issuer = fields.expect(SEQUENCE)?.raw;
        let this_update = fields.any()?;
        let next_update = match fields.optional(UTC_TIME)? {
            Some(time) => Some(time),
            None => fields.optional(GENERALIZED_TIME)?,
        };
        let revoked = fields.optional(SEQUENCE)?;
        let extensions = match fields.optional(CONTEXT_0_CONSTRUCTED)? {
            Some(explicit) => extensions(only(explicit.content, SEQUENCE)?)?,
            None => Vec::new(),
        };
        fields.end()?;
        Ok(Self { version, signature, issuer, this_update, next_update, revoked, extensions })
    }

    pub(super) fn extension(&self, oid: &[u8]) -> Option<Extension<'a>> {
        self.extensions.iter().copied().find(|extension| extension.oid == oid)
    }

    pub(super) fn number(&self) -> Option<CrlNumber> {
        let value = self.extension(oid::CRL_NUMBER)?.value;
        CrlNumber::from_octets(only(value, INTEGER).ok()?.content)
    }
}

/// The fields of a CRL that the CA uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrlSummary {
    /// cRLNumber.
    pub number: CrlNumber,
    /// thisUpdate.
    pub this_update: SystemTime,
    /// nextUpdate.
    pub next_update: SystemTime,
    /// The issuer's Name, as encoded.
    pub issuer: Box<[u8]>,
    /// Offset and length of the entries' bytes.
    pub entries: (usize, usize),
}

impl CrlSummary {
    /// Reads a CRL of ours. Verifies no signature and reads no entries.
    ///
    /// # Errors
    /// When the bytes are not a CRL of ours.
    pub fn from_der(der: &[u8]) -> Result<Self, CrlReadError> {
        read(der).map_err(|NotDer| CrlReadError)
    }
}

fn read(der: &[u8]) -> Result<CrlSummary, NotDer> {
    let mut outer = only(der, SEQUENCE)?.elements()?;
    let tbs = outer.expect(SEQUENCE)?;
    outer.expect(SEQUENCE)?;
    outer.expect(BIT_STRING)?;
    outer.end()?;
    let reading = Reading::of(tbs.content)?;
    let entries = match reading.revoked {
        Some(revoked) => (offset(der, revoked.content), revoked.content.len()),
        None => (0, 0),
    };
    Ok(CrlSummary {
        number: reading.number().ok_or(NotDer)?,
        this_update: time(reading.this_update)?,
        next_update: time(reading.next_update.ok_or(NotDer)?)?,
        issuer: reading.issuer.into(),
        entries,
    })
}

/// Offset of `part` in `whole`, which contains it.
fn offset(whole: &[u8], part: &[u8]) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize)
}

/// The bytes are not a CRL of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a CRL of Touchmark")]
pub struct CrlReadError;

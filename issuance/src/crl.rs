//! CRLs (RFC 5280, section 5) of any length in bounded memory. Steps: [`CrlDraft::new`], entries written one
//! by one, the same bytes hashed by [`CrlHash`], [`PreparedCrl::seal`]; then head, entries and tail are
//! written out.
//!
//! rcgen would hold the CRL in memory twice; one with a million entries has 50 MB (ADR 0017). The caller
//! keeps the bytes of the entries, and passes them again for the hash once their total length is known.

mod entry;
mod lint;
mod reading;
mod signing;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::SystemTime;

use identity::der::{CONTEXT_0, CONTEXT_0_CONSTRUCTED, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE};

use crate::lint::ensure;
use crate::profile::plain_http;
use crate::reading::{URI, oid};
use crate::time::{self, whole_seconds};
use crate::{Certificate, Refusal, SignatureAlgorithm, encode};

pub use entry::CrlEntry;
pub use reading::{CrlReadError, CrlSummary};
pub use signing::{CrlHash, PreparedCrl, SealedCrl, seal_crl};

/// The fields of a CRL other than its entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrlFields {
    /// cRLNumber; greater than in all earlier CRLs of this scope.
    pub number: CrlNumber,
    /// thisUpdate, in whole seconds.
    pub this_update: SystemTime,
    /// nextUpdate, in whole seconds.
    pub next_update: SystemTime,
    /// The certificates that the CRL covers.
    pub scope: CrlScope,
}

/// Which certificates of its issuer a CRL covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CrlScope {
    /// All certificates. Has no issuingDistributionPoint, for clients that do not know it (R-CRL-09).
    Full,
    /// The end-entity certificates whose CRL distribution point names one of these URLs (R-CRL-08).
    Shard {
        /// The current URL first, then earlier ones.
        urls: Vec<String>,
    },
}

/// cRLNumber (RFC 5280, section 5.2.3): an epoch, raised when a backup is restored, and a counter. Never
/// reused (R-CRL-01).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CrlNumber(u128);

impl CrlNumber {
    /// epoch · 2^64 + counter: at most 17 octets of the 20 that RFC 5280 allows.
    pub fn new(epoch: u64, counter: u64) -> Self {
        Self(u128::from(epoch) << 64 | u128::from(counter))
    }

    /// Epoch and counter.
    pub fn parts(self) -> (u64, u64) {
        let part = |number: u128| u64::try_from(number & u128::from(u64::MAX)).unwrap_or(u64::MAX);
        (part(self.0 >> 64), part(self.0))
    }

    /// The content of the INTEGER.
    pub fn octets(self) -> Vec<u8> {
        let octets: Vec<u8> = self.0.to_be_bytes().into_iter().skip_while(|octet| *octet == 0).collect();
        let positive = octets.first().is_some_and(|first| *first < 0x80);
        if positive { octets } else { [&[0], octets.as_slice()].concat() }
    }

    fn from_octets(octets: &[u8]) -> Option<Self> {
        let octets = if let [0, rest @ ..] = octets { rest } else { octets };
        let mut number = [0; 16];
        number.get_mut(16_usize.checked_sub(octets.len())?..)?.copy_from_slice(octets);
        Some(Self(u128::from_be_bytes(number)))
    }
}

impl fmt::Display for CrlNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A CRL that accepts entries.
#[derive(Debug)]
pub struct CrlDraft {
    /// version, algorithm, issuer, thisUpdate, nextUpdate.
    fields: Vec<u8>,
    /// `[0] EXPLICIT Extensions`.
    extensions: Vec<u8>,
    algorithm: SignatureAlgorithm,
    /// Whether `cACompromise` is allowed: only in a root's CRL.
    of_issuers: bool,
}

impl CrlDraft {
    /// Starts a CRL of `issuer`. The fields are linted; fails closed.
    ///
    /// # Errors
    /// When a rule would be broken.
    pub fn new(issuer: &Certificate, terms: &CrlFields, now: SystemTime) -> Result<Self, Refusal> {
        ensure(issuer.signs_crls(), "R-CRL-04", "the issuer may not sign CRLs")?;
        let key_identifier = issuer.subject_key_identifier();
        let key_identifier =
            key_identifier.ok_or(Refusal::Encoding { what: "a CRL of an issuer without key identifier" })?;
        let algorithm = SignatureAlgorithm::of(issuer.public_key())
            .ok_or(Refusal::Encoding { what: "a CRL of an issuer with such a key" })?;
        if let CrlScope::Shard { urls } = &terms.scope {
            let good = !urls.is_empty() && urls.iter().all(|url| plain_http(url));
            ensure(good, "R-CRL-08", "the CRL of a shard is at http URLs")?;
        }
        let mut fields = vec![INTEGER, 1, 1];
        fields.extend_from_slice(algorithm.identifier());
        fields.extend_from_slice(issuer.subject());
        time::write(&mut fields, terms.this_update)?;
        time::write(&mut fields, terms.next_update)?;
        let extensions = extensions(key_identifier, terms);
        let is_root = issuer.subject() == issuer.issuer();
        lint::lint(
            &[fields.as_slice(), &extensions].concat(),
            &lint::Expected {
                issuer: issuer.subject(),
                key_identifier,
                algorithm,
                terms: &CrlFields {
                    this_update: whole_seconds(terms.this_update),
                    next_update: whole_seconds(terms.next_update),
                    ..terms.clone()
                },
                now,
                is_root,
            },
        )?;
        Ok(Self { fields, extensions, algorithm, of_issuers: is_root })
    }

    /// Lints the entry and appends it to `out`.
    ///
    /// # Errors
    /// When a rule would be broken; `out` is then unchanged.
    pub fn entry(&self, entry: &CrlEntry, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let start = out.len();
        let written = entry.write(out).and_then(|()| {
            let bytes = out.get(start..).unwrap_or_default();
            Ok(lint::entry(bytes, entry, self.of_issuers)?)
        });
        if written.is_err() {
            out.truncate(start);
        }
        written
    }

    /// Ends the entries. Their bytes, `entries_bytes` in all, are passed again to the hash.
    pub fn hash(self, entries_bytes: u64) -> Result<CrlHash, Refusal> {
        CrlHash::new(self.fields, self.extensions, self.algorithm, entries_bytes)
    }
}

/// authorityKeyIdentifier, cRLNumber and, for a shard, issuingDistributionPoint.
fn extensions(key_identifier: &[u8], terms: &CrlFields) -> Vec<u8> {
    let authority = encode::wrapped(SEQUENCE, &encode::wrapped(CONTEXT_0, key_identifier));
    let number = encode::wrapped(INTEGER, &terms.number.octets());
    let mut list = extension(oid::AUTHORITY_KEY_IDENTIFIER, false, &authority);
    list.extend(extension(oid::CRL_NUMBER, false, &number));
    if let CrlScope::Shard { urls } = &terms.scope {
        let names: Vec<u8> = urls.iter().flat_map(|url| encode::wrapped(URI, url.as_bytes())).collect();
        let full_name = encode::wrapped(CONTEXT_0_CONSTRUCTED, &names);
        let mut point = encode::wrapped(CONTEXT_0_CONSTRUCTED, &full_name);
        point.extend_from_slice(ONLY_USER_CERTIFICATES);
        let point = encode::wrapped(SEQUENCE, &point);
        list.extend(extension(oid::ISSUING_DISTRIBUTION_POINT, true, &point));
    }
    encode::wrapped(CONTEXT_0_CONSTRUCTED, &encode::wrapped(SEQUENCE, &list))
}

/// One extension (RFC 5280, section 4.1).
pub(crate) fn extension(oid: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let mut fields = encode::wrapped(OBJECT_IDENTIFIER, oid);
    if critical {
        fields.extend_from_slice(&[identity::der::BOOLEAN, 1, 0xff]);
    }
    encode::element(&mut fields, OCTET_STRING, value);
    encode::wrapped(SEQUENCE, &fields)
}

/// `[1] onlyContainsUserCerts TRUE`.
const ONLY_USER_CERTIFICATES: &[u8] = &[0x81, 1, 0xff];

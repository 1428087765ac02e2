//! One entry of a CRL.

use std::time::SystemTime;

use identity::der::{INTEGER, SEQUENCE};
use identity::{RevocationReason, SerialNumber};

use crate::{Refusal, encode, time};

/// A certificate that is revoked or held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrlEntry {
    /// The certificate's serial number.
    pub serial_number: SerialNumber,
    /// revocationDate, in whole seconds; never changes (R-CRL-06).
    pub revoked_at: SystemTime,
    /// reasonCode.
    pub reason: RevocationReason,
    /// invalidityDate, if known: when the key may have been compromised (RFC 5280, section 5.3.2).
    pub invalidity_date: Option<SystemTime>,
}

impl CrlEntry {
    /// `SEQUENCE { serial, revocationDate, extensions }`; about 37 to 75 octets.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let mut fields = Vec::with_capacity(ENTRY_BYTES_USUAL);
        encode::element(&mut fields, INTEGER, self.serial_number.as_bytes());
        time::write(&mut fields, self.revoked_at)?;
        let mut extensions = Vec::with_capacity(ENTRY_BYTES_USUAL);
        // "the reason code CRL entry extension SHOULD be absent instead of using the unspecified (0)
        // reasonCode value" -- <https://www.rfc-editor.org/rfc/rfc5280#section-5.3.1> (R-CRL-05)
        if self.reason != RevocationReason::Unspecified {
            extensions.extend_from_slice(REASON_CODE);
            extensions.push(self.reason.code());
        }
        if let Some(date) = self.invalidity_date {
            extensions.extend_from_slice(INVALIDITY_DATE);
            time::write_generalized(&mut extensions, date)?;
        }
        if !extensions.is_empty() {
            encode::element(&mut fields, SEQUENCE, &extensions);
        }
        encode::element(out, SEQUENCE, &fields);
        Ok(())
    }
}

/// reasonCode, not critical, up to the value of the ENUMERATED.
const REASON_CODE: &[u8] = &[0x30, 10, 6, 3, 0x55, 0x1d, 21, 4, 3, 10, 1];

/// invalidityDate, not critical, up to the GeneralizedTime, which has 17 octets.
const INVALIDITY_DATE: &[u8] = &[0x30, 24, 6, 3, 0x55, 0x1d, 24, 4, 17];

/// Makes one allocation enough for an entry.
const ENTRY_BYTES_USUAL: usize = 80;

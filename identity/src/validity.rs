//! The validity of certificates.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// notBefore and notAfter, both inclusive, in whole seconds (RFC 5280, section 4.1.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Validity {
    not_before: SystemTime,
    not_after: SystemTime,
}

impl Validity {
    /// Cuts fractions of seconds.
    ///
    /// # Errors
    /// When the end is before the beginning, the beginning before 1970, or the end after the year 9999.
    pub fn new(not_before: SystemTime, not_after: SystemTime) -> Result<Self, ValidityError> {
        let (not_before, not_after) = (whole_seconds(not_before)?, whole_seconds(not_after)?);
        if not_before > not_after {
            return Err(ValidityError::EndsBeforeItBegins);
        }
        if not_after > no_well_defined_expiration() {
            return Err(ValidityError::OutOfRange);
        }
        Ok(Self { not_before, not_after })
    }

    /// notBefore.
    pub fn not_before(&self) -> SystemTime {
        self.not_before
    }

    /// notAfter.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// Whether `now` is within.
    pub fn contains(&self, now: SystemTime) -> bool {
        self.not_before <= now && now < self.not_after + Duration::from_secs(1)
    }
}

/// "To indicate that a certificate has no well-defined expiration date, the notAfter SHOULD be assigned the
/// GeneralizedTime value of 99991231235959Z." -- <https://www.rfc-editor.org/rfc/rfc5280#section-4.1.2.5>
pub fn no_well_defined_expiration() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(253_402_300_799)
}

fn whole_seconds(time: SystemTime) -> Result<SystemTime, ValidityError> {
    let since_epoch = time.duration_since(UNIX_EPOCH).map_err(|_| ValidityError::OutOfRange)?;
    Ok(UNIX_EPOCH + Duration::from_secs(since_epoch.as_secs()))
}

/// Why two times are not a [`Validity`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum ValidityError {
    #[error("a certificate cannot end before it begins")]
    EndsBeforeItBegins,
    #[error("a certificate is valid between the years 1970 and 9999")]
    OutOfRange,
}

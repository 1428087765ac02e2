//! How the CA is: its clock, the ends of its own certificates, and what it recorded while its clock was wrong.

use std::time::{Duration, SystemTime};

use identity::{ClockDoubt, IssuerName};
use store::CertificateRecord;

use super::{Authority, Refused};

/// How the CA is.
#[derive(Debug, Clone)]
pub struct Condition {
    /// The time that it goes by.
    pub time: SystemTime,
    /// Why its clock is in doubt; `None`: it is not.
    pub doubt: Option<ClockDoubt>,
    /// When its own certificates end, the server's first.
    pub ends: Vec<End>,
    /// Certificates that were recorded while the clock was ahead, neither revoked nor ended, newest first: at most [`RECORDED_AHEAD_MAX`] and
    /// one more, which tells that there are more.
    pub recorded_ahead: Vec<CertificateRecord>,
}

/// When a certificate of the CA ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// `server`, or the issuer's name.
    pub name: String,
    /// Its last second.
    pub not_after: SystemTime,
}

impl End {
    /// How long before its end somebody is to be told. To replace an issuer takes longer than to replace a server's certificate: what the
    /// issuer signs from then on is cut short.
    pub fn told_before(&self) -> Duration {
        if self.name == SERVER { SERVER_TOLD_BEFORE } else { ISSUER_TOLD_BEFORE }
    }
}

impl Authority {
    /// How it is now.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn condition(&self) -> Result<Condition, Refused> {
        let (time, doubt) = (self.clock.now(), self.clock.doubt());
        let mut recorded_ahead = self.store.recorded_ahead(time, RECORDED_AHEAD_MAX + 1).await?;
        recorded_ahead.retain(|record| record.certificate().validity.not_after() >= time);
        Ok(Condition { time, doubt, ends: self.ends(), recorded_ahead })
    }
}

impl Authority {
    /// Takes note of the certificate that the server shows, at the start and whenever it shows another: until when it may.
    pub fn serves_until(&self, not_after: SystemTime) {
        *self.server_ends.lock() = Some(not_after);
    }

    /// When its own certificates end, the server's first.
    pub fn ends(&self) -> Vec<End> {
        let server = *self.server_ends.lock();
        let server = server.map(|not_after| End { name: SERVER.to_owned(), not_after });
        let issuers = IssuerName::ALL.into_iter().map(|name| End {
            name: name.to_string(),
            not_after: self.issuers.certificate(name).validity().not_after(),
        });
        server.into_iter().chain(issuers).collect()
    }
}

/// The most certificates that are named: an operator who reads more takes a list.
pub const RECORDED_AHEAD_MAX: usize = 100;

/// What the server's certificate is called.
const SERVER: &str = "server";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// It lives 90 days and is replaced in minutes.
const SERVER_TOLD_BEFORE: Duration = Duration::from_secs(30 * DAY.as_secs());

/// The longest life of a certificate that an issuer signs for a device is 90 days, and as long again to bring another issuer to a fleet.
const ISSUER_TOLD_BEFORE: Duration = Duration::from_secs(180 * DAY.as_secs());

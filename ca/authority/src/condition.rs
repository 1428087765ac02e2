//! The condition of the CA: its clock, the ends of its certificates, what it recorded with a wrong clock.

use std::time::{Duration, SystemTime};

use identity::{ClockDoubt, IssuerName};
use store::CertificateRecord;

use super::{Authority, Refused};

/// The condition of the CA.
#[derive(Debug, Clone)]
pub struct Condition {
    /// The CA's time.
    pub time: SystemTime,
    /// Why its clock is in doubt; `None` if it is not.
    pub doubt: Option<ClockDoubt>,
    /// When its own certificates expire, the server's first.
    pub ends: Vec<End>,
    /// Certificates that were recorded while the clock was ahead, neither revoked nor expired, newest first:
    /// at most [`RECORDED_AHEAD_MAX`], and one more if there are more.
    pub recorded_ahead: Vec<CertificateRecord>,
}

/// When a certificate of the CA expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// `server`, `documents` or the name of the issuer.
    pub name: String,
    /// The notAfter of the certificate.
    pub not_after: SystemTime,
}

impl End {
    /// How long before its expiry the operator is warned. To replace an issuer takes longer than to replace a
    /// server's certificate, and certificates that it signs meanwhile expire with it.
    pub fn told_before(&self) -> Duration {
        match self.name.as_str() {
            SERVER => SERVER_TOLD_BEFORE,
            DOCUMENTS => DOCUMENTS_TOLD_BEFORE,
            _ => ISSUER_TOLD_BEFORE,
        }
    }
}

impl Authority {
    /// The condition now.
    pub async fn condition(&self) -> Result<Condition, Refused> {
        let (time, doubt) = (self.clock.now(), self.clock.doubt());
        let mut recorded_ahead = self.store.recorded_ahead(time, RECORDED_AHEAD_MAX + 1).await?;
        recorded_ahead.retain(|record| record.certificate().validity.not_after() >= time);
        Ok(Condition { time, doubt, ends: self.ends(), recorded_ahead })
    }
}

impl Authority {
    /// Notes when the certificate that the server shows expires, at the start and whenever it is replaced.
    pub fn serves_until(&self, not_after: SystemTime) {
        *self.server_ends.lock() = Some(not_after);
    }

    /// When the CA's own certificates expire, the server's first.
    pub fn ends(&self) -> Vec<End> {
        let server = *self.server_ends.lock();
        let server = server.map(|not_after| End { name: SERVER.to_owned(), not_after });
        let issuers = IssuerName::ALL.into_iter().map(|name| End {
            name: name.to_string(),
            not_after: self.issuers.certificate(name).validity().not_after(),
        });
        let documents = self.documents.as_ref().map(|signer| End {
            name: DOCUMENTS.to_owned(),
            not_after: signer.certificate().validity().not_after(),
        });
        server.into_iter().chain(issuers).chain(documents).collect()
    }
}

/// The most certificates that are named here; a listing has all of them.
pub const RECORDED_AHEAD_MAX: usize = 100;

const SERVER: &str = "server";
const DOCUMENTS: &str = "documents";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Its lifetime is 90 days, and it is replaced in minutes.
const SERVER_TOLD_BEFORE: Duration = Duration::from_secs(30 * DAY.as_secs());

/// The root's key must be fetched.
const DOCUMENTS_TOLD_BEFORE: Duration = Duration::from_secs(60 * DAY.as_secs());

/// Operational certificates live 90 days at most; another 90 days bring a new issuer to a fleet.
const ISSUER_TOLD_BEFORE: Duration = Duration::from_secs(180 * DAY.as_secs());

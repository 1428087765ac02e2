//! CRLs and OCSP responses, made from the ledger (ADR 0020).
//!
//! A revocation replaces the CRL of one shard at once; the full CRL of the issuer follows, concatenated from
//! its shards.

mod crl;
mod crl_directory;
mod crl_number_file;
mod crl_numbers;
mod crl_storage;
mod delegate;
#[cfg(test)]
mod fake;
mod ledger_head;
mod making;
mod ocsp_cache;
mod ocsp_responder;
mod publisher;
mod reserve;
mod root_crl;
mod schedule;
mod source;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use identity::IssuerName;
use parking_lot::{Mutex, RwLock};
use signer::Issuers;

pub use crl::{Crl, CrlId, CrlMeta};
pub use crl_directory::CrlDirectory;
pub use crl_number_file::CrlNumberFile;
pub use crl_numbers::{CrlNumberError, CrlNumberRange, CrlNumbers, LedgerHead};
pub use crl_storage::{CrlEntries, CrlStorage};
pub use delegate::{Delegate, DelegateIssuer, DelegationError};
pub use ledger_head::LedgerHeadRecorder;
pub use ocsp_responder::{CacheValidity, OcspFigures, OcspReply, OcspResponder};
pub use publisher::{PublicationStorage, PublishError, Publisher};
pub use root_crl::{
    RootCrlDraft, RootCrlError, read_root_crl, root_crl_file, root_crl_signed_elsewhere, write_root_crl,
};
pub use source::{StatusSource, StoreStatus};

/// The CRLs that are published now: written by the [`Publisher`], read by the front doors.
#[derive(Debug)]
pub struct Publication {
    crls: RwLock<HashMap<CrlId, Arc<Crl>>>,
    certificates: HashMap<IssuerName, Bytes>,
    published: AtomicU64,
    failures: AtomicU64,
    /// When the first of the failing rounds of publication was; `None`: the last one succeeded.
    failing_since: Mutex<Option<Instant>>,
}

impl Publication {
    /// No CRLs yet, only the issuers' certificates.
    pub fn new(issuers: &Issuers) -> Self {
        let certificate = |name| (name, Bytes::copy_from_slice(issuers.certificate(name).der()));
        Self {
            crls: RwLock::default(),
            certificates: IssuerName::ALL.map(certificate).into(),
            published: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            failing_since: Mutex::default(),
        }
    }

    /// How long publication has been failing; zero: CRLs are up to date with the ledger.
    pub fn lag(&self) -> Duration {
        let since = *self.failing_since.lock();
        since.map(|since| since.elapsed()).unwrap_or_default()
    }

    /// The newest CRL; `None`: there is none yet, or no such shard.
    pub fn crl(&self, id: CrlId) -> Option<Arc<Crl>> {
        self.crls.read().get(&id).cloned()
    }

    /// An issuer's certificate, X.509 DER.
    pub fn certificate(&self, issuer: IssuerName) -> Option<Bytes> {
        self.certificates.get(&issuer).cloned()
    }

    /// Figures for metrics.
    pub fn figures(&self, now: SystemTime) -> PublicationFigures {
        let crls = self.crls.read();
        let mut issuers: HashMap<IssuerName, IssuerFigures> = HashMap::new();
        for crl in crls.values() {
            let left = seconds_between(now, crl.meta.next_update);
            let age = seconds_between(crl.meta.this_update, now);
            let figures = issuers.entry(crl.meta.id.issuer).or_insert(IssuerFigures {
                to_expiry: left,
                age,
                crls: 0,
                revoked: 0,
            });
            figures.to_expiry = figures.to_expiry.min(left);
            figures.age = figures.age.max(age);
            figures.crls += 1;
            if crl.meta.id.shard.is_none() {
                figures.revoked = crl.meta.count;
            }
        }
        PublicationFigures {
            issuers: issuers.into_iter().map(|(issuer, figures)| (issuer.to_string(), figures)).collect(),
            published: self.published.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            lag: self.lag(),
        }
    }

    /// Replaces a CRL.
    pub fn publish(&self, mut crl: Crl) {
        let mut crls = self.crls.write();
        let before = crls.get(&crl.meta.id).map(|before| before.meta.this_update);
        crl.shares_second = before.is_some_and(|before| same_second(before, crl.meta.this_update));
        crls.insert(crl.meta.id, Arc::new(crl));
        drop(crls);
        self.published.fetch_add(1, Ordering::Relaxed);
    }
}

/// Figures of publication for metrics.
#[derive(Debug, Clone, Default)]
pub struct PublicationFigures {
    /// By issuer.
    pub issuers: Vec<(String, IssuerFigures)>,
    /// CRLs published since the start.
    pub published: u64,
    /// Rounds of publication that failed since the start.
    pub failures: u64,
    /// How long publication has been failing; zero: CRLs are up to date with the ledger.
    pub lag: Duration,
}

/// Figures of one issuer's CRLs.
#[derive(Debug, Clone, Copy)]
pub struct IssuerFigures {
    /// Seconds until the first nextUpdate; negative: it has passed.
    pub to_expiry: f64,
    /// Seconds since the oldest thisUpdate.
    pub age: f64,
    /// Number of CRLs.
    pub crls: u64,
    /// Revoked certificates on the full CRL.
    pub revoked: u64,
}

/// Whether both times are the same HTTP date, which is in seconds.
fn same_second(one: SystemTime, other: SystemTime) -> bool {
    let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    seconds(one) == seconds(other)
}

fn seconds_between(from: SystemTime, to: SystemTime) -> f64 {
    match to.duration_since(from) {
        Ok(later) => later.as_secs_f64(),
        Err(earlier) => -earlier.duration().as_secs_f64(),
    }
}

/// From the signature of a CRL to its nextUpdate (R-CRL-03).
pub const CRL_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// The age at which a CRL is replaced even if nothing changed: a fetched CRL is valid for at least 18 hours
/// (R-CRL-03).
pub const CRL_RENEWED_AFTER: Duration = Duration::from_secs(6 * 60 * 60);

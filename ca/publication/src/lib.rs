//! Who must know what became of a certificate: revocation lists and answers about status, as the ledger has it. The ledger decides; here
//! it is only said (ADR 0020).
//!
//! One revocation makes one shard's list new, at once; the list of the whole issuer follows, put together from the lists of its shards.

mod crl;
mod crl_directory;
mod crl_numbers;
mod delegate;
#[cfg(test)]
mod fake;
mod full_crl;
mod ledger_head;
mod ocsp_cache;
mod ocsp_responder;
mod publisher;
mod reserve;
mod root_crl;
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

pub use crl::{Crl, CrlId};
pub use crl_numbers::{CrlNumberError, CrlNumberFile, CrlNumberRange, CrlNumbers, LedgerHead};
pub use delegate::{Delegate, DelegateIssuer, DelegationError};
pub use ledger_head::LedgerHeadRecorder;
pub use ocsp_responder::{CacheValidity, OcspFigures, OcspReply, OcspResponder};
pub use publisher::{PublishError, Publisher};
pub use root_crl::{
    RootCrlDraft, RootCrlError, read_root_crl, root_crl_file, root_crl_signed_elsewhere, write_root_crl,
};
pub use source::{Ledger, StatusSource};

/// What is published now. Written by the [`Publisher`], read by everybody.
#[derive(Debug)]
pub struct Publication {
    lists: RwLock<HashMap<CrlId, Arc<Crl>>>,
    certificates: HashMap<IssuerName, Bytes>,
    published: AtomicU64,
    failures: AtomicU64,
    /// Since when rounds of publication fail.
    behind_since: Mutex<Option<Instant>>,
}

impl Publication {
    /// Nothing but the issuers' certificates.
    pub fn new(issuers: &Issuers) -> Self {
        let certificate = |name| (name, Bytes::copy_from_slice(issuers.certificate(name).der()));
        Self {
            lists: RwLock::default(),
            certificates: IssuerName::ALL.map(certificate).into(),
            published: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            behind_since: Mutex::default(),
        }
    }

    /// For how long what is on record may not have been in the lists; zero: they keep up with the ledger.
    pub fn lag(&self) -> Duration {
        let since = *self.behind_since.lock();
        since.map(|since| since.elapsed()).unwrap_or_default()
    }

    /// A round of publication failed.
    fn round_failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let mut since = self.behind_since.lock();
        since.get_or_insert_with(Instant::now);
    }

    /// A round of publication went well.
    fn round_succeeded(&self) {
        *self.behind_since.lock() = None;
    }

    /// The newest list of this name; `None`: there is none yet, or no such shard.
    pub fn crl(&self, name: CrlId) -> Option<Arc<Crl>> {
        self.lists.read().get(&name).cloned()
    }

    /// An issuer's certificate, X.509 DER.
    pub fn certificate(&self, issuer: IssuerName) -> Option<Bytes> {
        self.certificates.get(&issuer).cloned()
    }

    /// Figures for metrics.
    pub fn figures(&self, now: SystemTime) -> PublicationFigures {
        let lists = self.lists.read();
        let mut issuers: HashMap<IssuerName, IssuerFigures> = HashMap::new();
        for crl in lists.values() {
            let left = seconds_between(now, crl.next_update);
            let age = seconds_between(crl.this_update, now);
            let figures = issuers.entry(crl.name.issuer).or_insert(IssuerFigures {
                to_expiry: left,
                age,
                crls: 0,
                revoked: 0,
            });
            figures.to_expiry = figures.to_expiry.min(left);
            figures.age = figures.age.max(age);
            figures.crls += 1;
            if crl.name.shard.is_none() {
                figures.revoked = crl.count;
            }
        }
        PublicationFigures {
            issuers: issuers.into_iter().map(|(issuer, figures)| (issuer.to_string(), figures)).collect(),
            published: self.published.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            lag: self.lag(),
        }
    }

    /// Publishes the list that was signed where the root's key is.
    pub fn publish_root_crl(&self, crl: Crl) {
        self.publish(Arc::new(crl));
    }

    fn publish(&self, mut crl: Arc<Crl>) {
        let mut lists = self.lists.write();
        if lists.get(&crl.name).is_some_and(|before| same_second(before.this_update, crl.this_update)) {
            Arc::make_mut(&mut crl).shares_second = true;
        }
        lists.insert(crl.name, crl);
        drop(lists);
        self.published.fetch_add(1, Ordering::Relaxed);
    }
}

/// Figures of what is published.
#[derive(Debug, Clone, Default)]
pub struct PublicationFigures {
    /// By issuer.
    pub issuers: Vec<(String, IssuerFigures)>,
    /// Lists published since the start.
    pub published: u64,
    /// Rounds of publication that failed since the start.
    pub failures: u64,
    /// For how long what is on record may not have been in the lists; zero: they keep up with the ledger.
    pub lag: Duration,
}

/// Figures of one issuer's lists.
#[derive(Debug, Clone, Copy)]
pub struct IssuerFigures {
    /// Seconds until the first of them ends; negative: ended.
    pub to_expiry: f64,
    /// Seconds since the oldest was made.
    pub age: f64,
    /// How many lists there are.
    pub crls: u64,
    /// How many certificates the whole list lists.
    pub revoked: u64,
}

/// Whether HTTP, which knows whole seconds, writes both moments in the same way.
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

/// How long a list may be believed (R-CRL-03).
pub const CRL_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// How old a list becomes before it is made again, changed or not: whoever fetches one has at least 18 hours with it (R-CRL-03).
pub const CRL_RENEWED_AFTER: Duration = Duration::from_secs(6 * 60 * 60);

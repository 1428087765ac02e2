//! Who must know what became of a certificate: revocation lists and answers about status, as the ledger has it. The ledger decides; here
//! it is only said (ADR 0020).
//!
//! One revocation makes one shard's list new, at once; the list of the whole issuer follows, put together from the lists of its shards.

mod answers;
mod cache;
mod delegate;
#[cfg(test)]
mod fake;
mod ledger_end;
mod list;
mod numbers;
mod publisher;
mod reserve;
mod root;
mod shelf;
mod source;
#[cfg(test)]
mod tests;
mod whole;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use identity::IssuerName;
use parking_lot::{Mutex, RwLock};
use signer::Issuers;

pub use answers::{Answered, Answers, AnswersFigures, Fresh};
pub use delegate::{Delegate, Delegating, DelegationError};
pub use ledger_end::LedgerEnd;
pub use list::{List, ListName};
pub use numbers::{CrlNumbers, Numbers, NumbersError, Seen};
pub use publisher::{PublishError, Publisher};
pub use root::{
    RootListDraft, RootListError, read_root_list, root_list_file, root_list_signed_elsewhere, write_root_list,
};
pub use source::{Ledger, StatusSource};

/// What is published now. Written by the [`Publisher`], read by everybody.
#[derive(Debug)]
pub struct Publication {
    lists: RwLock<HashMap<ListName, Arc<List>>>,
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
    fn falls_behind(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let mut since = self.behind_since.lock();
        since.get_or_insert_with(Instant::now);
    }

    /// A round of publication went well.
    fn keeps_up(&self) {
        *self.behind_since.lock() = None;
    }

    /// The newest list of this name; `None`: there is none yet, or no such shard.
    pub fn list(&self, name: ListName) -> Option<Arc<List>> {
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
        for list in lists.values() {
            let left = seconds_between(now, list.next_update);
            let age = seconds_between(list.this_update, now);
            let figures = issuers.entry(list.name.issuer).or_insert(IssuerFigures {
                to_expiry: left,
                age,
                lists: 0,
                listed: 0,
            });
            figures.to_expiry = figures.to_expiry.min(left);
            figures.age = figures.age.max(age);
            figures.lists += 1;
            if list.name.shard.is_none() {
                figures.listed = list.count;
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
    pub fn take_root_list(&self, list: List) {
        self.publish(Arc::new(list));
    }

    fn publish(&self, mut list: Arc<List>) {
        let mut lists = self.lists.write();
        if lists.get(&list.name).is_some_and(|before| same_second(before.this_update, list.this_update)) {
            Arc::make_mut(&mut list).shares_second = true;
        }
        lists.insert(list.name, list);
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
    pub lists: u64,
    /// How many certificates the whole list lists.
    pub listed: u64,
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
pub const LIST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// How old a list becomes before it is made again, changed or not: whoever fetches one has at least 18 hours with it (R-CRL-03).
pub const LIST_RENEWED_AFTER: Duration = Duration::from_secs(6 * 60 * 60);

//! Makes lists new when they must be: a shard's as soon as something in it changed, the whole issuer's soon after, and all of them by
//! the clock.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use identity::{Clock, IssuerName};
use issuance::{CrlDraft, CrlNumber, CrlScope, CrlTerms, Refusal, crl_url};
use ledger::EntryNumber;
use parking_lot::Mutex;
use signer::{Issuer, Issuers, SignerError};
use store::StoreError;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::list::{List, ListName};
use super::shelf::{Label, Shelf};
use super::{
    LIST_LIFE, LIST_RENEWED_AFTER, LedgerEnd, Numbers, NumbersError, Publication, Seen, StatusSource, whole,
};

/// Owns the directory of the lists and the numbers. There is one.
pub struct Publisher<S> {
    source: Arc<S>,
    issuers: Issuers,
    clock: Arc<dyn Clock>,
    numbers: Arc<Numbers>,
    shelf: Arc<Mutex<Shelf>>,
    publication: Arc<Publication>,
    /// How everybody reaches the lists: in their distribution points as in the certificates'.
    public_url: String,
    /// How long before its making a list says that it begins.
    backdate: Duration,
    /// Where the ledger ended when it was last looked at; since when all lists have begun, and when the first is to be renewed.
    looked: Option<Looked>,
    /// When each whole list was made, by the steady clock.
    wholes_made: Vec<(IssuerName, Instant)>,
}

impl<S: StatusSource> Publisher<S> {
    /// Opens the directory `dir` and publishes what is in it and still good.
    ///
    /// # Errors
    /// When the directory cannot be used.
    pub async fn open(
        dir: &Path,
        source: Arc<S>,
        issuers: Issuers,
        numbers: Numbers,
        publication: Arc<Publication>,
        public_url: String,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, PublishError> {
        let shelf = dir.to_owned();
        let (shelf, lists) = blocking(move || Shelf::open(&shelf).map_err(PublishError::Io)).await?;
        let numbers = Arc::new(numbers);
        let kept = Arc::clone(&numbers);
        blocking(move || {
            kept.keep_room();
            Ok(())
        })
        .await?;
        let now = clock.now();
        for list in lists.into_iter().filter(|list| list.next_update > now) {
            publication.publish(Arc::new(list));
        }
        Ok(Self {
            source,
            issuers,
            clock,
            numbers,
            shelf: Arc::new(Mutex::new(shelf)),
            publication,
            public_url,
            backdate: Duration::ZERO,
            looked: None,
            wholes_made: Vec::new(),
        })
    }

    /// Lists say that they begin so long before their making, for readers whose clocks are behind (ADR 0036).
    #[must_use]
    pub fn backdated(self, backdate: Duration) -> Self {
        Self { backdate, ..self }
    }

    /// Publishes until `stop`. What fails is tried again; what is published stays published.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut failing = false;
        loop {
            let began = Instant::now();
            let pause = match self.round().await {
                Ok(_) => {
                    self.publication.keeps_up();
                    if std::mem::take(&mut failing) {
                        info!("CRLs are published again");
                    }
                    // At most half of one core's time, whatever happens: a mass revocation must not wait for its own publication.
                    began.elapsed().clamp(LOOK_INTERVAL, ROUND_PAUSE_MAX)
                }
                Err(why) => {
                    self.publication.falls_behind();
                    if !std::mem::replace(&mut failing, true) {
                        let why: &dyn std::error::Error = &why;
                        error!(why, "CRLs cannot be published; trying again");
                    }
                    FAILURE_PAUSE
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// What notes the end of the ledger beside the numbers of the lists: to be run beside this publisher.
    pub fn ledger_end(&self) -> LedgerEnd<S> {
        LedgerEnd::new(Arc::clone(&self.source), Arc::clone(&self.numbers))
    }

    /// Makes what is due. Returns how many lists were published.
    ///
    /// # Errors
    /// When one cannot be made; those before it are published.
    pub async fn round(&mut self) -> Result<usize, PublishError> {
        let (now, head) = (self.clock.now(), self.source.head());
        // A list says what time it is: none is made while nobody knows.
        if self.clock.doubt().is_some() {
            return Ok(0);
        }
        let nothing_new = |looked: Looked| looked.head == head && (looked.begun..looked.renew).contains(&now);
        if self.looked.is_some_and(nothing_new) && !self.wholes_wait() {
            return Ok(0);
        }
        let shards = self.due_shards(now);
        let mut published = 0;
        if !shards.is_empty() {
            let mut numbers = self.take(shards.len()).await?;
            for (name, changed) in shards {
                let number = numbers.next().ok_or(NumbersError::Exhausted)?;
                let list = self.make_shard(name, changed, number, now).await?;
                self.publication.publish(Arc::new(list));
                published += 1;
            }
        }
        let wholes = self.due_wholes(now);
        if !wholes.is_empty() {
            let mut numbers = self.take(wholes.len()).await?;
            for issuer in wholes {
                let number = numbers.next().ok_or(NumbersError::Exhausted)?;
                self.make_whole(issuer, number, now).await?;
                published += 1;
            }
        }
        if published > 0 {
            self.on_shelf(|shelf| shelf.save()).await?;
        }
        self.looked = Some(self.looked_at(head, now));
        Ok(published)
    }

    /// Numbers, on disk with the end of the ledger before any list has one.
    async fn take(&mut self, count: usize) -> Result<super::CrlNumbers, PublishError> {
        let seen = Seen::end_of(self.source.as_ref()).await?;
        let (numbers, count) = (Arc::clone(&self.numbers), count as u64);
        blocking(move || numbers.take(count, seen).map_err(PublishError::Numbers)).await
    }

    fn due_shards(&self, now: SystemTime) -> Vec<(ListName, EntryNumber)> {
        let mut due = Vec::new();
        for issuer in SIGNING {
            for shard in 0..self.source.shards(issuer).max(1) {
                let name = ListName { issuer, shard: Some(shard) };
                let changed = self.source.last_change(issuer, shard);
                let good = self
                    .publication
                    .list(name)
                    .is_some_and(|list| list.as_of == changed && is_fresh(&list, now));
                if !good {
                    due.push((name, changed));
                }
            }
        }
        due
    }

    /// The lists of the shards of an issuer, in order.
    fn parts(&self, issuer: IssuerName) -> Vec<Arc<List>> {
        let shards = 0..self.source.shards(issuer).max(1);
        shards.filter_map(|shard| self.publication.list(ListName { issuer, shard: Some(shard) })).collect()
    }

    fn due_wholes(&self, now: SystemTime) -> Vec<IssuerName> {
        let due = |issuer: &IssuerName| {
            let name = ListName { issuer: *issuer, shard: None };
            let Some(list) = self.publication.list(name) else { return true };
            if !is_fresh(&list, now) {
                return true;
            }
            let made = self.wholes_made.iter().find(|(of, _)| of == issuer).map(|(_, made)| made.elapsed());
            let waited = made.is_none_or(|made| made >= whole::renewed_after(list.length()));
            waited && whole::as_of(&self.parts(*issuer)) != list.as_of
        };
        SIGNING.into_iter().filter(due).collect()
    }

    /// Whether a whole list is not what its shards' lists are, and waits for its time.
    fn wholes_wait(&self) -> bool {
        SIGNING.into_iter().any(|issuer| {
            let list = self.publication.list(ListName { issuer, shard: None });
            list.is_none_or(|list| whole::as_of(&self.parts(issuer)) != list.as_of)
        })
    }

    fn looked_at(&self, head: EntryNumber, now: SystemTime) -> Looked {
        let lists = self.publication.lists.read();
        let begun = lists.values().filter(|list| list.name.issuer != IssuerName::Root);
        let begun = || begun.clone().map(|list| list.this_update);
        Looked {
            head,
            begun: begun().max().unwrap_or(now),
            renew: begun().min().map_or(now, |first| first + LIST_RENEWED_AFTER),
        }
    }

    /// What a new list says: that it begins a little before now, and after the list that it follows, so that HTTP tells the two apart by
    /// their dates. One from the future was made by a clock that was wrong.
    fn terms(&self, name: ListName, number: CrlNumber, now: SystemTime, scope: CrlScope) -> CrlTerms {
        let earliest = now.checked_sub(self.backdate).unwrap_or(now);
        let before = self.publication.list(name).map(|list| list.this_update).filter(|before| *before <= now);
        let this_update = before.map_or(earliest, |before| earliest.max(before + STEP)).min(now);
        CrlTerms { number, this_update, next_update: now + LIST_LIFE, scope }
    }

    async fn make_shard(
        &mut self,
        name: ListName,
        changed: EntryNumber,
        number: CrlNumber,
        now: SystemTime,
    ) -> Result<List, PublishError> {
        let ListName { issuer, shard } = name;
        let shard = shard.unwrap_or_default();
        let by = self.issuers.signing(issuer).ok_or(SignerError::Unavailable)?.clone();
        let url = crl_url(&format!("{}/crl/{issuer}", self.public_url), Some(shard));
        let terms = self.terms(name, number, now, CrlScope::Shard { urls: vec![url] });
        let draft = CrlDraft::new(&by.certificate, &terms, now)?;
        let (mut entries, mut count, mut from) = (Vec::new(), 0, Some(0));
        while let Some(place) = from {
            let (page, next) = self.source.listed(issuer, shard, place, PAGE, now).await?;
            count += page.len() as u64;
            for entry in &page {
                draft.entry(entry, &mut entries)?;
            }
            from = next;
            // A page takes about a millisecond; others wait for this thread.
            tokio::task::yield_now().await;
        }
        let length = entries.len() as u64;
        let mut hash = draft.hash(length)?;
        hash.entries(&entries)?;
        let prepared = hash.finish()?;
        let signature = by.signer.sign_digest(prepared.digest()).await?;
        let sealed = prepared.seal(&signature)?;
        let label = label(name, &terms, changed, count);
        let put = move |shelf: &mut Shelf| shelf.put(&label, &sealed, length, |out| out.write_all(&entries));
        let list = self.on_shelf(put).await?;
        if list.length() > LARGE_BYTES {
            warn!(crl.issuer = %issuer, crl.shard = shard, crl.bytes = list.length(), "a shard's list is large");
        }
        Ok(list)
    }

    /// Files are written on a thread that may wait.
    async fn on_shelf<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Shelf) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, PublishError> {
        let shelf = Arc::clone(&self.shelf);
        let work = move || work(&mut shelf.lock());
        blocking(move || work().map_err(PublishError::Io)).await
    }

    async fn make_whole(
        &mut self,
        issuer: IssuerName,
        number: CrlNumber,
        now: SystemTime,
    ) -> Result<(), PublishError> {
        let by: Issuer = self.issuers.signing(issuer).ok_or(SignerError::Unavailable)?.clone();
        let parts = self.parts(issuer);
        let name = ListName { issuer, shard: None };
        let terms = self.terms(name, number, now, CrlScope::Whole);
        let draft = CrlDraft::new(&by.certificate, &terms, now)?;
        let (hashed, entries_bytes) = (parts.clone(), parts.iter().map(|list| list.entries_bytes).sum());
        let prepared = blocking(move || whole::hash(draft, &hashed, entries_bytes)).await?;
        let signature = by.signer.sign_digest(prepared.digest()).await?;
        let sealed = prepared.seal(&signature)?;
        let count = parts.iter().map(|list| list.count).sum();
        let label = label(name, &terms, whole::as_of(&parts), count);
        let put = move |shelf: &mut Shelf| {
            shelf.put(&label, &sealed, entries_bytes, |out| whole::write(&parts, out))
        };
        self.publication.publish(Arc::new(self.on_shelf(put).await?));
        self.wholes_made.retain(|(of, _)| *of != issuer);
        self.wholes_made.push((issuer, Instant::now()));
        Ok(())
    }
}

/// What was found when everything was last looked at.
#[derive(Debug, Clone, Copy)]
struct Looked {
    head: EntryNumber,
    /// All lists have begun then. Before, the clock was wrong or is.
    begun: SystemTime,
    /// The first is to be renewed then.
    renew: SystemTime,
}

/// Whether a list needs no renewal by the clock. One from the future was made by a clock that was wrong.
fn is_fresh(list: &List, now: SystemTime) -> bool {
    list.this_update <= now && now < list.this_update + LIST_RENEWED_AFTER
}

fn label(name: ListName, terms: &CrlTerms, as_of: EntryNumber, count: u64) -> Label {
    Label {
        name,
        number: terms.number,
        this_update: terms.this_update,
        next_update: terms.next_update,
        as_of,
        count,
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PublishError> + Send + 'static,
) -> Result<T, PublishError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(PublishError::Thread))
}

/// Why a list is not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The ledger cannot be read.
    #[error("the ledger cannot be read")]
    Store(#[from] StoreError),
    /// There is no number for it.
    #[error(transparent)]
    Numbers(#[from] NumbersError),
    /// It cannot be written.
    #[error("a CRL cannot be written")]
    Io(#[source] std::io::Error),
    /// It would break a rule.
    #[error("a CRL cannot be made")]
    Refused(#[from] Refusal),
    /// It cannot be signed.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// A bug.
    #[error("a thread that made a list panicked")]
    Thread,
}

/// Times in a list are whole seconds.
const STEP: Duration = Duration::from_secs(1);

/// Issuers whose keys are at hand.
const SIGNING: [IssuerName; 3] = [IssuerName::Factory, IssuerName::Operational, IssuerName::Infrastructure];

/// How often the ledger is looked at for something new: what a revocation waits at most before its list is made.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// The longest rest between two rounds: with a round of many large shards, what a single revocation in the middle of a mass revocation
/// waits.
const ROUND_PAUSE_MAX: Duration = Duration::from_millis(500);

/// Rest after a failure: a full disk or a hardware key that is away needs a person.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);

/// Entries that are read at a time.
const PAGE: usize = 1_024;

/// A shard's list of this size is told of (R-CRL-11): a full shard of held and revoked certificates has less.
const LARGE_BYTES: u64 = 2 * 1024 * 1024;

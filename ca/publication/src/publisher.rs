//! Makes lists new when they must be: a shard's as soon as something in it changed, the whole issuer's soon after, and all of them by
//! the clock.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use identity::{Clock, IssuerName};
use issuance::{CrlDraft, CrlFields, CrlNumber, CrlScope, Refusal, crl_url};
use ledger::EntryNumber;
use parking_lot::Mutex;
use signer::{Issuer, Issuers, SignerError};
use store::{Chore, Chores, OnlyProcess, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::crl::{Crl, CrlId};
use super::crl_directory::{CrlDirectory, CrlMeta};
use super::{
    CRL_LIFETIME, CRL_RENEWED_AFTER, CrlNumberError, CrlNumberFile, CrlNumbers, LedgerHead,
    LedgerHeadRecorder, Publication, StatusSource, full_crl,
};

/// Owns the directory of the lists and the numbers. There is one.
pub struct Publisher {
    source: Arc<dyn StatusSource>,
    issuers: Issuers,
    clock: Arc<dyn Clock>,
    crl_numbers: Arc<dyn CrlNumbers>,
    chores: Arc<dyn Chores>,
    crl_directory: Arc<Mutex<CrlDirectory>>,
    publication: Arc<Publication>,
    /// How everybody reaches the lists: in their distribution points as in the certificates'.
    public_url: String,
    /// How long before its making a list says that it begins.
    backdate: Duration,
    /// Where the ledger ended when it was last looked at; since when all lists have begun, and when the first is to be renewed.
    last_look: Option<LastLook>,
    /// When each whole list was made, by the steady clock.
    full_made: Vec<(IssuerName, Instant)>,
}

impl Publisher {
    /// Opens the directory `dir` and publishes what is in it and still good.
    ///
    /// # Errors
    /// When the directory cannot be used.
    pub async fn open(
        dir: &Path,
        source: Arc<dyn StatusSource>,
        issuers: Issuers,
        crl_numbers: CrlNumberFile,
        publication: Arc<Publication>,
        public_url: String,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, PublishError> {
        let crl_directory = dir.to_owned();
        let (crl_directory, lists) =
            blocking(move || CrlDirectory::open(&crl_directory).map_err(PublishError::Io)).await?;
        let crl_numbers = Arc::new(crl_numbers);
        let kept = Arc::clone(&crl_numbers);
        blocking(move || {
            kept.keep_room();
            Ok(())
        })
        .await?;
        let now = clock.now();
        for crl in lists.into_iter().filter(|crl| crl.next_update > now) {
            publication.publish(Arc::new(crl));
        }
        Ok(Self {
            source,
            issuers,
            clock,
            crl_numbers,
            chores: Arc::new(OnlyProcess),
            crl_directory: Arc::new(Mutex::new(crl_directory)),
            publication,
            public_url,
            backdate: Duration::ZERO,
            last_look: None,
            full_made: Vec::new(),
        })
    }

    /// Lists say that they begin so long before their making, for readers whose clocks are behind (ADR 0036).
    #[must_use]
    pub fn backdated(self, backdate: Duration) -> Self {
        Self { backdate, ..self }
    }

    /// Publishes only while the chore is this process's.
    #[must_use]
    pub fn sharing(self, chores: Arc<dyn Chores>) -> Self {
        Self { chores, ..self }
    }

    /// Publishes until `stop`. What fails is tried again; what is published stays published.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut failing = false;
        loop {
            let began = Instant::now();
            let pause = match self.round().await {
                Ok(_) => {
                    self.publication.round_succeeded();
                    if std::mem::take(&mut failing) {
                        info!("CRLs are published again");
                    }
                    // At most half of one core's time, whatever happens: a mass revocation must not wait for its own publication.
                    began.elapsed().clamp(LOOK_INTERVAL, ROUND_PAUSE_MAX)
                }
                Err(why) => {
                    self.publication.round_failed();
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
    pub fn ledger_head(&self) -> LedgerHeadRecorder {
        LedgerHeadRecorder::new(Arc::clone(&self.source), Arc::clone(&self.crl_numbers))
    }

    /// Makes what is due. Returns how many lists were published.
    ///
    /// # Errors
    /// When one cannot be made; those before it are published.
    pub async fn round(&mut self) -> Result<usize, PublishError> {
        let (now, head) = (self.clock.now(), self.source.head());
        // A CRL says what time it is: none is made while that is in doubt.
        if self.clock.doubt().is_some() || !self.chores.is_mine(Chore::Publishing).await? {
            return Ok(0);
        }
        let nothing_new =
            |last_look: LastLook| last_look.head == head && (last_look.begun..last_look.renew).contains(&now);
        if self.last_look.is_some_and(nothing_new) && !self.full_waits().await? {
            return Ok(0);
        }
        let shards = self.due_shards(now).await?;
        let mut published = 0;
        if !shards.is_empty() {
            let mut crl_numbers = self.take(shards.len()).await?;
            for (name, changed) in shards {
                let number = crl_numbers.next().ok_or(CrlNumberError::Exhausted)?;
                let crl = self.make_shard(name, changed, number, now).await?;
                self.publication.publish(Arc::new(crl));
                published += 1;
            }
        }
        let full = self.due_full(now).await?;
        if !full.is_empty() {
            let mut crl_numbers = self.take(full.len()).await?;
            for issuer in full {
                let number = crl_numbers.next().ok_or(CrlNumberError::Exhausted)?;
                self.make_full(issuer, number, now).await?;
                published += 1;
            }
        }
        if published > 0 {
            self.in_directory(|crl_directory| crl_directory.save()).await?;
        }
        self.last_look = Some(self.look_at(head, now));
        Ok(published)
    }

    /// Numbers, on disk with the end of the ledger before any list has one.
    async fn take(&mut self, count: usize) -> Result<super::CrlNumberRange, PublishError> {
        let seen = LedgerHead::end_of(self.source.as_ref()).await?;
        Ok(Arc::clone(&self.crl_numbers).take(count as u64, seen).await?)
    }

    async fn due_shards(&self, now: SystemTime) -> Result<Vec<(CrlId, EntryNumber)>, StoreError> {
        let mut due = Vec::new();
        for issuer in ONLINE_ISSUERS {
            for shard in 0..self.source.shards(issuer).await?.max(1) {
                let name = CrlId { issuer, shard: Some(shard) };
                let changed = self.source.last_change(issuer, shard).await?;
                let good = self
                    .publication
                    .crl(name)
                    .is_some_and(|crl| crl.as_of == changed && is_current(&crl, now));
                if !good {
                    due.push((name, changed));
                }
            }
        }
        Ok(due)
    }

    /// The lists of the shards of an issuer, in order.
    async fn parts(&self, issuer: IssuerName) -> Result<Vec<Arc<Crl>>, StoreError> {
        let shards = 0..self.source.shards(issuer).await?.max(1);
        let crl = |shard| self.publication.crl(CrlId { issuer, shard: Some(shard) });
        Ok(shards.filter_map(crl).collect())
    }

    async fn due_full(&self, now: SystemTime) -> Result<Vec<IssuerName>, StoreError> {
        let mut due = Vec::new();
        for issuer in ONLINE_ISSUERS {
            let crl = self.publication.crl(CrlId { issuer, shard: None });
            let Some(crl) = crl.filter(|crl| is_current(crl, now)) else {
                due.push(issuer);
                continue;
            };
            let made = self.full_made.iter().find(|(of, _)| *of == issuer).map(|(_, made)| made.elapsed());
            let waited = made.is_none_or(|made| made >= full_crl::renewed_after(crl.length()));
            if waited && full_crl::as_of(&self.parts(issuer).await?) != crl.as_of {
                due.push(issuer);
            }
        }
        Ok(due)
    }

    /// Whether a full CRL is not what its shards' CRLs are, and waits for its time.
    async fn full_waits(&self) -> Result<bool, StoreError> {
        for issuer in ONLINE_ISSUERS {
            let crl = self.publication.crl(CrlId { issuer, shard: None });
            let as_of = full_crl::as_of(&self.parts(issuer).await?);
            if crl.is_none_or(|crl| as_of != crl.as_of) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn look_at(&self, head: EntryNumber, now: SystemTime) -> LastLook {
        let lists = self.publication.lists.read();
        let begun = lists.values().filter(|crl| crl.name.issuer != IssuerName::Root);
        let begun = || begun.clone().map(|crl| crl.this_update);
        LastLook {
            head,
            begun: begun().max().unwrap_or(now),
            renew: begun().min().map_or(now, |first| first + CRL_RENEWED_AFTER),
        }
    }

    /// What a new list says: that it begins a little before now, and after the list that it follows, so that HTTP tells the two apart by
    /// their dates. One from the future was made by a clock that was wrong.
    fn terms(&self, name: CrlId, number: CrlNumber, now: SystemTime, scope: CrlScope) -> CrlFields {
        let earliest = now.checked_sub(self.backdate).unwrap_or(now);
        let before = self.publication.crl(name).map(|crl| crl.this_update).filter(|before| *before <= now);
        let this_update = before.map_or(earliest, |before| earliest.max(before + SECOND)).min(now);
        CrlFields { number, this_update, next_update: now + CRL_LIFETIME, scope }
    }

    async fn make_shard(
        &mut self,
        name: CrlId,
        changed: EntryNumber,
        number: CrlNumber,
        now: SystemTime,
    ) -> Result<Crl, PublishError> {
        let CrlId { issuer, shard } = name;
        let shard = shard.unwrap_or_default();
        let by = self.issuers.signer_of(issuer)?.clone();
        let url = crl_url(&format!("{}/crl/{issuer}", self.public_url), Some(shard));
        let terms = self.terms(name, number, now, CrlScope::Shard { urls: vec![url] });
        let draft = CrlDraft::new(&by.certificate, &terms, now)?;
        let (mut entries, mut count, mut from) = (Vec::new(), 0, Some(0));
        while let Some(place) = from {
            let (page, next) = self.source.crl_entries(issuer, shard, place, PAGE, now).await?;
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
        let meta = meta(name, &terms, changed, count);
        let put = move |crl_directory: &mut CrlDirectory| {
            crl_directory.put(&meta, &sealed, length, |out| out.write_all(&entries))
        };
        let crl = self.in_directory(put).await?;
        if crl.length() > LARGE_CRL_BYTES {
            warn!(crl.issuer = %issuer, crl.shard = shard, crl.bytes = crl.length(), "a shard's list is large");
        }
        Ok(crl)
    }

    /// Files are written on a thread that may wait.
    async fn in_directory<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut CrlDirectory) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, PublishError> {
        let crl_directory = Arc::clone(&self.crl_directory);
        let work = move || work(&mut crl_directory.lock());
        blocking(move || work().map_err(PublishError::Io)).await
    }

    async fn make_full(
        &mut self,
        issuer: IssuerName,
        number: CrlNumber,
        now: SystemTime,
    ) -> Result<(), PublishError> {
        let by: Issuer = self.issuers.signer_of(issuer)?.clone();
        let parts = self.parts(issuer).await?;
        let name = CrlId { issuer, shard: None };
        let terms = self.terms(name, number, now, CrlScope::Full);
        let draft = CrlDraft::new(&by.certificate, &terms, now)?;
        let (hashed, entries_bytes) = (parts.clone(), parts.iter().map(|crl| crl.entries_bytes).sum());
        let prepared = blocking(move || full_crl::hash(draft, &hashed, entries_bytes)).await?;
        let signature = by.signer.sign_digest(prepared.digest()).await?;
        let sealed = prepared.seal(&signature)?;
        let count = parts.iter().map(|crl| crl.count).sum();
        let meta = meta(name, &terms, full_crl::as_of(&parts), count);
        let put = move |crl_directory: &mut CrlDirectory| {
            crl_directory.put(&meta, &sealed, entries_bytes, |out| full_crl::write(&parts, out))
        };
        self.publication.publish(Arc::new(self.in_directory(put).await?));
        self.full_made.retain(|(of, _)| *of != issuer);
        self.full_made.push((issuer, Instant::now()));
        Ok(())
    }
}

/// What was found when everything was last looked at.
#[derive(Debug, Clone, Copy)]
struct LastLook {
    head: EntryNumber,
    /// All lists have begun then. Before, the clock was wrong or is.
    begun: SystemTime,
    /// The first is to be renewed then.
    renew: SystemTime,
}

/// Whether a list needs no renewal by the clock. One from the future was made by a clock that was wrong.
fn is_current(crl: &Crl, now: SystemTime) -> bool {
    crl.this_update <= now && now < crl.this_update + CRL_RENEWED_AFTER
}

fn meta(name: CrlId, terms: &CrlFields, as_of: EntryNumber, count: u64) -> CrlMeta {
    CrlMeta {
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
    CrlNumberFile(#[from] CrlNumberError),
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
const SECOND: Duration = Duration::from_secs(1);

/// Issuers whose keys are at hand.
const ONLINE_ISSUERS: [IssuerName; 3] =
    [IssuerName::Factory, IssuerName::Operational, IssuerName::Infrastructure];

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
const LARGE_CRL_BYTES: u64 = 2 * 1024 * 1024;

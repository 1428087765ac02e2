//! Keeps CRLs up to date: a shard's as soon as something in it changed, the full CRL of its issuer soon
//! after, and all of them by the clock.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use identity::{Clock, IssuerName};
use issuance::Refusal;
use ledger::EntryNumber;
use signer::{Issuers, SignerError};
use store::{Chore, Chores, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::crl::{Crl, CrlId};
use super::crl_numbers::{CrlNumberRange, CrlNumbers};
use super::crl_storage::CrlStorage;
use super::making::{CrlMaker, NewCrl};
use super::schedule::{self, LastRound};
use super::{CrlNumberError, LedgerHead, LedgerHeadRecorder, Publication, StatusSource};

/// Makes and publishes CRLs.
pub struct Publisher {
    maker: CrlMaker,
    clock: Arc<dyn Clock>,
    numbers: Arc<dyn CrlNumbers>,
    chores: Arc<dyn Chores>,
    publication: Arc<Publication>,
    last_round: Option<LastRound>,
    /// When this process last made the full CRL of an issuer.
    full_made: HashMap<IssuerName, Instant>,
}

/// Where publication keeps what outlives the process, and which process publishes.
#[derive(Clone)]
pub struct PublicationStorage {
    /// CRL numbers.
    pub numbers: Arc<dyn CrlNumbers>,
    /// CRLs.
    pub crls: Arc<dyn CrlStorage>,
    /// Whether this process publishes.
    pub chores: Arc<dyn Chores>,
}

impl Publisher {
    /// Publishes the stored CRLs that are still valid.
    ///
    /// # Errors
    /// When the storage cannot be used.
    pub async fn open(
        storage: PublicationStorage,
        source: Arc<dyn StatusSource>,
        issuers: Issuers,
        publication: Arc<Publication>,
        public_url: String,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, PublishError> {
        let PublicationStorage { numbers, crls, chores } = storage;
        let now = clock.now();
        for crl in crls.load().await.map_err(PublishError::Io)? {
            if crl.meta.next_update > now {
                publication.publish(crl);
            }
        }
        let maker = CrlMaker { source, issuers, storage: crls, public_url, backdate: Duration::ZERO };
        let (last_round, full_made) = (None, HashMap::new());
        Ok(Self { maker, clock, numbers, chores, publication, last_round, full_made })
    }

    /// Sets thisUpdate this long before the signature, for clients whose clocks are behind (ADR 0036).
    #[must_use]
    pub fn backdated(mut self, backdate: Duration) -> Self {
        self.maker.backdate = backdate;
        self
    }

    /// Publishes until `stop`. A failed round is repeated; what is published stays published.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut failing = false;
        loop {
            let began = Instant::now();
            let pause = match self.round().await {
                Ok(_) => {
                    *self.publication.failing_since.lock() = None;
                    if std::mem::take(&mut failing) {
                        info!("CRLs are published again");
                    }
                    // At most half of the time of one core, so that a mass revocation does not wait for CRLs.
                    began.elapsed().clamp(LOOK_INTERVAL, ROUND_PAUSE_MAX)
                }
                Err(why) => {
                    self.publication.failures.fetch_add(1, Ordering::Relaxed);
                    self.publication.failing_since.lock().get_or_insert_with(Instant::now);
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

    /// The recorder of the ledger's head, to be run beside this publisher.
    pub fn ledger_head(&self) -> LedgerHeadRecorder {
        LedgerHeadRecorder { source: Arc::clone(&self.maker.source), numbers: Arc::clone(&self.numbers) }
    }

    /// Makes and publishes the CRLs that are due. Returns how many there were.
    ///
    /// # Errors
    /// When one cannot be made; those before it are published.
    pub async fn round(&mut self) -> Result<usize, PublishError> {
        let (now, head) = (self.clock.now(), self.maker.source.head());
        // A CRL has a time in it: none is made while the clock is in doubt.
        if self.clock.doubt().is_some() || !self.chores.is_mine(Chore::Publishing).await? {
            return Ok(0);
        }
        let nothing_new = self.last_round.is_some_and(|last| last.still_holds(head, now));
        if nothing_new && !self.full_crl_waits().await? {
            return Ok(0);
        }
        let mut published = self.make_shards(now).await?;
        published += self.make_full(now).await?;
        if published > 0 {
            self.maker.storage.commit().await.map_err(PublishError::Io)?;
        }
        self.last_round = Some(LastRound::new(self.publication.crls.read().values(), head, now));
        Ok(published)
    }

    async fn make_shards(&mut self, now: SystemTime) -> Result<usize, PublishError> {
        let mut due = Vec::new();
        for issuer in ONLINE_ISSUERS {
            for shard in 0..self.shards(issuer).await? {
                let id = CrlId { issuer, shard: Some(shard) };
                let changed = self.maker.source.last_change(issuer, shard).await?;
                if schedule::shard_is_due(self.publication.crl(id).as_deref(), changed, now) {
                    due.push((id, changed));
                }
            }
        }
        let mut numbers = self.take(due.len()).await?;
        for (id, changed) in &due {
            let crl = self.maker.shard(self.new_crl(*id, &mut numbers)?, *changed, now).await?;
            self.publication.publish(crl);
        }
        Ok(due.len())
    }

    async fn make_full(&mut self, now: SystemTime) -> Result<usize, PublishError> {
        let mut due = Vec::new();
        for issuer in ONLINE_ISSUERS {
            let (parts, since_made) =
                (self.parts(issuer).await?, self.full_made.get(&issuer).map(Instant::elapsed));
            let published = self.publication.crl(CrlId { issuer, shard: None });
            if schedule::full_is_due(published.as_deref(), schedule::parts_as_of(&parts), since_made, now) {
                due.push((issuer, parts));
            }
        }
        let (count, mut numbers) = (due.len(), self.take(due.len()).await?);
        for (issuer, parts) in due {
            let new = self.new_crl(CrlId { issuer, shard: None }, &mut numbers)?;
            let crl = self.maker.full(new, parts, now).await?;
            self.publication.publish(crl);
            self.full_made.insert(issuer, Instant::now());
        }
        Ok(count)
    }

    /// Takes numbers, which are on record with the head of the ledger before a CRL has one.
    async fn take(&self, count: usize) -> Result<CrlNumberRange, PublishError> {
        if count == 0 {
            return Ok(CrlNumberRange::new(0, 0, 0));
        }
        let head = LedgerHead::of(self.maker.source.as_ref()).await?;
        Ok(self.numbers.take(count as u64, head).await?)
    }

    fn new_crl(&self, id: CrlId, numbers: &mut CrlNumberRange) -> Result<NewCrl, PublishError> {
        let number = numbers.next().ok_or(CrlNumberError::Exhausted)?;
        Ok(NewCrl { id, number, before: self.publication.crl(id).map(|crl| crl.meta.this_update) })
    }

    async fn shards(&self, issuer: IssuerName) -> Result<u32, StoreError> {
        Ok(self.maker.source.shards(issuer).await?.max(1))
    }

    /// The CRLs of an issuer's shards, in order.
    async fn parts(&self, issuer: IssuerName) -> Result<Vec<Arc<Crl>>, StoreError> {
        let shards = 0..self.shards(issuer).await?;
        let crl = |shard| self.publication.crl(CrlId { issuer, shard: Some(shard) });
        Ok(shards.filter_map(crl).collect())
    }

    /// Whether a full CRL lacks changes of its shards and waits for its time.
    async fn full_crl_waits(&self) -> Result<bool, StoreError> {
        for issuer in ONLINE_ISSUERS {
            let parts: EntryNumber = schedule::parts_as_of(&self.parts(issuer).await?);
            if self.publication.crl(CrlId { issuer, shard: None }).is_none_or(|crl| crl.meta.as_of != parts) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Why a CRL is not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The ledger cannot be read.
    #[error("the ledger cannot be read")]
    Store(#[from] StoreError),
    /// There is no number for it.
    #[error(transparent)]
    Numbers(#[from] CrlNumberError),
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
    #[error("a thread that made a CRL panicked")]
    Thread,
}

const ONLINE_ISSUERS: [IssuerName; 3] =
    [IssuerName::Factory, IssuerName::Operational, IssuerName::Infrastructure];

/// How often the ledger is looked at: the longest time that a revocation waits for its CRL to be begun.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// The longest pause between two rounds: during a mass revocation, how long a single one waits besides the
/// round itself.
const ROUND_PAUSE_MAX: Duration = Duration::from_millis(500);

/// The pause after a failure: a full disk or a missing hardware key needs a person.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);

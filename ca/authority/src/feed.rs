//! Who wants to know at once what is revoked: pages of changes in the order of the ledger, shared by all who read at the same place.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ledger::{Conflict, EntryNumber};
use parking_lot::Mutex;
use store::{ChangePosition, RevocationChange, Store, StoreError, Verdict};
use tokio::sync::{OnceCell, watch};

use super::{Authority, Caller, Refused};

/// A place in the feed: behind everything that its holder knows. As text, a cursor: `ENTRY.POSITION.MARK`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedPlace {
    place: ChangePosition,
    /// What the ledger has at the entry. `None`: nobody has asked for it yet, or the cursor is of a CA that did not say it.
    mark: Option<Mark>,
}

/// The first bytes of the SHA-256 of a ledger entry: they tell the histories apart that a ledger had before and after it was restored from
/// a backup, although both may have an entry with this number.
type Mark = [u8; 8];

/// What happened behind a place.
#[derive(Debug)]
pub struct FeedPage {
    /// In the order of the ledger, at most [`FEED_PAGE_CHANGES`].
    pub changes: Vec<RevocationChange>,
    /// Behind them.
    pub next: FeedPlace,
    /// Whether these were the last that there were.
    pub caught_up: bool,
}

/// Pages that were read lately, and the bell that says that there is more. Pages never become wrong: what follows a place is always the
/// same, but there may be more of it.
pub(super) struct Feed {
    bell: watch::Sender<()>,
    pages: Mutex<VecDeque<(ChangePosition, SharedPage)>>,
    /// Whether the ledger was once restored from a backup that lacked entries: a cursor without a mark may be of the lost ones.
    restored: AtomicBool,
}

/// Read once, by whoever comes first.
type SharedPage = Arc<OnceCell<Arc<FeedPage>>>;

impl Feed {
    pub(super) fn new() -> Self {
        Self { bell: watch::Sender::new(()), pages: Mutex::default(), restored: AtomicBool::new(false) }
    }

    /// Something was revoked, held or released.
    pub(super) fn ring(&self) {
        self.bell.send_replace(());
    }

    /// Rings if one of these did so. Nearly all commits do not: this looks, and no more.
    pub(super) fn ring_for(&self, verdicts: &[Verdict]) {
        if verdicts.iter().any(changes_status) {
            self.ring();
        }
    }

    /// Hears the bell from now on.
    pub(super) fn listen(&self) -> watch::Receiver<()> {
        self.bell.subscribe()
    }

    fn page(&self, after: ChangePosition) -> SharedPage {
        let mut pages = self.pages.lock();
        if let Some((_, page)) = pages.iter().find(|(place, _)| *place == after) {
            return Arc::clone(page);
        }
        if pages.len() >= PAGES_KEPT {
            pages.pop_front();
        }
        let page = SharedPage::default();
        pages.push_back((after, Arc::clone(&page)));
        page
    }
}

fn changes_status(verdict: &Verdict) -> bool {
    match verdict {
        Ok(recorded) if recorded.is_replay() => false,
        Ok(recorded) => {
            let event = &recorded.entry().event;
            event.revoked().is_some() || !event.held().is_empty() || !event.released().is_empty()
        }
        // May have put the device on hold.
        Err(conflict) => matches!(conflict, Conflict::LineageForked(_)),
    }
}

impl<S: Store> Authority<S> {
    /// Where a feed begins: behind the place that the reader knows; `None`: before everything.
    ///
    /// # Errors
    /// [`StoreError::CursorUnknown`] for a place that this ledger has not reached, or where it has another entry than the reader knows: the
    /// place is of another ledger, or of what was lost when this one was restored from a backup, and its holder may have acted on what is no
    /// longer on record. A place without a mark is taken by a ledger that was never restored.
    pub async fn feed_from(&self, known: Option<FeedPlace>) -> Result<FeedPlace, Refused> {
        let place = known.unwrap_or_else(FeedPlace::beginning);
        if place.place.entry == EntryNumber(0) {
            return Ok(place);
        }
        let unknown = || Refused::from(StoreError::CursorUnknown);
        if place.place.entry > self.store.head() {
            return Err(unknown());
        }
        let marked = marked(&*self.store, place.place).await?;
        match place.mark {
            None if self.feed.restored.load(Ordering::Relaxed) => Err(unknown()),
            Some(mark) if marked.mark != Some(mark) => Err(unknown()),
            _ => Ok(marked),
        }
    }

    /// The place of a feed that begins now.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn feed_from_now(&self) -> Result<FeedPlace, Refused> {
        Ok(marked(&*self.store, self.feed_now().place).await?)
    }

    /// Where the ledger ends now: for readers in this process, which no restore outlives.
    pub fn feed_now(&self) -> FeedPlace {
        FeedPlace { place: ChangePosition::behind(self.store.head()), mark: None }
    }

    /// Takes note that this ledger was once restored from a backup: cursors without a mark are refused from then on.
    pub fn ledger_was_restored(&self) {
        self.feed.restored.store(true, Ordering::Relaxed);
    }

    /// What follows the place, at once if there is something, otherwise as soon as there is. A page without changes after
    /// [`FEED_QUIET_MAX`], so that a reader knows that it is still heard. The caller is looked at before every page (R-CA-11).
    ///
    /// # Errors
    /// When the caller is no longer good, or the store cannot answer.
    pub async fn feed_after(&self, caller: &Caller, place: FeedPlace) -> Result<Arc<FeedPage>, Refused> {
        let mut bell = self.feed.listen();
        let quiet = tokio::time::sleep(FEED_QUIET_MAX);
        tokio::pin!(quiet);
        loop {
            // Before the look: what happens after it rings.
            bell.mark_unchanged();
            self.check_caller(caller).await?;
            if let Some(page) = self.feed_page(place).await? {
                return Ok(page);
            }
            tokio::select! {
                _ = bell.changed() => {}
                () = &mut quiet => {
                    self.check_caller(caller).await?;
                    return Ok(Arc::new(FeedPage { changes: Vec::new(), next: place, caught_up: true }));
                }
            }
        }
    }

    /// What follows the place now, perhaps nothing: so a reader learns at once that it has seen everything.
    ///
    /// # Errors
    /// As [`Self::feed_after`].
    pub async fn feed_at_once(&self, caller: &Caller, place: FeedPlace) -> Result<Arc<FeedPage>, Refused> {
        self.check_caller(caller).await?;
        let nothing = || Arc::new(FeedPage { changes: Vec::new(), next: place, caught_up: true });
        Ok(self.feed_page(place).await?.unwrap_or_else(nothing))
    }

    /// Tells when certificates were revoked, held or released: something may follow a place then.
    pub fn status_changes(&self) -> watch::Receiver<()> {
        self.feed.listen()
    }

    /// What follows the place now; `None`: nothing.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn feed_page(&self, place: FeedPlace) -> Result<Option<Arc<FeedPage>>, Refused> {
        let (shared, store) = (self.feed.page(place.place), Arc::clone(&self.store));
        // A task of its own: a watcher whose peer reads nothing is not polled, and the others who wait for the same page must not wait
        // for it.
        let read = tokio::spawn(async move {
            let page = shared.get_or_try_init(async || {
                let changes = store.revocation_changes(place.place, FEED_PAGE_CHANGES).await.map_err(Some)?;
                let last = changes.last().ok_or(None)?;
                let next = marked(&*store, last.position).await.map_err(Some)?;
                let caught_up = changes.len() < FEED_PAGE_CHANGES;
                Ok(Arc::new(FeedPage { changes, next, caught_up }))
            });
            page.await.map(Arc::clone)
        });
        match read.await.unwrap_or(Err(Some(StoreError::Bug { what: "a read of the feed panicked" }))) {
            Ok(page) => Ok(Some(page)),
            Err(None) => Ok(None),
            Err(Some(error)) => Err(StoreError::into(error)),
        }
    }
}

/// The place, with the mark of its entry in this ledger.
async fn marked<S: Store>(store: &S, place: ChangePosition) -> Result<FeedPlace, StoreError> {
    let digest = store.entry_digest(place.entry).await?;
    Ok(FeedPlace { place, mark: digest.and_then(|digest| digest.first_chunk().copied()) })
}

impl fmt::Display for FeedPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.place.entry, self.place.index)?;
        match self.mark {
            Some(mark) => write!(f, ".{}", hex::encode(mark)),
            None => Ok(()),
        }
    }
}

impl FeedPlace {
    /// Before everything.
    fn beginning() -> Self {
        Self { place: ChangePosition::behind(EntryNumber(0)), mark: None }
    }
}

impl FromStr for FeedPlace {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let (entry, position) = text.split_once('.').ok_or(StoreError::CursorUnknown)?;
        let entry = entry.parse().map(EntryNumber).map_err(|_| StoreError::CursorUnknown)?;
        let (position, mark) = match position.split_once('.') {
            Some((position, mark)) => (position, Some(read_mark(mark).ok_or(StoreError::CursorUnknown)?)),
            None => (position, None),
        };
        let position = position.parse().map_err(|_| StoreError::CursorUnknown)?;
        Ok(Self { place: ChangePosition { entry, index: position }, mark })
    }
}

/// As it is written, and no other way.
fn read_mark(text: &str) -> Option<Mark> {
    let lower = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    hex::decode(text).ok().filter(|_| lower)?.try_into().ok()
}

/// Changes of one page: about 200 kB as a message.
pub const FEED_PAGE_CHANGES: usize = 1_000;

/// After so long without a change a reader gets an empty page: shorter than what routers on the way forget connections after.
pub const FEED_QUIET_MAX: Duration = Duration::from_secs(15);

/// Pages that are kept for those who are a little behind: some megabytes at most.
const PAGES_KEPT: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written() {
        for text in ["0.0", "17.3", "18446744073709551615.4294967295", "62.0.00a1b2c3d4e5f607"] {
            assert_eq!(text.parse::<FeedPlace>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "17",
            "17.",
            ".3",
            "17.3.1",
            "17.3.00A1B2C3D4E5F607",
            "17.3.00a1b2c3d4e5f607.",
            "-1.0",
            "17.4294967296",
            "x.y",
        ] {
            assert!(text.parse::<FeedPlace>().is_err(), "{text}");
        }
    }
}

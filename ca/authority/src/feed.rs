//! Who wants to know at once what is revoked: pages of changes in the order of the ledger, shared by all who read at the same place.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ledger::{Conflict, EntryNumber};
use store::{ChangePlace, RevocationChange, Store, StoreError, Verdict};
use tokio::sync::{OnceCell, watch};

use super::{Authority, Caller, Refused};

/// A place in the feed: behind everything that its holder knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedPlace(ChangePlace);

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
    pages: Mutex<VecDeque<(ChangePlace, SharedPage)>>,
}

/// Read once, by whoever comes first.
type SharedPage = Arc<OnceCell<Arc<FeedPage>>>;

impl Feed {
    pub(super) fn new() -> Self {
        Self { bell: watch::Sender::new(()), pages: Mutex::default() }
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

    fn page(&self, after: ChangePlace) -> SharedPage {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
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
    /// [`StoreError::CursorUnknown`] for a place that this ledger has not reached: it is of another ledger, or of one that was restored
    /// from an older backup, and its holder may have acted on what is no longer on record.
    pub fn feed_from(&self, known: Option<FeedPlace>) -> Result<FeedPlace, Refused> {
        let place = known.unwrap_or(FeedPlace(ChangePlace::behind(EntryNumber(0))));
        if place.0.entry > self.store.head() {
            return Err(StoreError::CursorUnknown.into());
        }
        Ok(place)
    }

    /// The place of a feed that begins now.
    pub fn feed_now(&self) -> FeedPlace {
        FeedPlace(ChangePlace::behind(self.store.head()))
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
        let (shared, store) = (self.feed.page(place.0), Arc::clone(&self.store));
        // A task of its own: a watcher whose peer reads nothing is not polled, and the others who wait for the same page must not wait for it.
        let read = tokio::spawn(async move {
            let page = shared.get_or_try_init(async || {
                let changes = store.revocation_changes(place.0, FEED_PAGE_CHANGES).await.map_err(Some)?;
                let last = changes.last().ok_or(None)?;
                let (next, caught_up) = (FeedPlace(last.place), changes.len() < FEED_PAGE_CHANGES);
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

impl fmt::Display for FeedPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0.entry, self.0.position)
    }
}

impl FromStr for FeedPlace {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let (entry, position) = text.split_once('.').ok_or(StoreError::CursorUnknown)?;
        let entry = entry.parse().map(EntryNumber).map_err(|_| StoreError::CursorUnknown)?;
        let position = position.parse().map_err(|_| StoreError::CursorUnknown)?;
        Ok(Self(ChangePlace { entry, position }))
    }
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
        for text in ["0.0", "17.3", "18446744073709551615.4294967295"] {
            assert_eq!(text.parse::<FeedPlace>().unwrap().to_string(), text);
        }
        for text in ["", "17", "17.", ".3", "17.3.1", "-1.0", "17.4294967296", "x.y"] {
            assert!(text.parse::<FeedPlace>().is_err(), "{text}");
        }
    }
}

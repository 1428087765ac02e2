//! Revocation feed: pages of status changes in ledger order, shared by all watchers at the same cursor.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ledger::EntryNumber;
use quick_cache::sync::Cache;
use store::{ChangePosition, RevocationChange, Store, StoreError};
use tokio::sync::watch;

use super::{Authority, Caller, Refused};

/// A position in the feed, behind all changes that its holder knows. As text: `ENTRY.POSITION.MARK`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedCursor {
    position: ChangePosition,
    /// The mark of the entry; `None`: not looked up, or by a CA that did not give marks.
    mark: Option<Mark>,
}

/// The first bytes of the SHA-256 of a ledger entry. After a restore from a backup the ledger may have
/// another entry with the same number; the mark tells the two histories apart.
type Mark = [u8; 8];

/// The changes behind a cursor.
#[derive(Debug)]
pub struct FeedPage {
    /// In the order of the ledger, at most [`FEED_PAGE_CHANGES`].
    pub changes: Vec<RevocationChange>,
    /// The cursor behind them.
    pub next: FeedCursor,
    /// Whether there were no more changes when the page was read.
    pub caught_up: bool,
}

/// Pages by the position that they follow, which never become wrong: more changes may only follow.
pub(super) struct Feed {
    pages: Arc<Cache<ChangePosition, Arc<FeedPage>>>,
    /// Whether the ledger was ever restored: a cursor without a mark may point to a lost entry.
    restored: AtomicBool,
}

impl Feed {
    pub(super) fn new() -> Self {
        Self { pages: Arc::new(Cache::new(PAGES_KEPT)), restored: AtomicBool::new(false) }
    }
}

impl Authority {
    /// The cursor at which a feed begins: behind `known`; `None`: at the first entry.
    ///
    /// # Errors
    /// [`StoreError::CursorUnknown`] for a cursor that this ledger has not reached, or where it has another
    /// entry than the mark says: the cursor is of another ledger, or of entries that were lost when this one
    /// was restored from a backup. A cursor without a mark is accepted by a ledger that was never restored.
    pub async fn feed_from(&self, known: Option<FeedCursor>) -> Result<FeedCursor, Refused> {
        let cursor = known.unwrap_or_else(FeedCursor::beginning);
        if cursor.position.entry == EntryNumber(0) {
            return Ok(cursor);
        }
        let unknown = || Refused::from(StoreError::CursorUnknown);
        if cursor.position.entry > self.store.head() {
            return Err(unknown());
        }
        let marked = marked(&*self.store, cursor.position).await?;
        match cursor.mark {
            None if self.feed.restored.load(Ordering::Relaxed) => Err(unknown()),
            Some(mark) if marked.mark != Some(mark) => Err(unknown()),
            _ => Ok(marked),
        }
    }

    /// The cursor of a feed that begins now.
    pub async fn feed_from_now(&self) -> Result<FeedCursor, Refused> {
        Ok(marked(&*self.store, self.feed_now().position).await?)
    }

    /// The end of the ledger, without a mark: for readers in this process, which does not outlive a restore.
    pub fn feed_now(&self) -> FeedCursor {
        FeedCursor { position: ChangePosition::behind(self.store.head()), mark: None }
    }

    /// Refuses cursors without a mark from now on: this ledger was once restored from a backup.
    pub fn ledger_was_restored(&self) {
        self.feed.restored.store(true, Ordering::Relaxed);
    }

    /// The changes behind the cursor, as soon as there are some; an empty page after [`FEED_QUIET_MAX`]
    /// without changes. The caller is checked after the page was read (R-CA-11): a caller that was revoked
    /// meanwhile gets nothing.
    pub async fn feed_after(&self, caller: &Caller, cursor: FeedCursor) -> Result<Arc<FeedPage>, Refused> {
        let mut changed = self.store.status_changes();
        let quiet = tokio::time::sleep(FEED_QUIET_MAX);
        tokio::pin!(quiet);
        loop {
            // Before the look: a change after it is notified.
            changed.mark_unchanged();
            let page = self.feed_page(cursor).await?;
            self.check_caller(caller).await?;
            if let Some(page) = page {
                return Ok(page);
            }
            tokio::select! {
                _ = changed.changed() => {}
                () = &mut quiet => {
                    self.check_caller(caller).await?;
                    return Ok(Arc::new(FeedPage { changes: Vec::new(), next: cursor, caught_up: true }));
                }
            }
        }
    }

    /// The changes behind the cursor now, perhaps none: the watcher has seen everything then.
    pub async fn feed_at_once(&self, caller: &Caller, cursor: FeedCursor) -> Result<Arc<FeedPage>, Refused> {
        let page = self.feed_page(cursor).await?;
        self.check_caller(caller).await?;
        let nothing = || Arc::new(FeedPage { changes: Vec::new(), next: cursor, caught_up: true });
        Ok(page.unwrap_or_else(nothing))
    }

    /// Changes whenever certificates were revoked, held or released.
    pub fn status_changes(&self) -> watch::Receiver<EntryNumber> {
        self.store.status_changes()
    }

    /// The changes behind the cursor now; `None`: there are none.
    pub async fn feed_page(&self, cursor: FeedCursor) -> Result<Option<Arc<FeedPage>>, Refused> {
        let (pages, store) = (Arc::clone(&self.feed.pages), Arc::clone(&self.store));
        // In a task of its own: a watcher that is not polled must not delay others that wait for the page.
        let read = tokio::spawn(async move {
            let page = async {
                let changes =
                    store.revocation_changes(cursor.position, FEED_PAGE_CHANGES).await.map_err(Some)?;
                let last = changes.last().ok_or(None)?;
                let next = marked(&*store, last.position).await.map_err(Some)?;
                let caught_up = changes.len() < FEED_PAGE_CHANGES;
                Ok(Arc::new(FeedPage { changes, next, caught_up }))
            };
            pages.get_or_insert_async(&cursor.position, page).await
        });
        match read.await.unwrap_or(Err(Some(StoreError::Bug("a read of the feed panicked")))) {
            Ok(page) => Ok(Some(page)),
            Err(None) => Ok(None),
            Err(Some(error)) => Err(StoreError::into(error)),
        }
    }
}

async fn marked(store: &dyn Store, position: ChangePosition) -> Result<FeedCursor, StoreError> {
    let digest = store.entry_digest(position.entry).await?;
    Ok(FeedCursor { position, mark: digest.and_then(|digest| digest.first_chunk().copied()) })
}

impl fmt::Display for FeedCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.position.entry, self.position.index)?;
        match self.mark {
            Some(mark) => write!(f, ".{}", hex::encode(mark)),
            None => Ok(()),
        }
    }
}

impl FeedCursor {
    fn beginning() -> Self {
        Self { position: ChangePosition::behind(EntryNumber(0)), mark: None }
    }
}

impl FromStr for FeedCursor {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let (entry, position) = text.split_once('.').ok_or(StoreError::CursorUnknown)?;
        let entry = entry.parse().map(EntryNumber).map_err(|_| StoreError::CursorUnknown)?;
        let (position, mark) = match position.split_once('.') {
            Some((position, mark)) => (position, Some(read_mark(mark).ok_or(StoreError::CursorUnknown)?)),
            None => (position, None),
        };
        let position = position.parse().map_err(|_| StoreError::CursorUnknown)?;
        Ok(Self { position: ChangePosition { entry, index: position }, mark })
    }
}

/// Lower-case hexadecimal, as [`FeedCursor`] writes it.
fn read_mark(text: &str) -> Option<Mark> {
    let lower = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    hex::decode(text).ok().filter(|_| lower)?.try_into().ok()
}

/// The most changes of one page: about 200 kB as a message.
pub const FEED_PAGE_CHANGES: usize = 1_000;

/// How long a watcher waits until it gets an empty page: shorter than routers keep idle connections.
pub const FEED_QUIET_MAX: Duration = Duration::from_secs(15);

/// Pages that are kept for watchers that are a little behind: some megabytes at most.
const PAGES_KEPT: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        for text in ["0.0", "17.3", "18446744073709551615.4294967295", "62.0.00a1b2c3d4e5f607"] {
            assert_eq!(text.parse::<FeedCursor>().unwrap().to_string(), text);
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
            assert!(text.parse::<FeedCursor>().is_err(), "{text}");
        }
    }
}

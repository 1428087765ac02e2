//! The numbers of lists, and how far the ledger was when the last one was given: kept outside the store, so that a store that is
//! restored from an older backup is seen (R-CRL-01, R-CA-06).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use issuance::CrlNumber;
use ledger::EntryNumber;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::StatusSource;
use super::reserve::Reserve;

/// Gives CRL numbers, each once, for ever, and records outside of the store how far the ledger was.
#[async_trait]
pub trait CrlNumbers: Send + Sync + 'static {
    /// Takes `count` numbers that follow one another. When it returns `Ok` they are never given again, to any process, whatever happens, and
    /// a ledger that ends before `seen` is refused at the next start. An end that was recorded is never taken back by an earlier one.
    ///
    /// # Errors
    /// When they cannot be recorded; then no number was given.
    async fn take(self: Arc<Self>, count: u64, seen: LedgerHead) -> Result<CrlNumberRange, CrlNumberError>;

    /// Whether the recorded end of the ledger is this entry. From memory.
    fn is_recorded(&self, entry: EntryNumber) -> bool;
}

/// CRL numbers in a local file: for one process.
pub struct CrlNumberFile {
    path: PathBuf,
    epoch: Mutex<Epoch>,
    /// For the file's next version, when the disk is full.
    reserve: Reserve,
}

/// What is in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Epoch {
    /// Above the counter in every number: raised when an older ledger was accepted.
    epoch: u64,
    /// The last number that was given in this epoch.
    number: u64,
    /// The last entry of the ledger that was seen.
    ledger_entry: u64,
    /// SHA-256 of that entry, in hexadecimal.
    ledger_digest: String,
}

/// The end of a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerHead {
    /// Its last entry.
    pub entry: EntryNumber,
    /// SHA-256 of that.
    pub digest: [u8; 32],
}

impl LedgerHead {
    /// The end of this ledger now.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn end_of(source: &dyn StatusSource) -> Result<Self, StoreError> {
        let entry = source.head();
        let digest = source.entry_digest(entry).await?.unwrap_or_default();
        Ok(Self { entry, digest })
    }
}

impl CrlNumberFile {
    /// Makes the file for a fresh installation.
    ///
    /// # Errors
    /// When it exists or cannot be written.
    pub fn create(path: &Path, seen: LedgerHead) -> Result<Self, CrlNumberError> {
        if path.exists() {
            return Err(CrlNumberError::Exists { path: path.to_owned() });
        }
        let crl_numbers = Self::of(path, Epoch::at(0, seen));
        crl_numbers.write(&crl_numbers.lock())?;
        Ok(crl_numbers)
    }

    /// Opens the file, and says whether this ledger goes on from where it was.
    ///
    /// # Errors
    /// When it cannot be read, or the ledger is older than what was published: nobody may serve then, until an operator says so.
    pub async fn open(path: &Path, source: &dyn StatusSource) -> Result<Self, CrlNumberError> {
        let epoch = read(path)?;
        let last = EntryNumber(epoch.ledger_entry);
        let older = || CrlNumberError::OlderLedger {
            path: path.to_owned(),
            seen: epoch.ledger_entry,
            head: source.head().0,
        };
        if last > source.head() {
            return Err(older());
        }
        let digest = source.entry_digest(last).await?.unwrap_or_default();
        if hex::encode(digest) != epoch.ledger_digest {
            return Err(older());
        }
        Ok(Self::of(path, epoch))
    }

    /// Whether the file is there and whole, without the ledger.
    ///
    /// # Errors
    /// When it is not.
    pub fn look(path: &Path) -> Result<(), CrlNumberError> {
        read(path).map(drop)
    }

    /// Accepts this ledger as it is: begins an epoch with it. All later numbers are greater than all that were ever given, also when the
    /// file is lost: an epoch is never less than the seconds since 1970.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn accept(path: &Path, seen: LedgerHead, now: SystemTime) -> Result<u64, CrlNumberError> {
        let before = match read(path) {
            Ok(epoch) => epoch.epoch,
            Err(CrlNumberError::Read { .. } | CrlNumberError::Damaged { .. }) => 0,
            Err(error) => return Err(error),
        };
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let epoch = before.saturating_add(1).max(seconds);
        let crl_numbers = Self::of(path, Epoch::at(epoch, seen));
        crl_numbers.write(&crl_numbers.lock())?;
        Ok(epoch)
    }

    /// `count` numbers, one after the other from the one that is returned. When it returns, they are never given again, whatever
    /// happens, and a ledger that ends before `seen` will be refused. An end that was noted is never taken back by an earlier one.
    ///
    /// # Errors
    /// When the file cannot be written; then no number was given.
    pub fn take(&self, count: u64, seen: LedgerHead) -> Result<CrlNumberRange, CrlNumberError> {
        let mut epoch = self.lock();
        let mut next =
            if seen.entry.0 > epoch.ledger_entry { Epoch::at(epoch.epoch, seen) } else { epoch.clone() };
        next.number = epoch.number.checked_add(count).ok_or(CrlNumberError::Exhausted)?;
        self.write(&next)?;
        let first = epoch.number.saturating_add(1);
        *epoch = next;
        Ok(CrlNumberRange { epoch: epoch.epoch, next: first, end: first.saturating_add(count) })
    }

    /// Whether an operator once accepted a ledger that was older than what was published.
    pub fn ledger_was_restored(&self) -> bool {
        self.lock().epoch > 0
    }

    /// Whether the file says that the ledger was this far.
    pub fn is_recorded(&self, entry: EntryNumber) -> bool {
        self.lock().ledger_entry == entry.0
    }

    /// Keeps room for the next versions of the file, so that a full disk keeps no list from its number.
    pub(super) fn keep_room(&self) {
        self.reserve.keep(RESERVE_BYTES);
    }

    fn of(path: &Path, epoch: Epoch) -> Self {
        let reserve = Reserve::new(path.with_extension("reserve"));
        Self { path: path.to_owned(), epoch: Mutex::new(epoch), reserve }
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, Epoch> {
        self.epoch.lock()
    }

    fn write(&self, epoch: &Epoch) -> Result<(), CrlNumberError> {
        let text = toml::to_string(epoch).map_err(|_| CrlNumberError::Exhausted)?;
        let failed = |source| CrlNumberError::Write { path: self.path.clone(), source };
        let text = format!("{HEAD}{text}");
        self.reserve
            .spent_on(RESERVE_BYTES, || files::replace(&self.path, 0o644, text.as_bytes()))
            .map_err(failed)
    }
}

impl Epoch {
    fn at(epoch: u64, seen: LedgerHead) -> Self {
        Self { epoch, number: 0, ledger_entry: seen.entry.0, ledger_digest: hex::encode(seen.digest) }
    }
}

#[async_trait]
impl CrlNumbers for CrlNumberFile {
    async fn take(self: Arc<Self>, count: u64, seen: LedgerHead) -> Result<CrlNumberRange, CrlNumberError> {
        let file = Arc::clone(&self);
        let taken = tokio::task::spawn_blocking(move || Self::take(&file, count, seen)).await;
        taken.unwrap_or_else(|panic| {
            Err(CrlNumberError::Write { path: self.path.clone(), source: io::Error::other(panic) })
        })
    }

    fn is_recorded(&self, entry: EntryNumber) -> bool {
        Self::is_recorded(self, entry)
    }
}

/// Numbers that were taken and are not given yet.
#[derive(Debug)]
pub struct CrlNumberRange {
    epoch: u64,
    next: u64,
    end: u64,
}

impl Iterator for CrlNumberRange {
    type Item = CrlNumber;

    fn next(&mut self) -> Option<CrlNumber> {
        if self.next >= self.end {
            return None;
        }
        let number = CrlNumber::new(self.epoch, self.next);
        self.next += 1;
        Some(number)
    }
}

fn read(path: &Path) -> Result<Epoch, CrlNumberError> {
    let text =
        fs::read_to_string(path).map_err(|source| CrlNumberError::Read { path: path.to_owned(), source })?;
    toml::from_str(&text).map_err(|_| CrlNumberError::Damaged { path: path.to_owned() })
}

/// Why there are no numbers: the operator must act.
#[derive(Debug, thiserror::Error)]
pub enum CrlNumberError {
    /// It should not be there.
    #[error("{} exists", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// It is not there.
    #[error(
        "{} cannot be read: without it nobody knows which numbers CRLs had",
        path.display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not what it was.
    #[error(
        "{} is damaged: nobody knows which numbers CRLs had",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be written.
    #[error("{} cannot be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The ledger was restored from a backup that lacks what was published.
    #[error(
        "the ledger is older than what this CA has published: {} saw entry {seen}, and the ledger, which ends at {head}, lacks it or has \
         another; certificates and revocations since are missing",
        path.display()
    )]
    OlderLedger {
        /// The file.
        path: PathBuf,
        /// The entry that it saw.
        seen: u64,
        /// Where the ledger ends.
        head: u64,
    },
    /// 2^64 lists.
    #[error("there are no more numbers for CRLs in this epoch")]
    Exhausted,
    /// The ledger cannot be read.
    #[error("the ledger cannot be read")]
    Store(#[from] StoreError),
}

/// The file has less than a block, its next version another; the rest is for what the file system keeps of them.
const RESERVE_BYTES: u64 = 16 * 1024;

const HEAD: &str = "\
# The last number of a CRL, and how far the ledger was. Written by touchmark-ca; never edit it, and never restore it
# together with an older ledger: it is how the CA sees that its ledger is an old one.
";

#[cfg(test)]
mod tests {
    use super::super::fake::FakeSource;
    use super::*;

    fn path(dir: &tempfile::TempDir) -> PathBuf {
        dir.path().join("crl-epoch")
    }

    #[tokio::test]
    async fn numbers_grow_over_restarts_also_when_the_lists_were_never_made() {
        // R-CRL-01: killed between taking a number and publishing.
        let dir = tempfile::tempdir().unwrap();
        let source = FakeSource::at(5);
        let seen = LedgerHead::end_of(&source).await.unwrap();
        let crl_numbers = CrlNumberFile::create(&path(&dir), seen).unwrap();
        let first: Vec<_> = crl_numbers.take(3, seen).unwrap().collect();
        assert_eq!(first.len(), 3);
        drop(crl_numbers);
        let crl_numbers = CrlNumberFile::open(&path(&dir), &source).await.unwrap();
        let second: Vec<_> = crl_numbers.take(1, seen).unwrap().collect();
        assert!(first.is_sorted() && first.last() < second.first());
    }

    #[tokio::test]
    async fn an_older_or_another_ledger_is_refused_until_it_is_accepted() {
        let dir = tempfile::tempdir().unwrap();
        let source = FakeSource::at(9);
        let crl_numbers =
            CrlNumberFile::create(&path(&dir), LedgerHead::end_of(&FakeSource::at(5)).await.unwrap())
                .unwrap();
        let before = crl_numbers.take(7, LedgerHead::end_of(&source).await.unwrap()).unwrap().last().unwrap();
        for wrong in [FakeSource::at(8), FakeSource::other_at(9), FakeSource::other_at(12)] {
            let refused = CrlNumberFile::open(&path(&dir), &wrong).await.map(drop);
            assert!(matches!(refused, Err(CrlNumberError::OlderLedger { seen: 9, .. })));
        }
        let restored = FakeSource::at(8);
        let seen = LedgerHead::end_of(&restored).await.unwrap();
        CrlNumberFile::accept(&path(&dir), seen, UNIX_EPOCH).unwrap();
        let crl_numbers = CrlNumberFile::open(&path(&dir), &restored).await.unwrap();
        assert!(crl_numbers.take(1, seen).unwrap().next().unwrap() > before);
    }

    #[tokio::test]
    async fn a_lost_file_is_told_and_begun_anew_above_every_number() {
        let dir = tempfile::tempdir().unwrap();
        let source = FakeSource::at(3);
        let refused = CrlNumberFile::open(&path(&dir), &source).await.map(drop).unwrap_err();
        assert!(refused.to_string().contains("nobody knows which numbers CRLs had"));
        fs::write(path(&dir), "nonsense").unwrap();
        assert!(matches!(
            CrlNumberFile::open(&path(&dir), &source).await,
            Err(CrlNumberError::Damaged { .. })
        ));
        let now = UNIX_EPOCH + std::time::Duration::from_secs(1_795_305_600);
        let seen = LedgerHead::end_of(&source).await.unwrap();
        assert_eq!(CrlNumberFile::accept(&path(&dir), seen, now).unwrap(), 1_795_305_600);
        assert_eq!(CrlNumberFile::accept(&path(&dir), seen, now).unwrap(), 1_795_305_601);
    }
}

//! CRL numbers in a local file.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use ledger::EntryNumber;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::reserve::Reserve;
use super::{CrlNumberError, CrlNumberRange, CrlNumbers, LedgerHead, StatusSource};

/// The file of CRL numbers. One process has it: the one that has locked the ledger.
#[derive(Clone)]
pub struct CrlNumberFile(Arc<Shared>);

struct Shared {
    path: PathBuf,
    epoch: Mutex<Epoch>,
    reserve: Reserve,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Epoch {
    /// The upper half of every number: raised when an older ledger is accepted.
    epoch: u64,
    /// The last number that was given in this epoch.
    number: u64,
    /// The recorded head of the ledger.
    ledger_entry: u64,
    /// SHA-256 of that entry, in hexadecimal.
    ledger_digest: String,
}

impl CrlNumberFile {
    /// Creates the file for a new installation.
    ///
    /// # Errors
    /// When it exists or cannot be written.
    pub fn create(path: &Path, head: LedgerHead) -> Result<Self, CrlNumberError> {
        if path.exists() {
            return Err(CrlNumberError::Exists(place(path)));
        }
        let numbers = Self::of(path, Epoch::at(0, head));
        numbers.0.write(&numbers.0.epoch.lock())?;
        Ok(numbers)
    }

    /// Opens the file, and checks that this ledger continues the recorded one.
    ///
    /// # Errors
    /// When the file cannot be read, or the ledger is older than what was published: it must not be served
    /// then until an operator accepts it.
    pub async fn open(path: &Path, source: &dyn StatusSource) -> Result<Self, CrlNumberError> {
        let epoch = read(path)?;
        let (recorded, head) = (EntryNumber(epoch.ledger_entry), source.head());
        let is_older =
            || CrlNumberError::OlderLedger { place: place(path), seen: epoch.ledger_entry, head: head.0 };
        if recorded > head {
            return Err(is_older());
        }
        let digest = source.entry_digest(recorded).await?.unwrap_or_default();
        if hex::encode(digest) != epoch.ledger_digest {
            return Err(is_older());
        }
        Ok(Self::of(path, epoch))
    }

    /// Checks the file without the ledger.
    ///
    /// # Errors
    /// When it is missing or damaged.
    pub fn look(path: &Path) -> Result<(), CrlNumberError> {
        read(path).map(drop)
    }

    /// Accepts this ledger as it is: begins a new epoch with it, and returns the epoch. All later numbers are
    /// greater than all before, also when the file was lost: an epoch is at least the seconds since 1970.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn accept(path: &Path, head: LedgerHead, now: SystemTime) -> Result<u64, CrlNumberError> {
        let before = match read(path) {
            Ok(epoch) => epoch.epoch,
            Err(CrlNumberError::Read { .. } | CrlNumberError::Damaged { .. }) => 0,
            Err(error) => return Err(error),
        };
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let epoch = before.saturating_add(1).max(seconds);
        let numbers = Self::of(path, Epoch::at(epoch, head));
        numbers.0.write(&numbers.0.epoch.lock())?;
        Ok(epoch)
    }

    /// As [`CrlNumbers::take`], blocking.
    ///
    /// # Errors
    /// When the file cannot be written; then no number was given.
    pub fn take_now(&self, count: u64, head: LedgerHead) -> Result<CrlNumberRange, CrlNumberError> {
        let mut epoch = self.0.epoch.lock();
        let mut next =
            if head.entry.0 > epoch.ledger_entry { Epoch::at(epoch.epoch, head) } else { epoch.clone() };
        next.number = epoch.number.checked_add(count).ok_or(CrlNumberError::Exhausted)?;
        self.0.write(&next)?;
        let first = epoch.number.saturating_add(1);
        *epoch = next;
        Ok(CrlNumberRange::new(epoch.epoch, first, count))
    }

    /// Reserves disk space for the next version of the file, so that a full disk does not stop publication.
    /// Blocking.
    pub fn reserve_space(&self) {
        self.0.reserve.keep(RESERVE_BYTES);
    }

    fn of(path: &Path, epoch: Epoch) -> Self {
        let reserve = Reserve::new(path.with_extension("reserve"));
        Self(Arc::new(Shared { path: path.to_owned(), epoch: Mutex::new(epoch), reserve }))
    }
}

#[async_trait]
impl CrlNumbers for CrlNumberFile {
    async fn take(&self, count: u64, head: LedgerHead) -> Result<CrlNumberRange, CrlNumberError> {
        let file = self.clone();
        let taking = tokio::task::spawn_blocking(move || file.take_now(count, head));
        taking.await.unwrap_or(Err(CrlNumberError::Thread))
    }

    fn is_recorded(&self, entry: EntryNumber) -> bool {
        self.0.epoch.lock().ledger_entry == entry.0
    }

    fn ledger_was_restored(&self) -> bool {
        self.0.epoch.lock().epoch > 0
    }
}

impl Shared {
    fn write(&self, epoch: &Epoch) -> Result<(), CrlNumberError> {
        let text = toml::to_string(epoch).map_err(|_| CrlNumberError::Exhausted)?;
        let failed = |source| CrlNumberError::Write { place: place(&self.path), source };
        let text = format!("{HEAD}{text}");
        self.reserve
            .spent_on(RESERVE_BYTES, || files::replace(&self.path, 0o644, text.as_bytes()))
            .map_err(failed)
    }
}

impl Epoch {
    fn at(epoch: u64, head: LedgerHead) -> Self {
        Self { epoch, number: 0, ledger_entry: head.entry.0, ledger_digest: hex::encode(head.digest) }
    }
}

fn read(path: &Path) -> Result<Epoch, CrlNumberError> {
    let text =
        fs::read_to_string(path).map_err(|source| CrlNumberError::Read { place: place(path), source })?;
    toml::from_str(&text).map_err(|_| CrlNumberError::Damaged(place(path)))
}

fn place(path: &Path) -> String {
    path.display().to_string()
}

/// The file has less than a block, and its next version another; the rest is for the file system.
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
    async fn numbers_grow_over_restarts_also_when_the_crls_were_never_made() {
        // R-CRL-01: killed between taking a number and publishing.
        let dir = tempfile::tempdir().unwrap();
        let source = FakeSource::at(5);
        let seen = LedgerHead::of(&source).await.unwrap();
        let crl_numbers = CrlNumberFile::create(&path(&dir), seen).unwrap();
        let first: Vec<_> = crl_numbers.take_now(3, seen).unwrap().collect();
        assert_eq!(first.len(), 3);
        drop(crl_numbers);
        let crl_numbers = CrlNumberFile::open(&path(&dir), &source).await.unwrap();
        let second: Vec<_> = crl_numbers.take_now(1, seen).unwrap().collect();
        assert!(first.is_sorted() && first.last() < second.first());
    }

    #[tokio::test]
    async fn an_older_or_another_ledger_is_refused_until_it_is_accepted() {
        let dir = tempfile::tempdir().unwrap();
        let source = FakeSource::at(9);
        let crl_numbers =
            CrlNumberFile::create(&path(&dir), LedgerHead::of(&FakeSource::at(5)).await.unwrap()).unwrap();
        let before = crl_numbers.take_now(7, LedgerHead::of(&source).await.unwrap()).unwrap().last().unwrap();
        for wrong in [FakeSource::at(8), FakeSource::other_at(9), FakeSource::other_at(12)] {
            let refused = CrlNumberFile::open(&path(&dir), &wrong).await.map(drop);
            assert!(matches!(refused, Err(CrlNumberError::OlderLedger { seen: 9, .. })));
        }
        let restored = FakeSource::at(8);
        let seen = LedgerHead::of(&restored).await.unwrap();
        CrlNumberFile::accept(&path(&dir), seen, UNIX_EPOCH).unwrap();
        let crl_numbers = CrlNumberFile::open(&path(&dir), &restored).await.unwrap();
        assert!(crl_numbers.take_now(1, seen).unwrap().next().unwrap() > before);
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
        let seen = LedgerHead::of(&source).await.unwrap();
        assert_eq!(CrlNumberFile::accept(&path(&dir), seen, now).unwrap(), 1_795_305_600);
        assert_eq!(CrlNumberFile::accept(&path(&dir), seen, now).unwrap(), 1_795_305_601);
    }
}

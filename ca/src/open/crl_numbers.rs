//! CRL numbers: in a local file.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use publication::{CrlNumberError, CrlNumberFile, CrlNumbers, LedgerHead, StatusSource};

use crate::config::PublicationSettings;

/// Opens the numbers, and checks that this ledger continues what was published.
pub(crate) async fn crl_numbers(
    settings: &PublicationSettings,
    source: &dyn StatusSource,
) -> Result<Arc<dyn CrlNumbers>, CrlNumberError> {
    Ok(Arc::new(CrlNumberFile::open(&settings.epoch_file, source).await?))
}

/// As [`crl_numbers`], with space for the next numbers, so that a full disk does not stop publication.
pub(crate) async fn serving_crl_numbers(
    settings: &PublicationSettings,
    source: &dyn StatusSource,
) -> Result<Arc<dyn CrlNumbers>, CrlNumberError> {
    let numbers = CrlNumberFile::open(&settings.epoch_file, source).await?;
    numbers.reserve_space();
    Ok(Arc::new(numbers))
}

/// Begins the numbers of a new installation, to be kept at `path`.
pub(crate) fn create_crl_numbers(
    path: &Path,
    head: LedgerHead,
) -> Result<Arc<dyn CrlNumbers>, CrlNumberError> {
    Ok(Arc::new(CrlNumberFile::create(path, head)?))
}

/// Checks that the numbers are there, without the ledger.
pub(crate) fn check_crl_numbers(settings: &PublicationSettings) -> Result<(), CrlNumberError> {
    CrlNumberFile::look(&settings.epoch_file)
}

/// Accepts a ledger that is older than what was published, and returns the epoch that begins with it.
pub(crate) fn accept_ledger(
    settings: &PublicationSettings,
    head: LedgerHead,
    now: SystemTime,
) -> Result<u64, CrlNumberError> {
    CrlNumberFile::accept(&settings.epoch_file, head, now)
}

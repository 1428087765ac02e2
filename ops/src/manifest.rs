//! The file of serial numbers of a work order.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use identity::{DeviceSerial, Product};

use crate::failure::Failure;

/// Reads a manifest (crate `lists`, which the station uses too) and reports all its mistakes at once.
///
/// # Errors
/// When the file cannot be read, is too large, or any line is wrong.
pub(crate) fn read(
    path: &Path,
    product: &Product,
    column: Option<&str>,
) -> Result<Vec<DeviceSerial>, Failure> {
    let unreadable = |source| Failure::file(path, source);
    let mut content = Vec::new();
    // One byte more than a list may have tells that it is too long.
    let bytes_max = u64::try_from(lists::LIST_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path).and_then(|file| file.take(bytes_max).read_to_end(&mut content)).map_err(unreadable)?;
    let refused = |what: String| {
        Failure::usage(format!("{}: {what}", path.display())).next("correct the file; no order was made")
    };
    let rows = lists::read(&content, product, column).map_err(|mistakes| refused(mistakes.to_string()))?;
    if rows.len() > SERIALS_MAX {
        let count = rows.len();
        return Err(refused(format!("a manifest has at most {SERIALS_MAX} serial numbers, not {count}")));
    }
    Ok(rows.into_iter().map(|row| row.serial).collect())
}

/// What one order may list (`SerialManifest.serials`).
const SERIALS_MAX: usize = 100_000;

//! The manifest of a work order: a file of serial numbers.

use std::path::Path;

use identity::{DeviceSerial, Product};

use crate::failure::Failure;

/// Reads a manifest with crate `lists`, which the station uses too. The error has all mistakes.
pub(crate) fn read(
    path: &Path,
    product: &Product,
    column: Option<&str>,
) -> Result<Vec<DeviceSerial>, Failure> {
    let content =
        cli::read_file(path, lists::LIST_BYTES_MAX).map_err(|source| Failure::named_file(path, source))?;
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

/// The most serial numbers of one order: `ManifestOutline.length` in the proto.
const SERIALS_MAX: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_that_is_not_there_is_wrong_usage() {
        let home = tempfile::tempdir().unwrap();
        let refused = read(&home.path().join("missing.csv"), &"cam-2".parse().unwrap(), None).unwrap_err();
        assert_eq!(refused.0.status, cli::Status::Usage);
        assert_eq!(refused.0.next.as_deref(), Some("correct the path"));
    }
}

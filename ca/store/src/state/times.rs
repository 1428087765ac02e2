//! Which certificates were recorded while the clock was ahead.

use std::time::{SystemTime, UNIX_EPOCH};

use super::Shared;
use crate::{CertificateRecord, Result};
use ledger::{CertificateStatus, EntryNumber};

impl Shared {
    /// See [`crate::Store::recorded_ahead`]. Reads the entries that were made while the clock was ahead, and
    /// one more for each time that it was set back.
    pub(super) fn recorded_ahead(&self, now: SystemTime, limit: usize) -> Result<Vec<CertificateRecord>> {
        let now_s = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let runs = self.view(|rows| Ok(rows.index.times.runs(now_s)))?;
        let mut found = Vec::new();
        for run in runs {
            for number in (run.first..=run.last).rev() {
                let entry = self.entries.get(EntryNumber(number))?;
                // Within a run the clock goes forward: all before this one are in order.
                let at_s = entry.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
                if at_s <= run.latest_s {
                    break;
                }
                if let Some(certificate) = entry.event.certificate()
                    && let Some(record) = self.certificate_record(&certificate.serial_number)?
                    && record.status() != CertificateStatus::Revoked
                {
                    found.push(record);
                }
                if found.len() >= limit {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }
}

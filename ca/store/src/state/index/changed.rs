//! Rows of certificates that changed since the files that hold them were written.

use std::collections::HashMap;
use std::sync::Arc;

use super::certificates::CertificateRow;

pub(super) type Rows = HashMap<u32, CertificateRow>;

/// The newest change of a row is in the first of these that has it.
#[derive(Default)]
pub(super) struct ChangedRows {
    recent: Rows,
    /// What is being written.
    frozen: Option<Arc<Rows>>,
    /// As of the last checkpoint.
    earlier: Arc<Rows>,
}

impl ChangedRows {
    /// Those of a checkpoint.
    pub(super) fn of(earlier: Rows) -> Self {
        Self { earlier: Arc::new(earlier), ..Self::default() }
    }

    pub(super) fn get(&self, row: u32) -> Option<CertificateRow> {
        let frozen = || self.frozen.as_ref().and_then(|frozen| frozen.get(&row));
        self.recent.get(&row).or_else(frozen).or_else(|| self.earlier.get(&row)).copied()
    }

    pub(super) fn insert(&mut self, row: u32, facts: CertificateRow) {
        self.recent.insert(row, facts);
    }

    /// Sets aside what is in memory, to be written: the earlier changes, and those that hide them. What was
    /// set aside before and not written is in it again.
    pub(super) fn freeze(&mut self) -> [Arc<Rows>; 2] {
        let mut recent = std::mem::take(&mut self.recent);
        for (row, facts) in self.frozen.take().iter().flat_map(|before| before.iter()) {
            recent.entry(*row).or_insert(*facts);
        }
        let frozen = Arc::new(recent);
        self.frozen = Some(Arc::clone(&frozen));
        [Arc::clone(&self.earlier), frozen]
    }

    /// Of what was set aside, this is in no file.
    pub(super) fn written(&mut self, earlier: Rows) {
        (self.frozen, self.earlier) = (None, Arc::new(earlier));
    }
}

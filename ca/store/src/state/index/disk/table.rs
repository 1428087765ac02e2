//! A table from a keyed hash to numbers, to which rows are only added: the newest in memory, the rest in
//! runs.

use std::sync::Arc;

use hashbrown::HashTable;

use super::run::{Run, prefix};
use crate::Result;

/// 64 bits of a keyed hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::state::index) struct Hash(pub(in crate::state::index) u64);

impl Hash {
    /// The half that no table holds.
    pub(in crate::state::index) fn check(self) -> u32 {
        self.0 as u32
    }
}

/// Rows by hash. Several rows may have one hash, and a row of a run may have another: the caller looks at
/// each.
#[derive(Default)]
pub(in crate::state::index) struct Table {
    recent: Recent,
    /// What is being written to a run.
    frozen: Option<Arc<Recent>>,
    /// The oldest first.
    runs: Vec<Arc<Run>>,
}

/// Rows in memory.
#[derive(Default)]
pub(in crate::state::index) struct Recent(HashTable<(u64, u32)>);

impl Table {
    /// The table of a checkpoint.
    pub(in crate::state::index) fn of(runs: Vec<Arc<Run>>) -> Self {
        Self { runs, ..Self::default() }
    }

    pub(in crate::state::index) fn insert(&mut self, hash: Hash, number: u32) {
        self.recent.0.insert_unique(hash.0, (hash.0, number), |(hash, _)| *hash);
    }

    /// The numbers of the rows that may have this hash, in rising order.
    pub(in crate::state::index) fn find(&self, hash: Hash) -> Result<Vec<u32>> {
        let mut found = Vec::new();
        self.recent.find(hash, &mut found);
        if let Some(frozen) = &self.frozen {
            frozen.find(hash, &mut found);
        }
        for run in &self.runs {
            run.find(hash, &mut found)?;
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Sets aside what is in memory, to be written. What was set aside before and not written is in it again.
    pub(in crate::state::index) fn freeze(&mut self) -> (Arc<Recent>, Vec<Arc<Run>>) {
        let mut recent = std::mem::take(&mut self.recent);
        if let Some(before) = self.frozen.take() {
            for (hash, number) in &before.0 {
                recent.0.insert_unique(*hash, (*hash, *number), |(hash, _)| *hash);
            }
        }
        let frozen = Arc::new(recent);
        self.frozen = Some(Arc::clone(&frozen));
        (frozen, self.runs.clone())
    }

    /// What was set aside is in these runs now.
    pub(in crate::state::index) fn written(&mut self, runs: Vec<Arc<Run>>) {
        (self.frozen, self.runs) = (None, runs);
    }
}

impl Recent {
    fn find(&self, hash: Hash, found: &mut Vec<u32>) {
        let rows = self.0.iter_hash(hash.0).filter(|(row, _)| *row == hash.0);
        found.extend(rows.map(|(_, number)| *number));
    }

    /// As a run keeps them.
    pub(in crate::state::index) fn sorted(&self) -> Vec<(u64, u32)> {
        let mut rows: Vec<_> = self.0.iter().map(|(hash, number)| (prefix(Hash(*hash)), *number)).collect();
        rows.sort_unstable();
        rows
    }
}

//! Alarms, mass revocations and rotation requests: there are few, and they are kept whole.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use ledger::{AlarmFacts, AlarmPair, JobFacts, JobId, RotationFacts};

#[derive(Default)]
pub(crate) struct Jobs {
    /// Oldest first.
    pub(crate) alarms: Vec<AlarmFacts>,
    /// Keyed hashes of what makes alarms the same.
    pairs: HashSet<u64>,
    key: RandomState,
    pub(crate) jobs: BTreeMap<JobId, JobFacts>,
    /// Oldest first.
    pub(crate) rotations: Vec<RotationFacts>,
}

impl Jobs {
    pub(super) fn raise(&mut self, pair: &AlarmPair, facts: AlarmFacts) {
        self.pairs.insert(self.key.hash_one(pair));
        self.alarms.push(facts);
    }

    pub(super) fn knows(&self, pair: &AlarmPair) -> bool {
        self.pairs.contains(&self.key.hash_one(pair))
    }

    pub(super) fn begin(&mut self, facts: JobFacts) {
        self.jobs.insert(facts.id, facts);
    }

    pub(super) fn change(&mut self, job: JobId, change: impl FnOnce(&mut JobFacts)) {
        self.jobs.get_mut(&job).map(change);
    }

    /// Drops rotation requests that have ended.
    pub(super) fn request_rotation(&mut self, facts: RotationFacts) {
        self.rotations.retain(|rotation| rotation.terms.until > facts.requested_at);
        self.rotations.push(facts);
    }
}

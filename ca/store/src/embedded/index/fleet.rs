//! Alarms, mass revocations and rotation requests: there are few, and they are kept whole.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use ledger::{AlarmFacts, AlarmPair, Entry, Event, JobFacts, JobId, RotationFacts};

#[derive(Default)]
pub(in crate::embedded) struct Fleet {
    /// Oldest first.
    pub(in crate::embedded) alarms: Vec<AlarmFacts>,
    /// Keyed hashes of what makes alarms the same.
    pairs: HashSet<u64>,
    pub(in crate::embedded) jobs: BTreeMap<JobId, JobFacts>,
    /// Oldest first.
    pub(in crate::embedded) rotations: Vec<RotationFacts>,
}

impl Fleet {
    pub(super) fn enter_alarm(&mut self, entry: &Entry, key: &RandomState) {
        if let Some(pair) = AlarmPair::of(&entry.event) {
            self.pairs.insert(key.hash_one(&pair));
            self.alarms.push(AlarmFacts { entry: entry.number, at: entry.at, kind: pair.kind() });
        }
    }

    pub(super) fn knows(&self, pair: &AlarmPair, key: &RandomState) -> bool {
        self.pairs.contains(&key.hash_one(pair))
    }

    pub(super) fn enter(&mut self, entry: &Entry) {
        match &entry.event {
            Event::CertificatesRevoked { certificates, job: Some(job), .. } => {
                if let Some(known) = self.jobs.get_mut(job) {
                    known.revoked += certificates.len() as u64;
                }
            }
            Event::RevocationBegun { job, selection, reason, invalidity_date, devices, certificates } => {
                let facts = JobFacts {
                    id: *job,
                    selection: selection.clone(),
                    reason: *reason,
                    invalidity_date: *invalidity_date,
                    devices: *devices,
                    certificates: *certificates,
                    revoked: 0,
                    begun_at: entry.at,
                    begun_by: entry.principal.clone(),
                    begun: entry.number,
                    finished: None,
                };
                self.jobs.insert(*job, facts);
            }
            Event::RevocationFinished { job } => {
                if let Some(known) = self.jobs.get_mut(job) {
                    known.finished = Some(entry.number);
                }
            }
            Event::RotationRequested { selection, spread, reason, until } => {
                // Those that were forgotten by then count no more; nobody asks for them.
                self.rotations.retain(|rotation| rotation.until > entry.at);
                self.rotations.push(RotationFacts {
                    entry: entry.number,
                    requested_at: entry.at,
                    requested_by: entry.principal.clone(),
                    selection: selection.clone(),
                    spread: *spread,
                    reason: reason.clone(),
                    until: *until,
                });
            }
            _ => {}
        }
    }
}

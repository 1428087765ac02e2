//! What the authority did since the start, counted for the metrics.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use identity::{IssuerName, ProfileName};
use parking_lot::Mutex;

/// Counts since the start.
#[derive(Debug, Default)]
pub struct Counters {
    issued: [AtomicU64; ProfileName::ALL.len()],
    // Refusals are rare or come from somebody who misbehaves: a lock is cheap enough. Reasons are from a
    // fixed list.
    refused: Mutex<BTreeMap<&'static str, u64>>,
    shared_primes: AtomicU64,
    repeated_alarms: AtomicU64,
    revoked_siblings: AtomicU64,
    issuers_compromised: Mutex<BTreeMap<IssuerName, u64>>,
}

impl Counters {
    /// Certificates released under each profile; repeated answers count again.
    pub fn released(&self) -> impl Iterator<Item = (ProfileName, u64)> + '_ {
        ProfileName::ALL.into_iter().zip(self.issued.iter().map(|count| count.load(Ordering::Relaxed)))
    }

    /// Refusals by their stable reason.
    pub fn refused(&self) -> Vec<(&'static str, u64)> {
        let refused = self.refused.lock();
        refused.iter().map(|(reason, count)| (*reason, *count)).collect()
    }

    /// How often an RSA key was found to share a prime with another one.
    pub fn shared_primes(&self) -> u64 {
        self.shared_primes.load(Ordering::Relaxed)
    }

    /// Refusals that would have been alarms, but for too many of the same caller that are on record already.
    pub fn repeated_alarms(&self) -> u64 {
        self.repeated_alarms.load(Ordering::Relaxed)
    }

    pub(crate) fn count_repeated_alarm(&self) {
        self.repeated_alarms.fetch_add(1, Ordering::Relaxed);
    }

    /// How often a certificate was shown that was revoked unused because its sibling was used first: what a
    /// cloned device does.
    pub fn revoked_siblings(&self) -> u64 {
        self.revoked_siblings.load(Ordering::Relaxed)
    }

    pub(crate) fn count_revoked_sibling(&self) {
        self.revoked_siblings.fetch_add(1, Ordering::Relaxed);
    }

    /// How often it was proven that the key of an issuer is compromised, by issuer.
    pub fn issuers_compromised(&self) -> Vec<(IssuerName, u64)> {
        let compromised = self.issuers_compromised.lock();
        compromised.iter().map(|(issuer, count)| (*issuer, *count)).collect()
    }

    pub(crate) fn count_compromised_issuer(&self, issuer: IssuerName) {
        let mut compromised = self.issuers_compromised.lock();
        *compromised.entry(issuer).or_default() += 1;
    }

    pub(crate) fn count_shared_prime(&self) {
        self.shared_primes.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_release(&self, profile: ProfileName) {
        let at = ProfileName::ALL.iter().position(|known| *known == profile);
        if let Some(count) = at.and_then(|at| self.issued.get(at)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn count_refusal(&self, reason: &'static str) {
        *self.refused.lock().entry(reason).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_profile_and_each_reason_has_its_own_count() {
        let counters = Counters::default();
        counters.count_release(ProfileName::Idevid);
        counters.count_release(ProfileName::Idevid);
        counters.count_release(ProfileName::RelyingParty);
        counters.count_refusal("KEY_ALREADY_USED");
        let released: Vec<_> = counters.released().filter(|(_, count)| *count > 0).collect();
        assert_eq!(released, [(ProfileName::Idevid, 2), (ProfileName::RelyingParty, 1)]);
        assert_eq!(counters.refused(), [("KEY_ALREADY_USED", 1)]);
    }
}

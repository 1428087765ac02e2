//! What the authority did since the start, counted for the metrics.

use std::collections::BTreeMap;

use identity::{IssuerName, ProfileName};
use parking_lot::Mutex;

/// Counts since the start.
#[derive(Debug)]
pub struct Counters {
    /// Certificates released under each profile; repeated answers count again.
    pub released: Counts<ProfileName>,
    /// Refusals by their stable reason.
    pub refused: Counts<&'static str>,
    /// How often it was proven that the key of an issuer is compromised, by issuer.
    pub issuers_compromised: Counts<IssuerName>,
    /// What has no other name than its kind.
    pub others: Counts<Counted>,
}

/// What is counted by its kind alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counted {
    /// An RSA key was found to share a prime with another one.
    SharedPrime,
    /// A refusal would have been an alarm, but for too many of the same caller that are on record already.
    RepeatedAlarm,
    /// A certificate was shown that was revoked unused because its sibling was used first, as clones do.
    RevokedSibling,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            released: Counts(Mutex::new(ProfileName::all().map(|profile| (profile, 0)).collect())),
            refused: Counts::default(),
            issuers_compromised: Counts::default(),
            others: Counts::default(),
        }
    }
}

/// Counts by key.
#[derive(Debug)]
pub struct Counts<K>(Mutex<BTreeMap<K, u64>>);

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Copy + Ord> Counts<K> {
    pub(crate) fn add(&self, key: K) {
        *self.0.lock().entry(key).or_default() += 1;
    }

    /// The count of one key.
    pub fn of(&self, key: K) -> u64 {
        self.0.lock().get(&key).copied().unwrap_or_default()
    }

    /// All counts, by key.
    pub fn all(&self) -> Vec<(K, u64)> {
        self.0.lock().iter().map(|(key, count)| (*key, *count)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_profile_and_each_reason_has_its_own_count() {
        let (idevid, broker) = (ProfileName::Idevid, ProfileName::Credential(identity::Role::RelyingParty));
        let counters = Counters::default();
        counters.released.add(idevid);
        counters.released.add(idevid);
        counters.released.add(broker);
        counters.refused.add("KEY_ALREADY_USED");
        let released = counters.released.all();
        assert_eq!(released.len(), ProfileName::all().count());
        let released: Vec<_> = released.into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(released, [(idevid, 2), (broker, 1)]);
        assert_eq!(counters.refused.all(), [("KEY_ALREADY_USED", 1)]);
    }
}

//! What a station may do while the CA cannot be asked (ADR 0069): which units get everything but their
//! certificate, and by which clock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clap::ValueEnum;
use identity::{Clock, Csr, CsrError, DeviceId, KeyError, KeyFingerprint, KeyType};
use parking_lot::Mutex;
use proto::v1::Reason;

use crate::session::{Refusal, UnitProgress};
use crate::stock::Stock;

/// Whether a line goes on while the CA cannot be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Offline {
    /// It stops. Units never leave it without their certificates.
    #[default]
    Never,
    /// It makes reserved units, whose certificates come later.
    Allowed,
}

/// Judges each unit whose certificate the CA cannot give now.
pub(crate) struct Deferrals {
    offline: Offline,
    clock: Arc<dyn Clock>,
    watch: Mutex<ClockWatch>,
    /// The keys of all units in the journals of this station.
    keys: Mutex<BTreeMap<KeyFingerprint, DeviceId>>,
}

/// Why a unit is not made now.
#[derive(Debug)]
pub(crate) enum NotDeferred {
    /// Its request is wrong, as the CA would say.
    Refused(Refusal),
    /// No unit can be made by this clock.
    ClockWrong(String),
    /// The unit can be made when the CA answers. May be empty: nothing is to be added.
    Waits(String),
}

impl Deferrals {
    /// `latest`: the latest time in the journals.
    pub(crate) fn new(
        offline: Offline,
        clock: Arc<dyn Clock>,
        latest: SystemTime,
        keys: BTreeMap<KeyFingerprint, DeviceId>,
    ) -> Self {
        let watch = Mutex::new(ClockWatch { wall: clock.now(), monotonic: clock.monotonic(), latest });
        Self { offline, clock, watch, keys: Mutex::new(keys) }
    }

    pub(crate) fn are_allowed(&self) -> bool {
        self.offline == Offline::Allowed
    }

    /// The CA has agreed with the station's clock.
    pub(crate) fn trust_the_clock(&self) {
        let mut watch = self.watch.lock();
        (watch.wall, watch.monotonic) = (self.clock.now(), self.clock.monotonic());
    }

    /// Whether the clock can be used to say when a unit was made.
    pub(crate) fn check_clock(&self) -> Result<SystemTime, String> {
        let now = self.clock.now();
        self.watch.lock().judge(now, self.clock.monotonic()).map(|()| now)
    }

    /// Whether a unit that was asked for gets everything but its certificate; the time to put on record.
    /// Checks its request as the CA will, so that no unit is locked that will be refused (R-KEY-09).
    pub(crate) fn judge(
        &self,
        device: &DeviceId,
        progress: &UnitProgress,
        stock: &Stock,
    ) -> Result<SystemTime, NotDeferred> {
        let waits = |why: &str| NotDeferred::Waits(why.to_owned());
        if !self.are_allowed() {
            return Err(waits(""));
        }
        // It was checked when that was recorded.
        if let Some(at) = progress.deferred {
            return Ok(at);
        }
        if progress.superseded.is_some() {
            return Err(waits("a unit that is made again gets its certificate from the CA at once"));
        }
        let now = self.check_clock().map_err(NotDeferred::ClockWrong)?;
        match stock.ends_at(&device.serial) {
            None => return Err(waits("its serial number is not reserved for this station")),
            Some(ends_at) if now >= ends_at => return Err(NotDeferred::Waits(is_over(ends_at, now))),
            Some(_) => {}
        }
        let csr = progress.asked.as_ref().map(|(_, csr)| csr.as_slice()).unwrap_or_default();
        let key = checked(csr).map_err(NotDeferred::Refused)?;
        match self.keys.lock().entry(key) {
            std::collections::btree_map::Entry::Occupied(other) if other.get() != device => {
                let what = format!("the key of {device} is the key of {}", other.get());
                Err(NotDeferred::Refused(refusal(Reason::KeyAlreadyUsed, what)))
            }
            entry => {
                entry.or_insert_with(|| device.clone());
                Ok(now)
            }
        }
    }
}

/// The keys of units, by their recorded requests.
pub(crate) fn keys<'a>(
    units: impl Iterator<Item = (&'a DeviceId, &'a UnitProgress)>,
) -> BTreeMap<KeyFingerprint, DeviceId> {
    units
        .filter_map(|(device, progress)| {
            let (_, csr) = progress.asked.as_ref()?;
            Some((Csr::from_der(csr).ok()?.public_key().fingerprint(), device.clone()))
        })
        .collect()
}

/// Says that a reservation has ended, by which clock.
pub(crate) fn is_over(ends_at: SystemTime, now: SystemTime) -> String {
    let rfc3339 = |time| humantime::format_rfc3339_seconds(time);
    format!("its reservation ended at {}, and this station's clock shows {}", rfc3339(ends_at), rfc3339(now))
}

fn checked(csr: &[u8]) -> Result<KeyFingerprint, Refusal> {
    let csr = Csr::from_der(csr).map_err(|error| refusal(reason_of(&error), error.to_string()))?;
    let key = csr.public_key();
    match key.key_type() {
        KeyType::P256 => Ok(key.fingerprint()),
        _ => Err(refusal(Reason::KeyTypeNotAllowed, "it was asked for a P-256 key".to_owned())),
    }
}

fn reason_of(error: &CsrError) -> Reason {
    match error {
        CsrError::TooLarge { .. } => Reason::CsrTooLarge,
        CsrError::NotDer(_) | CsrError::Pem | CsrError::Base64 | CsrError::PrivateKey => Reason::CsrNotDer,
        CsrError::ProofOfPossession
        | CsrError::SignatureAlgorithm { .. }
        | CsrError::SignatureForm { .. } => Reason::ProofOfPossessionFailed,
        CsrError::Key(KeyError::NotDer | KeyError::Malformed { .. }) => Reason::KeyMalformed,
        CsrError::Key(KeyError::NotAllowed) => Reason::KeyTypeNotAllowed,
        CsrError::Key(KeyError::Weak { .. }) => Reason::KeyWeak,
    }
}

fn refusal(reason: Reason, what: String) -> Refusal {
    Refusal::new(reason.as_str_name().to_owned(), what, false)
}

/// Notices a clock that was set while the CA could not say the time.
#[derive(Debug)]
struct ClockWatch {
    /// The wall clock and the monotonic one at one moment.
    wall: SystemTime,
    monotonic: Duration,
    /// The latest time that is on record.
    latest: SystemTime,
}

impl ClockWatch {
    fn judge(&mut self, now: SystemTime, monotonic: Duration) -> Result<(), String> {
        let rfc3339 = |time| humantime::format_rfc3339_seconds(time);
        if now + CLOCK_STEP_MAX < self.latest {
            return Err(format!(
                "this station's clock shows {}, and its journal has a record of {}: the clock went back; set it, or wait for the CA",
                rfc3339(now),
                rfc3339(self.latest)
            ));
        }
        let expected = self.wall + monotonic.saturating_sub(self.monotonic);
        let step = now.duration_since(expected).unwrap_or_else(|error| error.duration());
        if step > CLOCK_STEP_MAX {
            return Err(format!(
                "this station's clock shows {}, and {} was expected: it was set while the CA could not be asked; set it right, or wait \
                 for the CA",
                rfc3339(now),
                rfc3339(expected)
            ));
        }
        self.latest = self.latest.max(now);
        Ok(())
    }
}

/// A clock that is corrected over the network moves by less.
const CLOCK_STEP_MAX: Duration = Duration::from_secs(5 * 60);

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn a_clock_that_went_back_or_was_set_is_refused_and_one_that_runs_is_not() {
        let at = |seconds: u64| UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds);
        let watch = || ClockWatch { wall: at(0), monotonic: Duration::from_secs(50), latest: at(0) };
        let judge = |now, monotonic| watch().judge(at(now), Duration::from_secs(monotonic));
        assert_eq!(judge(3_600, 3_650), Ok(()), "an hour passes by both clocks");
        assert_eq!(judge(60, 50), Ok(()), "a minute of correction");
        let year = 365 * 86_400;
        assert!(judge(year, 60).unwrap_err().contains("it was set while the CA could not be asked"));
        let back = watch().judge(at(0) - Duration::from_secs(year), Duration::from_secs(60)).unwrap_err();
        assert!(back.contains("the clock went back"), "{back}");
    }

    #[test]
    fn a_request_is_checked_as_the_ca_will_check_it() {
        let key = rcgen::KeyPair::generate().unwrap();
        let csr = rcgen::CertificateParams::default().serialize_request(&key).unwrap().der().to_vec();
        assert!(checked(&csr).is_ok());
        let mut damaged = csr.clone();
        let at = damaged.len() - 10;
        damaged[at] ^= 1;
        for (csr, reason) in
            [(damaged, "PROOF_OF_POSSESSION_FAILED"), (b"no request".to_vec(), "CSR_NOT_DER")]
        {
            assert_eq!(checked(&csr).unwrap_err().reason, reason);
        }
        let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        let csr = rcgen::CertificateParams::default().serialize_request(&other).unwrap().der().to_vec();
        assert_eq!(checked(&csr).unwrap_err().reason, "KEY_TYPE_NOT_ALLOWED");
    }
}

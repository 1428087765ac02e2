//! Finds RSA keys that share a prime (R-KEY-06): a new key is compared with the latest ones, and once a night
//! all keys on record with one another. Each pair is an alarm: anybody with the two certificates can compute
//! the private keys.

use std::collections::HashSet;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use identity::{DeviceId, KeyFingerprint, KeyType, Principal, ProfileName, SerialNumber};
use issuance::{Modulus, Profile, shared_primes, shared_primes_between};
use ledger::{Action, Conflict, Holder, IssuanceSubject, Selection};
use store::{Chore, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::issue::IssuanceRequest;
use super::record::caller_command;
use super::{Authority, Caller, Counted, Refused};

/// The moduli that were compared before: the next walk compares only newer keys with them.
#[derive(Default)]
pub struct PrimeWalk {
    moduli: Vec<Modulus>,
    certificates: Vec<SerialNumber>,
    keys: HashSet<KeyFingerprint>,
    /// Certificates that were issued before this time are in `moduli`.
    seen_until: Option<SystemTime>,
}

impl Authority {
    /// Whether a profile allows RSA keys.
    pub fn takes_rsa(&self) -> bool {
        ProfileName::all().any(|name| takes_rsa(&self.profile(name)))
    }

    /// Compares all RSA keys on record once a day until `stop`, if a profile allows RSA keys.
    pub async fn watch_primes(&self, stop: CancellationToken) {
        if !self.takes_rsa() {
            return;
        }
        let work = async {
            let mut walk = PrimeWalk::default();
            let mut pause = FIRST_WALK_PAUSE;
            loop {
                tokio::time::sleep(pause).await;
                pause = WALK_INTERVAL;
                match self.walk_primes(&mut walk).await {
                    Ok(_) => {}
                    Err(why) => {
                        let why: &dyn std::error::Error = &why;
                        error!(why, "RSA keys on record cannot be compared; trying again");
                        pause = FAILURE_PAUSE;
                    }
                }
            }
        };
        tokio::select! {
            () = work => {}
            () = stop.cancelled() => {}
        }
    }

    /// Compares the RSA keys since the last walk with one another and with those before, and records an alarm
    /// for each pair that shares a prime. Returns the number of pairs.
    ///
    /// # Errors
    /// When the store cannot answer or record. The next walk then begins anew.
    pub async fn walk_primes(&self, walk: &mut PrimeWalk) -> Result<usize, Refused> {
        if !self.chores.is_mine(Chore::PrimeSearch).await? {
            return Ok(0);
        }
        let mut next = std::mem::take(walk);
        let found = self.walk_on(&mut next).await?;
        *walk = next;
        Ok(found)
    }

    async fn walk_on(&self, walk: &mut PrimeWalk) -> Result<usize, Refused> {
        let now = self.clock.now();
        let known = walk.moduli.len();
        self.gather(walk, now).await?;
        let mut found = Vec::new();
        let mut start = known;
        while start < walk.moduli.len() {
            let block = walk.moduli.iter().skip(start).take(BLOCK_MODULI).cloned().collect::<Vec<_>>();
            let length = block.len();
            let within = block.clone();
            let pairs = compared(move || shared_primes(&within)).await?;
            found.extend(pairs.into_iter().map(|(one, other)| (start + one, start + other)));
            for before in (0..start).step_by(BLOCK_MODULI) {
                let ones = block.clone();
                let others: Vec<_> =
                    walk.moduli.iter().skip(before).take(BLOCK_MODULI.min(start - before)).cloned().collect();
                let pairs = compared(move || shared_primes_between(&ones, &others)).await?;
                found.extend(pairs.into_iter().map(|(one, other)| (start + one, before + other)));
            }
            start += length;
        }
        for (one, other) in &found {
            if let (Some(one), Some(other)) = (walk.certificates.get(*one), walk.certificates.get(*other)) {
                self.report_pair(*one, *other).await?;
            }
        }
        walk.seen_until = Some(now);
        info!(
            keys = walk.moduli.len(),
            fresh = walk.moduli.len() - known,
            found = found.len(),
            "compared the RSA keys on record"
        );
        Ok(found.len())
    }

    /// Why a request is refused whose RSA key shares a prime with one of the latest; `None`: it does not.
    pub(super) async fn refuse_known_prime(
        &self,
        caller: &Caller,
        request: &IssuanceRequest,
    ) -> Option<Refused> {
        let modulus = request.modulus()?;
        let certificate = self.recent_moduli.lock().sharing_with(&modulus)?;
        Some(match &request.subject {
            IssuanceSubject::Birth { device, .. } => {
                self.refuse_shared_prime(caller, device.clone(), certificate, true).await
            }
            IssuanceSubject::Operational { device, .. } => {
                self.refuse_shared_prime(caller, device.clone(), certificate, false).await
            }
            IssuanceSubject::Credential { role, name } => {
                self.counters.others.add(Counted::SharedPrime);
                error!(%certificate, "the RSA key of {role}:{name} shares a prime with the one of a certificate");
                Conflict::SharedPrime.into()
            }
        })
    }

    pub(super) fn remember_modulus(&self, request: &IssuanceRequest, certificate: SerialNumber) {
        if let Some(modulus) = request.modulus() {
            self.recent_moduli.lock().remember(modulus, certificate);
        }
    }

    /// Records an alarm that names the caller. At a birth it pauses the product, whatever the caller's limit
    /// of alarms says.
    async fn refuse_shared_prime(
        &self,
        caller: &Caller,
        device: DeviceId,
        certificate: SerialNumber,
        at_birth: bool,
    ) -> Refused {
        self.counters.others.add(Counted::SharedPrime);
        error!(%device, %certificate, "the RSA key of {device} shares a prime with the one of another certificate");
        let goes_on = at_birth && self.paused_since(&device.product).is_none();
        if !goes_on && self.alarms.take(caller.principal(), Instant::now()).is_err() {
            self.counters.others.add(Counted::RepeatedAlarm);
            return Conflict::SharedPrime.into();
        }
        let action = Action::ReportSharedPrime { device, certificate, at_birth };
        match self.record_at_any_time(caller, caller_command(caller, [0; 32], action)).await {
            Ok(_) => Conflict::SharedPrime.into(),
            Err(refused) => refused,
        }
    }

    async fn report_pair(&self, one: SerialNumber, other: SerialNumber) -> Result<(), Refused> {
        self.counters.others.add(Counted::SharedPrime);
        error!(%one, %other, "the RSA keys of two certificates share a prime: everybody can compute both private keys");
        for (mine, its) in [(one, other), (other, one)] {
            let holder = self.store.certificate(&mine).await?.and_then(|record| record.holder());
            let Some(Holder::Principal(Principal::Device(device))) = holder else { continue };
            let action = Action::ReportSharedPrime { device, certificate: its, at_birth: false };
            match self.record_own(action).await {
                Ok(_) | Err(Refused::Ledger(Conflict::SharedPrime)) => {}
                Err(refused) => return Err(refused),
            }
        }
        Ok(())
    }

    /// Reads the RSA keys since the last walk.
    async fn gather(&self, walk: &mut PrimeWalk, now: SystemTime) -> Result<(), Refused> {
        // Entries that were decided during the last walk are read again and skipped.
        let from = walk.seen_until.and_then(|until| until.checked_sub(OVERLAP)).unwrap_or(UNIX_EPOCH);
        let until = now.checked_add(OVERLAP).unwrap_or(now);
        let selection = Selection::Issued { from, until };
        let mut next = Some(0);
        while let Some(from) = next {
            let began = Instant::now();
            let page = self.store.select(&selection, from, PAGE_CERTIFICATES).await?;
            for selected in page.certificates {
                let Some(record) = self.store.certificate(&selected.serial_number).await? else { continue };
                let certificate = record.certificate();
                let Some(modulus) = Modulus::of_certificate(&certificate.der) else { continue };
                if walk.keys.contains(&certificate.key) {
                    continue;
                }
                if walk.moduli.len() >= WALK_MODULI_MAX {
                    warn!(keys = WALK_MODULI_MAX, "there are more RSA keys on record than are compared");
                    return Ok(());
                }
                walk.keys.insert(certificate.key);
                walk.moduli.push(modulus);
                walk.certificates.push(selected.serial_number);
            }
            next = page.next;
            tokio::time::sleep(began.elapsed() * REST).await;
        }
        Ok(())
    }
}

impl IssuanceRequest {
    fn modulus(&self) -> Option<Modulus> {
        self.key.public_key().rsa_modulus().map(Modulus::from_bytes)
    }
}

/// Compares on a blocking thread, then rests: at most a fifth of one core.
async fn compared(
    work: impl FnOnce() -> Vec<(usize, usize)> + Send + 'static,
) -> Result<Vec<(usize, usize)>, Refused> {
    let began = Instant::now();
    let pairs = tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| StoreError::Bug("the thread that compared keys panicked"))?;
    tokio::time::sleep(began.elapsed() * REST).await;
    Ok(pairs)
}

fn takes_rsa(profile: &Profile) -> bool {
    let rsa = [KeyType::Rsa2048, KeyType::Rsa3072, KeyType::Rsa4096];
    profile.key_types.iter().any(|key_type| rsa.contains(key_type))
}

/// The moduli of one comparison: with RSA-2048 it takes two seconds and a few MB.
const BLOCK_MODULI: usize = 2_048;

/// The most moduli that are kept, some 90 MB with RSA-2048: half a day of work after a start.
const WALK_MODULI_MAX: usize = 200_000;

/// How long it rests for each second of work, in seconds.
const REST: u32 = 4;

const FIRST_WALK_PAUSE: Duration = Duration::from_secs(10);
const WALK_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);
const FAILURE_PAUSE: Duration = Duration::from_secs(60);

/// An entry gets its time before it is on record: how far a walk reads back.
const OVERLAP: Duration = Duration::from_secs(10 * 60);

const PAGE_CERTIFICATES: usize = 1_000;

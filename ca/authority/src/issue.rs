//! Issuing certificates: every certificate that a caller asks for is issued here.

use std::time::{Instant, SystemTime};

use futures::{StreamExt, stream};
use identity::{DeviceId, RequestId, SerialNumber};
use issuance::{Certificate, Profile, Refusal, Request, Subject};
use ledger::{Action, Command, Conflict, Event, Intent, IssuanceSubject, SignedCertificate};
use signer::{Signer, SignerError};
use store::{Preflight, Recorded, Released, StoreError};

use super::keys::AcceptedKey;
use super::record::caller_command;
use super::request_digest::RequestDigest;
use super::serial_pool::{DRAWS_MAX, ReservedSerials};
use super::{Authority, Caller, Counted, Refused};

pub(super) struct IssuanceRequest {
    /// The caller's id of the request.
    pub(super) id: RequestId,
    /// What the request says; see [`RequestDigest`](super::request_digest::RequestDigest).
    pub(super) digest: [u8; 32],
    /// What the certificate is drafted from, without its shard.
    pub(super) draft: Request,
    /// For whom it is, and what authorises it.
    pub(super) subject: IssuanceSubject,
    pub(super) key: AcceptedKey,
}

pub(super) type Answer = Result<Released, Refused>;

/// What the ledger says to a request before anything is signed for it.
pub(super) enum PreflightOutcome {
    /// The answer that it was given before, or a refusal.
    Answered(Answer),
    /// Nothing is in the way of a new certificate.
    New,
    /// It will be refused, and the refusal goes on record as an alarm.
    Alarm,
}

impl Authority {
    /// Issues a certificate for each request that the ledger accepts, under one profile and in one durable
    /// commit. The answers are in the order of the requests; the refusal of one does not touch the others.
    ///
    /// Before, the caller of this method read the key ([`Authority::accepted_key`]) and asked the ledger
    /// whether a signature is worth making ([`Authority::preflight`]). The steps (R-CA-07):
    ///
    /// 1. Compare an RSA key with the latest ones (R-KEY-06).
    /// 2. Reserve serial numbers that are neither on record nor used by another issuance under way
    ///    (R-5280-02).
    /// 3. Draft each certificate from its profile, encode it and lint it.
    /// 4. Have it signed; all signatures of one call are in flight together.
    /// 5. Check the caller again and commit all of them together; the ledger decides on each.
    /// 6. Release what is on record. For a serial number that was taken meanwhile begin again at step 2, at
    ///    most [`DRAWS_MAX`] times.
    pub(super) async fn issue(
        &self,
        caller: &Caller,
        profile: &Profile,
        requests: &[IssuanceRequest],
    ) -> Vec<Answer> {
        let mut answers: Vec<Option<Answer>> = Vec::with_capacity(requests.len());
        for request in requests {
            answers.push(self.refuse_known_prime(caller, request).await.map(Err));
        }
        for _ in 0..DRAWS_MAX {
            let open = requests.iter().zip(&mut answers).filter(|(_, answer)| answer.is_none());
            let (open, unanswered): (Vec<_>, Vec<_>) = open.unzip();
            if open.is_empty() {
                break;
            }
            let round = match self.issue_round(caller, profile, &open).await {
                Ok(round) => round,
                Err(refused) => open.iter().map(|_| Some(Err(refused.clone()))).collect(),
            };
            for (unanswered, answer) in unanswered.into_iter().zip(round) {
                *unanswered = answer;
            }
        }
        answers.into_iter().map(|answer| answer.unwrap_or(Err(Refused::SerialNumbers))).collect()
    }

    /// As [`Authority::issue`], for one request.
    pub(super) async fn issue_one(
        &self,
        caller: &Caller,
        profile: &Profile,
        request: IssuanceRequest,
    ) -> Answer {
        let answer = self.issue(caller, profile, &[request]).await.pop();
        answer.unwrap_or_else(|| Err(Refused::internal("an issuance request has no answer")))
    }

    pub(super) async fn preflight(&self, caller: &Caller, request: &IssuanceRequest) -> PreflightOutcome {
        // A repeated answer carries the CA's time too.
        if let Err(refused) = self.clock_is_trusted() {
            return PreflightOutcome::Answered(Err(refused));
        }
        match self.store.preflight(&request.intent(caller)).await {
            Ok(Preflight::Answered(recorded)) => PreflightOutcome::Answered(self.release(&recorded)),
            Ok(Preflight::Refused(conflict)) => PreflightOutcome::Answered(Err(conflict.into())),
            Ok(Preflight::Clear) => PreflightOutcome::New,
            // One that pauses a product is not repeated: an operator has to resume it first.
            Ok(Preflight::Alarm { pauses: true, .. }) => PreflightOutcome::Alarm,
            Ok(Preflight::Alarm { conflict, pauses: false }) => match self.may_raise_alarm(caller, &conflict)
            {
                true => PreflightOutcome::Alarm,
                false => PreflightOutcome::Answered(Err(conflict.into())),
            },
            Err(error) => PreflightOutcome::Answered(Err(error.into())),
        }
    }

    /// Whether a refusal becomes an alarm. Forks have a limit of their own: a clone cannot hide its fork.
    fn may_raise_alarm(&self, caller: &Caller, conflict: &Conflict) -> bool {
        let limiter = match conflict {
            Conflict::LineageForked(_) | Conflict::AlreadyEnrolled(_) => &self.forks,
            _ => &self.alarms,
        };
        let allowed = limiter.take(caller.principal(), Instant::now()).is_ok();
        if !allowed {
            self.counters.others.add(Counted::RepeatedAlarm);
        }
        allowed
    }

    /// One round of [`Authority::issue`]: `None` for a request whose serial number was taken.
    async fn issue_round(
        &self,
        caller: &Caller,
        profile: &Profile,
        requests: &[&IssuanceRequest],
    ) -> Result<Vec<Option<Answer>>, Refused> {
        self.clock_is_trusted()?;
        let reserved = self.reserve_serial_numbers(requests.len()).await?;
        let now = self.clock.now();
        let signing = requests.iter().zip(reserved.numbers());
        let signing: Vec<_> =
            signing.map(|(request, number)| self.sign(request, profile, *number, now)).collect();
        let signed: Vec<_> = stream::iter(signing).buffered(SIGNATURES_IN_FLIGHT_MAX).collect().await;
        let mut answers: Vec<Option<Answer>> = Vec::with_capacity(requests.len());
        let mut commands = Vec::with_capacity(requests.len());
        for (request, signed) in requests.iter().zip(signed) {
            answers.push(match signed {
                Ok(certificate) => {
                    commands.push(request.command(caller, certificate));
                    None
                }
                Err(refused) => Some(Err(refused)),
            });
        }
        if commands.is_empty() {
            return Ok(answers);
        }
        let recorded = requests.iter().zip(&mut answers).filter(|(_, answer)| answer.is_none());
        match self.commit(caller, commands).await {
            Ok(verdicts) => {
                for ((request, answer), verdict) in recorded.zip(verdicts) {
                    *answer = match verdict {
                        Ok(recorded) => Some(self.release_new(request, &recorded)),
                        Err(Conflict::SerialNumberTaken) => None,
                        Err(conflict) => Some(Err(conflict.into())),
                    };
                }
            }
            Err(refused) => recorded.for_each(|(_, answer)| *answer = Some(Err(refused.clone()))),
        }
        Ok(answers)
    }

    /// Serial numbers that are not on record, looked up before signing: also a broken generator repeats none.
    pub(super) async fn reserve_serial_numbers(&self, count: usize) -> Result<ReservedSerials<'_>, Refused> {
        let mut reserved = self.serial_pool.reserve(count).ok_or(Refused::SerialNumbers)?;
        for _ in 0..DRAWS_MAX {
            let mut taken = Vec::new();
            for number in reserved.numbers() {
                if self.store.certificate_status(number).await?.is_some() {
                    taken.push(*number);
                }
            }
            if taken.is_empty() {
                return Ok(reserved);
            }
            reserved = reserved.replace(&taken).ok_or(Refused::SerialNumbers)?;
        }
        Err(Refused::SerialNumbers)
    }

    async fn sign(
        &self,
        request: &IssuanceRequest,
        profile: &Profile,
        number: SerialNumber,
        now: SystemTime,
    ) -> Result<SignedCertificate, Refused> {
        let issuer = self.issuers.signer_of(profile.issuer)?;
        let shard = Some(shard_of(self.store.issued_by(profile.issuer).await?));
        let draft = Request { shard, ..request.draft.clone() };
        let by = (Some(issuer.certificate.as_ref()), issuer.signer.as_ref());
        let certificate = certify::<Refused>(draft, profile, &self.organization, by, number, now).await?;
        Ok(signed(&certificate, profile, shard))
    }

    fn release_new(&self, request: &IssuanceRequest, recorded: &Recorded) -> Answer {
        let released = self.release(recorded)?;
        self.remember_modulus(request, released.serial_number());
        Ok(released)
    }

    /// What the entry answers: its certificate, or that the unit is refused for good.
    pub(super) fn release(&self, recorded: &Recorded) -> Answer {
        if let Event::DeferralRefused { device, refused, .. } = &recorded.entry().event {
            return Err(Conflict::DeferralRefused { device: device.clone(), flaw: refused.flaw }.into());
        }
        let released =
            recorded.released().ok_or(StoreError::Bug("an issuance entry holds no certificate"))?;
        if let Some(certificate) = recorded.entry().event.certificate() {
            self.counters.released.add(certificate.profile);
        }
        Ok(released)
    }
}

/// Drafts a certificate, lints it, and has it signed by an issuer; by itself, if there is no issuer.
///
/// # Errors
/// When the profile forbids it, it would break a rule, or the key does not sign.
pub async fn certify<E: From<Refusal> + From<SignerError>>(
    request: Request,
    profile: &Profile,
    organization: &str,
    (issuer, signer): (Option<&Certificate>, &dyn Signer),
    serial_number: SerialNumber,
    now: SystemTime,
) -> Result<Certificate, E> {
    let prepared = issuance::draft(request, profile, organization, issuer, serial_number, now)?.prepare()?;
    let signature = signer.sign(prepared.to_be_signed()).await?;
    Ok(prepared.seal(&signature)?)
}

/// A certificate for the ledger.
pub fn signed(certificate: &Certificate, profile: &Profile, shard: Option<u32>) -> SignedCertificate {
    SignedCertificate {
        issuer: profile.issuer,
        profile: profile.name,
        serial_number: certificate.serial_number(),
        key: certificate.public_key().fingerprint(),
        validity: certificate.validity(),
        shard,
        der: certificate.der().to_vec().into(),
    }
}

impl IssuanceRequest {
    /// For a device, with the lifetime that the profile says. Its key completes the digest.
    pub(super) fn of_device(
        id: RequestId,
        digest: RequestDigest,
        device: &DeviceId,
        subject: IssuanceSubject,
        key: AcceptedKey,
    ) -> Self {
        let digest = digest.bytes(key.fingerprint().as_bytes()).finish();
        let public_key = key.public_key().clone();
        let draft =
            Request { public_key, subject: Subject::Device(device.clone()), lifetime: None, shard: None };
        Self { id, digest, draft, subject, key }
    }

    fn intent(&self, caller: &Caller) -> Intent {
        Intent {
            principal: caller.principal().cloned(),
            request: Some(self.id),
            content: self.digest,
            subject: self.subject.clone(),
            key: self.key.fingerprint(),
        }
    }

    fn command(&self, caller: &Caller, certificate: SignedCertificate) -> Command {
        let action = Action::Issue { subject: self.subject.clone(), certificate };
        Command { request: Some(self.id), ..caller_command(caller, self.digest, action) }
    }
}

/// The CRL shard of the next certificate of an issuer that has signed `issued`; about full ones may grow.
fn shard_of(issued: u64) -> u32 {
    u32::try_from(issued / SHARD_CERTIFICATES).unwrap_or(u32::MAX)
}

/// About how many certificates share one CRL shard (R-CRL-08, R-CRL-11): when all are revoked it has 800 kB.
pub const SHARD_CERTIFICATES: u64 = 16_384;

/// Signatures of one call in flight, the largest batch: a hardware module may work on all at a time.
const SIGNATURES_IN_FLIGHT_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_full_before_the_next_one_begins() {
        assert_eq!([0, 16_383, 16_384, 32_768].map(shard_of), [0, 0, 1, 2]);
        assert_eq!(shard_of(u64::MAX), u32::MAX);
    }
}

//! The order of things (R-CA-07): foresee, draft, prepare, sign, record, release. Every certificate goes through here, and what
//! comes out is made by the ledger's answer alone.

use std::time::{Instant, SystemTime};

use identity::{DeviceId, KeyFingerprint, PrincipalName, RequestId, Role, SerialNumber};
use issuance::{Certificate, Profile, Request};
use ledger::{Action, Command, Conflict, Intent, IntentSubject, SignedCertificate, WorkOrderId};
use signer::SignerError;
use store::{Preflight, Recorded, Released, Store, StoreError};

use super::keys::AcceptedKey;
use super::serial_numbers::{DRAWS_MAX, Drawn};
use super::{Authority, Caller, Refused};

/// A request for one certificate, the key of which was proven.
pub(super) struct Question {
    pub(super) request: RequestId,
    pub(super) content: [u8; 32],
    pub(super) asked: Request,
    pub(super) holder: Holder,
    pub(super) key: AcceptedKey,
}

/// Whose certificate it will be, and what allows it.
#[derive(Clone)]
pub(super) enum Holder {
    Birth { work_order: WorkOrderId, device: DeviceId },
    Operational { device: DeviceId, parent: SerialNumber, hold_on_fork: bool },
    Credential { role: Role, name: PrincipalName },
}

/// What the ledger says to a question before anything is signed for it.
pub(super) enum PreflightOutcome {
    /// Its answer, or a refusal.
    Answered(Result<Released, Refused>),
    /// Nothing: it is worth a signature.
    New,
    /// It will be refused, and the refusal goes on record as an alarm.
    Alarm,
}

/// The answer to the question that stands at this place.
pub(super) type Placed<T> = (usize, T);

impl<S: Store> Authority<S> {
    /// What the ledger already says to a question.
    pub(super) async fn preflight(&self, caller: &Caller, question: &Question) -> PreflightOutcome {
        // Also what was answered before: with it goes the time.
        if let Err(refused) = self.clock_is_trusted() {
            return PreflightOutcome::Answered(Err(refused));
        }
        match self.store.preflight(&question.intent(caller)).await {
            Ok(Preflight::Answered(recorded)) => PreflightOutcome::Answered(self.release(&recorded)),
            Ok(Preflight::Refused(conflict)) => PreflightOutcome::Answered(Err(conflict.into())),
            Ok(Preflight::Clear) => PreflightOutcome::New,
            Ok(Preflight::Alarm(conflict)) => match self.alarm_is_due(caller, &conflict) {
                true => PreflightOutcome::Alarm,
                false => PreflightOutcome::Answered(Err(conflict.into())),
            },
            Err(error) => PreflightOutcome::Answered(Err(error.into())),
        }
    }

    /// Whether a refusal goes on record as an alarm: not if it is one of very many of the same caller. Forks are counted apart, so that nothing
    /// else that a clone asks for hides that it is one.
    fn alarm_is_due(&self, caller: &Caller, conflict: &Conflict) -> bool {
        let pace = match conflict {
            Conflict::LineageForked(_) | Conflict::AlreadyEnrolled(_) => &self.forks,
            _ => &self.alarms,
        };
        let due = pace.step(caller.principal(), Instant::now()).is_ok();
        if !due {
            self.tally.count_repeated_alarm();
        }
        due
    }

    /// Issues all that the ledger accepts, under one profile and in one durable commit. Only a serial number that is taken makes it
    /// try again, and that a few times (R-5280-02).
    pub(super) async fn issue(
        &self,
        caller: &Caller,
        profile: &Profile,
        mut questions: Vec<Placed<Question>>,
    ) -> Vec<Placed<Result<Released, Refused>>> {
        let mut answers = Vec::with_capacity(questions.len());
        questions = self.without_shared_primes(caller, questions, &mut answers).await;
        for _ in 0..DRAWS_MAX {
            if questions.is_empty() {
                return answers;
            }
            questions = self.issue_once(caller, profile, questions, &mut answers).await;
        }
        answers.extend(questions.into_iter().map(|(place, _)| (place, Err(Refused::SerialNumbers))));
        answers
    }

    /// One round; returns the questions whose serial number was taken.
    async fn issue_once(
        &self,
        caller: &Caller,
        profile: &Profile,
        questions: Vec<Placed<Question>>,
        answers: &mut Vec<Placed<Result<Released, Refused>>>,
    ) -> Vec<Placed<Question>> {
        let drawn = match self.clock_is_trusted() {
            Ok(()) => self.fresh_serial_numbers(questions.len()).await,
            Err(refused) => Err(refused),
        };
        let drawn = match drawn {
            Ok(drawn) => drawn,
            Err(refused) => {
                answers.extend(questions.into_iter().map(|(place, _)| (place, Err(refused.clone()))));
                return Vec::new();
            }
        };
        let now = self.clock.now();
        let mut commands = Vec::with_capacity(questions.len());
        let mut asked = Vec::with_capacity(questions.len());
        for ((place, question), number) in questions.into_iter().zip(drawn.numbers()) {
            match self.sign(&question, profile, *number, now).await {
                Ok(certificate) => {
                    commands.push(question.command(caller, certificate));
                    asked.push((place, question));
                }
                Err(refused) => answers.push((place, Err(refused))),
            }
        }
        if commands.is_empty() {
            return Vec::new();
        }
        let verdicts = match self.commit(caller, commands).await {
            Ok(verdicts) => verdicts,
            Err(refused) => {
                answers.extend(asked.into_iter().map(|(place, _)| (place, Err(refused.clone()))));
                return Vec::new();
            }
        };
        let mut again = Vec::new();
        for (verdict, (place, question)) in verdicts.into_iter().zip(asked) {
            match verdict {
                Ok(recorded) => {
                    let released = self.release(&recorded);
                    if let Ok(released) = &released {
                        self.remember_modulus(&question, released.serial_number());
                    }
                    answers.push((place, released));
                }
                Err(Conflict::SerialNumberTaken) => again.push((place, question)),
                Err(conflict) => answers.push((place, Err(conflict.into()))),
            }
        }
        again
    }

    /// Serial numbers that are neither in hand nor on record: looked at before signing, so that not even a broken generator makes us
    /// sign a number twice.
    pub(super) async fn fresh_serial_numbers(&self, count: usize) -> Result<Drawn<'_>, Refused> {
        let mut drawn = self.serial_numbers.draw(count).ok_or(Refused::SerialNumbers)?;
        for _ in 0..DRAWS_MAX {
            let mut taken = Vec::new();
            for number in drawn.numbers() {
                if self.store.certificate_status(number).await?.is_some() {
                    taken.push(*number);
                }
            }
            if taken.is_empty() {
                return Ok(drawn);
            }
            drawn = drawn.replace(&taken).ok_or(Refused::SerialNumbers)?;
        }
        Err(Refused::SerialNumbers)
    }

    async fn sign(
        &self,
        question: &Question,
        profile: &Profile,
        number: SerialNumber,
        now: SystemTime,
    ) -> Result<SignedCertificate, Refused> {
        let issuer = self.issuers.signing(profile.issuer).ok_or(SignerError::Unavailable)?;
        let shard = Some(shard_of(self.store.issued_by(profile.issuer)));
        let request = Request { shard, ..question.asked.clone() };
        let draft =
            issuance::draft(request, profile, &self.organization, Some(&issuer.certificate), number, now)?;
        let prepared = draft.prepare()?;
        let signature = issuer.signer.sign(prepared.to_be_signed()).await?;
        let certificate = prepared.seal(&signature)?;
        Ok(self.signed(&certificate, profile, question.key.fingerprint(), shard))
    }

    pub(super) fn signed(
        &self,
        certificate: &Certificate,
        profile: &Profile,
        key: KeyFingerprint,
        shard: Option<u32>,
    ) -> SignedCertificate {
        SignedCertificate {
            issuer: profile.issuer,
            profile: profile.name,
            serial_number: certificate.serial_number(),
            key,
            validity: certificate.validity(),
            shard,
            der: certificate.der().to_vec().into(),
        }
    }

    fn release(&self, recorded: &Recorded) -> Result<Released, Refused> {
        let released =
            recorded.released().ok_or(StoreError::Bug { what: "an issuance entry holds no certificate" })?;
        if let Some(certificate) = recorded.entry().event.certificate() {
            self.tally.count_release(certificate.profile);
        }
        Ok(released)
    }
}

/// The shard of the next certificate of an issuer that has signed so many: a shard is full when it has [`SHARD_CERTIFICATES`], and the
/// next one begins. What is being signed at the same time comes on top.
fn shard_of(issued: u64) -> u32 {
    u32::try_from(issued / SHARD_CERTIFICATES).unwrap_or(u32::MAX)
}

/// About how many certificates share one part of a revocation list (R-CRL-08, R-CRL-11): when all of them are revoked it has 800 kB.
pub const SHARD_CERTIFICATES: u64 = 16_384;

impl Question {
    fn intent(&self, caller: &Caller) -> Intent {
        let subject = match self.holder.clone() {
            Holder::Birth { work_order, device } => IntentSubject::Birth { work_order, device },
            Holder::Operational { device, parent, hold_on_fork } => {
                IntentSubject::Operational { device, parent, hold_on_fork }
            }
            Holder::Credential { role, name } => IntentSubject::Credential { role, name },
        };
        Intent {
            principal: Some(caller.principal().clone()),
            request: Some(self.request),
            content: self.content,
            subject,
            key: self.key.fingerprint(),
        }
    }

    fn command(&self, caller: &Caller, certificate: SignedCertificate) -> Command {
        let action = match self.holder.clone() {
            Holder::Birth { work_order, device } => Action::IssueBirth { work_order, device, certificate },
            Holder::Operational { device, parent, hold_on_fork } => {
                Action::IssueOperational { device, parent, hold_on_fork, certificate }
            }
            Holder::Credential { role, name } => Action::IssueCredential { role, name, certificate },
        };
        Command {
            principal: Some(caller.principal().clone()),
            credential: Some(caller.certificate()),
            request: Some(self.request),
            content: self.content,
            remark: String::new(),
            action,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_full_before_the_next_one_begins() {
        assert_eq!([0, 16_383, 16_384, 32_768].map(shard_of), [0, 0, 1, 2]);
        assert_eq!(shard_of(u64::MAX), u32::MAX);
    }
}

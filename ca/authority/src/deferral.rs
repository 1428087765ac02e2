//! Units that a station made while the CA could not be asked: what judges such a unit goes on record before
//! the station is told (ADR 0068).

use std::time::SystemTime;

use bytes::Bytes;
use identity::{CsrError, DeviceId, KeyError, KeyFingerprint, RequestId};
use issuance::Refusal;
use ledger::{Action, Command, Conflict, RefusedDeferral, UnitFlaw, WorkOrderId};
use store::Verdict;

use super::birth::{birth_digest, unit};
use super::issue::Answer;
use super::keys::AcceptedKey;
use super::record::caller_command;
use super::{Authority, BirthRequest, Caller, Refused};

/// A deferred request for a birth certificate.
pub(super) struct DeferredUnit {
    /// Among all requests of the call.
    index: usize,
    request: RequestId,
    work_order: WorkOrderId,
    device: DeviceId,
    key: Option<KeyFingerprint>,
    made_at: SystemTime,
    csr: Bytes,
}

impl DeferredUnit {
    /// `None`: the request is not deferred.
    pub(super) fn of(index: usize, request: &BirthRequest, key: Option<&AcceptedKey>) -> Option<Self> {
        let BirthRequest { request, work_order, device, csr, made_at, .. } = request;
        let key = key.map(AcceptedKey::fingerprint);
        Some(Self {
            index,
            request: *request,
            work_order: *work_order,
            device: device.clone(),
            key,
            made_at: (*made_at)?,
            csr: csr.clone(),
        })
    }

    /// The command that refuses it for good; `None`: what `refused` says does not judge the unit.
    fn refusal(&self, caller: &Caller, refused: &Refused) -> Option<Command> {
        let flaw = flaw(refused)?;
        let blocked = match refused {
            Refused::Blocked { key, .. } => Some(*key),
            _ => None,
        };
        let key = self.key.or(blocked);
        let refused = RefusedDeferral { key, made_at: self.made_at, flaw };
        let (work_order, device) = (self.work_order, self.device.clone());
        let digest = digest(work_order, &device, key, &self.csr);
        let action = Action::RefuseDeferral { work_order, device, refused };
        Some(Command { request: Some(self.request), ..caller_command(caller, digest, action) })
    }
}

impl Authority {
    /// Puts on record which of the deferred units are refused for good. Their answers become what is on
    /// record: the same refusal each time, or that the record failed.
    pub(super) async fn record_refusals(
        &self,
        caller: &Caller,
        units: &[DeferredUnit],
        answers: &mut [Option<Answer>],
    ) {
        let mut judged = Vec::new();
        let mut commands = Vec::new();
        for unit in units {
            let Some(Some(Err(refused))) = answers.get(unit.index) else { continue };
            if let Some(command) = unit.refusal(caller, refused) {
                judged.push(unit.index);
                commands.push(command);
            }
        }
        if commands.is_empty() {
            return;
        }
        let outcome = match self.clock_is_trusted() {
            Ok(()) => self.commit(caller, commands).await,
            Err(refused) => Err(refused),
        };
        let answer = |verdict: Verdict| match verdict {
            // What was answered otherwise before, as a certificate for a key that is blocked since, stays
            // refused.
            Ok(recorded) => self.release(&recorded).err().map(Err),
            // There is no number to keep spent: it is refused as any other unit.
            Err(Conflict::NotReserved(_) | Conflict::UnitReserved(_)) => None,
            Err(conflict) => Some(Err(conflict.into())),
        };
        let on_record: Vec<Option<Answer>> = match outcome {
            Ok(verdicts) => verdicts.into_iter().map(answer).collect(),
            Err(failed) => judged.iter().map(|_| Some(Err(failed.clone()))).collect(),
        };
        for (index, answer) in judged.into_iter().zip(on_record) {
            if let (Some(answer), Some(place)) = (answer, answers.get_mut(index)) {
                *place = Some(answer);
            }
        }
    }
}

/// As of the request for a certificate, so that the same request id stands for both. A key too weak to be one
/// has no fingerprint.
fn digest(work_order: WorkOrderId, device: &DeviceId, key: Option<KeyFingerprint>, csr: &Bytes) -> [u8; 32] {
    match key {
        Some(key) => birth_digest(work_order, device).bytes(key.as_bytes()).finish(),
        None => unit("birth certificate without a key v1", work_order, device).bytes(csr).finish(),
    }
}

/// What is wrong with the unit, if that is what the refusal says. What is wrong with the CA, its profile's
/// lints included, or with the bytes of the request, is mended and asked again.
fn flaw(refused: &Refused) -> Option<UnitFlaw> {
    match refused {
        Refused::Csr(CsrError::Key(KeyError::Weak { .. })) | Refused::Ledger(Conflict::SharedPrime) => {
            Some(UnitFlaw::KeyWeak)
        }
        Refused::Blocked { .. } => Some(UnitFlaw::KeyBlocked),
        Refused::Profile(Refusal::Forbidden { .. }) => Some(UnitFlaw::ProfileForbids),
        Refused::Profile(Refusal::KeyType { .. }) => Some(UnitFlaw::KeyTypeNotAllowed),
        Refused::Ledger(Conflict::KeyAlreadyUsed | Conflict::KeyOfAnotherUnit { .. }) => {
            Some(UnitFlaw::KeyAlreadyUsed)
        }
        Refused::Ledger(Conflict::BrokenGenerator { .. }) => Some(UnitFlaw::BrokenGenerator),
        Refused::Profile(Refusal::Lint(_) | Refusal::Encoding { .. })
        | Refused::Caller(_)
        | Refused::Csr(_)
        | Refused::Ledger(_)
        | Refused::Request { .. }
        | Refused::CountChanged { .. }
        | Refused::TooOften { .. }
        | Refused::SerialNumbers
        | Refused::NotYetIssued
        | Refused::OrderNotClosed(_)
        | Refused::NoDocumentSigner
        | Refused::Signer(_)
        | Refused::Store(_)
        | Refused::Clock(_)
        | Refused::Internal { .. } => None,
    }
}

//! From one operational certificate to the next, while the first stays in use.
//!
//! Steps, each durable before the next begins: ask when; choose a request id; make a new key in the spare
//! slot; ask with the certificate in use; check the answer as a peer would; keep it; prove it by a handshake;
//! point `current` to it; confirm it to the CA; remove the old one. The first call that the CA authenticates
//! with the child supersedes the parent; it comes after the switch (ADR 0025).

mod plan;

use std::sync::Arc;
use std::time::Duration;

use diagnostics::error_chain;
use identity::{Clock, DeviceId, RequestId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tracing::{info, warn};

use crate::ca_client::answer::Answer;
use crate::ca_client::retry::Attempts;
use crate::ca_client::{ClientIdentity, ObtainError, ProofCall, RetryPolicy, Run, Server};
use crate::certificate::CertificateError;
use crate::enroll::Enrolled;
use crate::renewal::renewal_time;
use crate::state::{CredentialLocation, Parent, Renewal, RenewalStep, Slot, State};
use crate::text::rfc3339;

pub use plan::RenewalPlan;

/// Renews the certificate in use if that is due, or finds that it is not. Goes on where an earlier run was
/// cut off. The birth certificate replaces one that the CA does not take any more (R-LIFE-05). After an error
/// the certificate in use stays so; after [`ObtainError::NotInTime`] another run may help.
pub async fn renew(
    state: &mut State,
    server: Option<Server>,
    clock: Arc<dyn Clock>,
    mut generator: StdRng,
    retry_policy: RetryPolicy,
    when: When,
) -> Result<Outcome, ObtainError> {
    let in_use = state.view().slot_in_use()?;
    state.view().check_current(in_use)?;
    let device = state.record().device.clone().ok_or(ObtainError::NotBorn)?;
    let server = Server::or_of_factory(server, state.view())?;
    retire(state);
    let attempts = Attempts::new(StdRng::from_rng(&mut generator), retry_policy);
    let run = Run { server, clock, device, attempts: &attempts };
    attempts.in_time(go_on(&run, state, in_use, generator, when)).await
}

/// When to renew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// When it is due.
    Due,
    /// Whether or not it is due.
    Now,
}

/// What a renewal came to.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// A new certificate is in use.
    Renewed(Enrolled),
    /// The certificate in use stays for now.
    NotDue(RenewalPlan),
}

/// Removes the key and certificate that were in use before. A failure is logged; the next run removes them.
fn retire(state: &mut State) {
    if let Err(error) = state.retire_spare_slot() {
        warn!("the old key stays until the next run: {}", error_chain(&error));
    }
}

async fn go_on(
    run: &Run<'_>,
    state: &mut State,
    in_use: Slot,
    mut generator: StdRng,
    when: When,
) -> Result<Outcome, ObtainError> {
    let mut request_id = || RequestId::from(generator.random::<[u8; 16]>());
    let mut renewal = match state.record().renewal.clone() {
        Some(renewal) => renewal,
        None => {
            let parent = match plan::ask(run, state, in_use).await {
                Ok(plan) if !plan.is_due() && when == When::Due => return Ok(Outcome::NotDue(plan)),
                Ok(_) => Parent::Operational,
                // Just ended: the CA may take it for its own renewal still, and for nothing else.
                Err(error) if error.is_of_an_ended_caller() => Parent::Operational,
                Err(error) => Parent::instead_of(Parent::Operational, &error).ok_or(error)?,
            };
            state.begin_renewal(request_id(), parent)?
        }
    };
    // A request id gets the same answer for ever; another one may help, for a few times.
    for requests_left in (0..REQUESTS_MAX).rev() {
        let error = match finish(run, state, &renewal, in_use).await {
            Ok(()) => break,
            Err(error) => error,
        };
        match Parent::instead_of(renewal.parent, &error) {
            Some(parent) if requests_left > 0 => {
                warn!("asking for another certificate: {}", error_chain(&error));
                renewal = state.begin_renewal(request_id(), parent)?;
            }
            _ => {
                if renewal.parent == Parent::Birth && error.is_refusal() {
                    // The next run asks with the certificate in use again.
                    state.give_up_renewal()?;
                }
                return Err(error);
            }
        }
    }
    Ok(Outcome::Renewed(Enrolled::read(state.view(), renewal.slot, run.device.clone(), false)?))
}

/// From wherever the renewal stands to its end.
async fn finish(
    run: &Run<'_>,
    state: &mut State,
    renewal: &Renewal,
    in_use: Slot,
) -> Result<(), ObtainError> {
    if renewal.step == RenewalStep::Begun {
        obtain(run, state, renewal, in_use).await?;
    }
    let taken = run.take_into_use(state, renewal.slot, ProofCall::Unnoticed).await;
    let (serial_number, server_time) = taken.map_err(ObtainError::of_operational)?;
    state.finish_renewal(server_time)?;
    info!(device.id = %run.device, serial = hex::encode(&serial_number), "renewed {}", run.device);
    retire(state);
    Ok(())
}

/// From the request id to a certificate that is checked and kept.
async fn obtain(
    run: &Run<'_>,
    state: &mut State,
    renewal: &Renewal,
    in_use: Slot,
) -> Result<(), ObtainError> {
    let caller = match renewal.parent {
        Parent::Operational => {
            ClientIdentity::read(state.view(), CredentialLocation::Slot(in_use), run.device.clone())?
        }
        Parent::Birth => ClientIdentity::of_birth(state.view())?,
    };
    info!(device.id = %run.device, server = %run.server, "asking for the next operational certificate");
    let answer = run.obtain(state, &caller, renewal.slot, renewal.request_id, renewal.parent).await?;
    if renewal.parent == Parent::Operational {
        check_successor(&run.device, &caller, &answer)?;
    }
    state.write_credential(CredentialLocation::Slot(renewal.slot), &answer.credential)?;
    state.update(|record| {
        (record.trust_version, record.trust_digest) = (answer.trust.version, answer.trust.digest);
        record.set_server_time(answer.server_time);
        record.renewal = Some(Renewal { step: RenewalStep::Installed, ..renewal.clone() });
    })?;
    Ok(())
}

impl Parent {
    /// What can authorise the next certificate after `parent` failed with `error`, if something can.
    fn instead_of(parent: Self, error: &ObtainError) -> Option<Self> {
        if error.asks_for_another() {
            return Some(parent);
        }
        (parent == Self::Operational && error.is_of_the_caller()).then_some(Self::Birth)
    }
}

/// Checks that the answer may replace the certificate in use. Not asked of a certificate that the birth
/// certificate obtained: a device may have been off for so long that all roots it trusted were replaced.
///
/// The CA decides how long a certificate lives, so a successor may end before its parent, unless it is due
/// for renewal itself (ADR 0038).
fn check_successor(device: &DeviceId, in_use: &ClientIdentity, answer: &Answer) -> Result<(), ObtainError> {
    let (now, next, last) = (answer.server_time, &answer.credential.leaf, &in_use.credential.leaf);
    answer.credential.check_chain_to_anchors_of(&in_use.credential, now)?;
    // A certificate that was issued while the CA's clock was ahead, and has not begun, ends too late.
    if next.not_after >= last.not_after || last.not_before > now {
        return Ok(());
    }
    let (ends, in_use_ends) = (rfc3339(next.not_after), rfc3339(last.not_after));
    if now < renewal_time(device, next, None) {
        info!(device.id = %device, "the next certificate ends at {ends}, before the one in use, which ends at {in_use_ends}");
        return Ok(());
    }
    let life = next.not_after.duration_since(next.not_before).unwrap_or_default();
    let age = now.duration_since(next.not_before).unwrap_or_default();
    if age > (life / ANSWER_AGE_DIVISOR).max(ANSWER_AGE_MIN) {
        return Err(ObtainError::Overtaken { ends, in_use: in_use_ends });
    }
    Err(CertificateError::EndsEarlier { ends, in_use: in_use_ends }.into())
}

/// A useless answer that is older than this share of its life is asked for anew. A CA that gives nothing
/// better makes at most sixteen children in the life of one: half of what its ledger lets a device have.
const ANSWER_AGE_DIVISOR: u32 = 16;

/// The least age at which a useless answer is asked for anew: the CA's backdating, and an hour more.
const ANSWER_AGE_MIN: Duration = Duration::from_secs(2 * 60 * 60);

/// The most request ids of one run: one with each certificate, and one in place of a useless answer.
const REQUESTS_MAX: usize = 3;

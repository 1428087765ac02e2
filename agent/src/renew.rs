//! From one operational certificate to the next, while the first stays in use.
//!
//! Ask when → choose a request id → make a new key in the spare slot → ask with the certificate in use → check the answer as a peer
//! would → keep it → prove it by a handshake → point `current` to it → tell the CA → remove the old one. Each arrow is durable before
//! the next begins. At every moment `current` leads to a certificate that the CA takes: the parent is superseded only when the CA
//! hears from its child, and it hears from it only after the switch (ADR 0025).

mod advice;

use std::sync::Arc;
use std::time::Duration;

use identity::{Clock, DeviceId, RequestId};
use proto::v1;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tracing::{info, warn};

use crate::certificate::{Certificate, Unfit};
use crate::enroll::answer::{self, Answer, Trust};
use crate::enroll::connection::Connection;
use crate::enroll::retry::{Attempts, chain};
use crate::enroll::{EnrollError, Enrolled, Identity, Patience, Server};
use crate::key::certificate_request;
use crate::renewal::renewal_time;
use crate::state::{
    EnrolmentStep, Parent, Place, Renewal, RenewalStep, Slot, State, StateError, View, rfc3339,
};

pub use advice::Plan;

/// Renews the certificate in use if that is due, or finds that it is not. Goes on where an earlier run was cut off.
///
/// A certificate that the CA does not take any more is replaced through the birth certificate (R-LIFE-05).
///
/// # Errors
/// Why it is not renewed; [`EnrollError::NotInTime`] when running it again may help. The certificate in use stays in use.
pub async fn renew(
    state: &mut State,
    server: Option<Server>,
    clock: Arc<dyn Clock>,
    mut generator: StdRng,
    patience: Patience,
    when: When,
) -> Result<Outcome, EnrollError> {
    let in_use = certificate_in_use(state.view())?;
    let device = state.record().device.clone().ok_or(EnrollError::NotBorn)?;
    let server = Server::or_of_factory(server, state.view())?;
    retire(state);
    let attempts = Attempts::new(StdRng::from_rng(&mut generator), patience);
    let run = Run { server, clock, device, attempts: &attempts };
    attempts.in_time(run.go_on(state, in_use, generator, when)).await
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
    NotDue(Plan),
}

/// The slot in use, which `current` leads to.
fn certificate_in_use(view: &View) -> Result<Slot, StateError> {
    match &view.record().enrolment {
        Some(enrolment) if enrolment.step == EnrolmentStep::Confirmed => {
            view.check_current(enrolment.slot)?;
            Ok(enrolment.slot)
        }
        _ => Err(StateError::NotEnrolled { directory: view.directory().to_owned() }),
    }
}

/// Removes what was in use before. A full disk does not stop it, and nothing waits for it.
fn retire(state: &mut State) {
    if let Err(error) = state.retire_spare_slot() {
        warn!("the old key stays until the next run: {}", chain(&error));
    }
}

/// What all steps of one run need.
struct Run<'a> {
    server: Server,
    clock: Arc<dyn Clock>,
    device: DeviceId,
    attempts: &'a Attempts,
}

impl Run<'_> {
    async fn go_on(
        &self,
        state: &mut State,
        in_use: Slot,
        mut generator: StdRng,
        when: When,
    ) -> Result<Outcome, EnrollError> {
        let mut request_id = || {
            let mut id = [0; 16];
            generator.fill_bytes(&mut id);
            RequestId::from(id)
        };
        let mut renewal = match state.record().renewal.clone() {
            Some(renewal) => renewal,
            None => {
                let parent = match self.ask(state, in_use).await {
                    Ok(plan) if !plan.is_due() && when == When::Due => return Ok(Outcome::NotDue(plan)),
                    Ok(_) => Parent::Operational,
                    // Just ended: the CA may take it for its own renewal still, and for nothing else.
                    Err(error) if error.is_of_an_ended_caller() => Parent::Operational,
                    Err(error) => Parent::instead_of(Parent::Operational, &error).ok_or(error)?,
                };
                state.begin_renewal(request_id(), parent)?
            }
        };
        // A question gets the same answer for ever, so what another question can mend is asked again; not without end, should the
        // CA answer nothing else.
        for questions_left in (0..QUESTIONS_MAX).rev() {
            let error = match self.finish(state, &renewal, in_use).await {
                Ok(()) => break,
                Err(error) => error,
            };
            match Parent::instead_of(renewal.parent, &error) {
                Some(parent) if questions_left > 0 => {
                    warn!("asking for another certificate: {}", chain(&error));
                    renewal = state.begin_renewal(request_id(), parent)?;
                }
                _ => {
                    if renewal.parent == Parent::Birth && error.is_refusal() {
                        // The way round is closed; next time the certificate in use asks again.
                        state.give_up_renewal()?;
                    }
                    return Err(error);
                }
            }
        }
        Ok(Outcome::Renewed(Enrolled::read(state, renewal.slot, self.device.clone(), false)?))
    }

    /// From wherever the renewal stands to its end.
    async fn finish(&self, state: &mut State, renewal: &Renewal, in_use: Slot) -> Result<(), EnrollError> {
        if renewal.step == RenewalStep::Begun {
            self.obtain(state, renewal, in_use).await?;
        }
        self.take_into_use(state, renewal.slot).await.map_err(EnrollError::of_operational)
    }

    /// From the request id to a certificate that is checked and kept.
    async fn obtain(&self, state: &mut State, renewal: &Renewal, in_use: Slot) -> Result<(), EnrollError> {
        let caller = match renewal.parent {
            Parent::Operational => Identity::read(state.view(), Place::Slot(in_use), self.device.clone())?,
            Parent::Birth => Identity::of_birth(state.view())?,
        };
        let key = state.key_or_make(Place::Slot(renewal.slot))?;
        let request_id = renewal.request_id.as_bytes().to_vec();
        let csr = certificate_request(&*key).map_err(EnrollError::Key)?;
        let trust = Trust::of(state.record());
        info!(device.id = %self.device, server = %self.server, "asking for the next operational certificate");
        let answer = self
            .attempts
            .until_done(|| async {
                let mut connection = self.connect(&caller, state.view()).await?;
                let (request_id, csr) = (request_id.clone().into(), csr.clone().into());
                let response = match renewal.parent {
                    Parent::Operational => connection.renew(v1::RenewRequest { request_id, csr }).await?,
                    Parent::Birth => connection.enroll(v1::EnrollRequest { request_id, csr }).await?,
                };
                answer::check(response, &connection, &self.device, key.public_key(), trust)
            })
            .await?;
        if renewal.parent == Parent::Operational {
            check_successor(&self.device, &caller, &answer)?;
        }
        state.keep(Place::Slot(renewal.slot), &answer.credential)?;
        state.update(|record| {
            (record.trust_version, record.trust_digest) = (answer.trust.version, answer.trust.digest);
            record.tell_time(answer.server_time);
            record.renewal = Some(Renewal { step: RenewalStep::Installed, ..renewal.clone() });
        })?;
        Ok(())
    }

    /// From a kept certificate to one that is proven, current, and known to be in use.
    async fn take_into_use(&self, state: &mut State, slot: Slot) -> Result<(), EnrollError> {
        let next = Identity::read(state.view(), Place::Slot(slot), self.device.clone())?;
        let serial_number = Certificate::from_der(&next.credential.certificate)?.serial_number;
        let view = state.view().clone();
        let mut proven = Some(
            self.attempts
                .until_done(|| async {
                    let mut connection = self.connect(&next, &view).await?;
                    connection.prove().await?;
                    Ok(connection)
                })
                .await?,
        );
        state.switch_to(slot)?;
        let server_time = self
            .attempts
            .until_done(|| {
                let (proven, serial_number) = (proven.take(), serial_number.clone());
                let (next, view) = (&next, &view);
                async move {
                    let mut connection = match proven {
                        Some(connection) => connection,
                        None => self.connect(next, view).await?,
                    };
                    let moment = connection.confirm(serial_number).await?;
                    answer::believable(moment, &connection)
                }
            })
            .await?;
        state.finish_renewal(server_time)?;
        info!(device.id = %self.device, serial = hex::encode(&serial_number), "renewed {}", self.device);
        retire(state);
        Ok(())
    }

    async fn connect(&self, identity: &Identity, view: &View) -> Result<Connection, EnrollError> {
        let now = view.time_floor()?.now(&*self.clock);
        Connection::open(&self.server, &identity.credential, &identity.key, now).await
    }
}

impl Parent {
    /// What can authorise the next certificate after `parent` failed to; `None` when nothing can, or nothing else has to.
    fn instead_of(parent: Self, error: &EnrollError) -> Option<Self> {
        if error.asks_for_another() {
            return Some(parent);
        }
        (parent == Self::Operational && error.is_of_the_caller()).then_some(Self::Birth)
    }
}

/// Whether the answer may replace the certificate in use. The way through the birth certificate does not ask this: it is there for a
/// device that slept so long that all it trusted was replaced.
///
/// How long a certificate lives is the CA's to say, so a successor may end sooner than the one before it, as long as it is not itself due
/// for its renewal already (ADR 0038).
fn check_successor(device: &DeviceId, in_use: &Identity, answer: &Answer) -> Result<(), EnrollError> {
    let (now, next) = (answer.server_time, Certificate::from_der(&answer.credential.certificate)?);
    answer.credential.check_chain_to_anchors_of(&in_use.credential, now)?;
    let last = Certificate::from_der(&in_use.credential.certificate)?;
    // One that was issued while the CA's clock was ahead, and has not begun, ends too late.
    if next.not_after >= last.not_after || last.not_before > now {
        return Ok(());
    }
    let (ends, in_use_ends) = (rfc3339(next.not_after), rfc3339(last.not_after));
    if now < renewal_time(device, &next, None) {
        info!(device.id = %device, "the next certificate ends at {ends}, before the one in use, which ends at {in_use_ends}");
        return Ok(());
    }
    let life = next.not_after.duration_since(next.not_before).unwrap_or_default();
    let age = now.duration_since(next.not_before).unwrap_or_default();
    if age > (life / ANSWER_AGE_DIVISOR).max(ANSWER_AGE_MIN) {
        return Err(EnrollError::Overtaken { ends, in_use: in_use_ends });
    }
    Err(Unfit::EndsEarlier { ends, in_use: in_use_ends }.into())
}

/// An answer of no use that is older than this share of its life is asked for anew. A CA that gives nothing better makes at most sixteen
/// children in the life of one: half of what its ledger lets a device have.
const ANSWER_AGE_DIVISOR: u32 = 16;

/// As old is a certificate at its issuance, by the CA's backdating, and an hour more.
const ANSWER_AGE_MIN: Duration = Duration::from_secs(2 * 60 * 60);

/// The most questions of one run: one with the certificate in use, one with the birth certificate, and another in place of the one of
/// the two whose answer was of no use any more.
const QUESTIONS_MAX: usize = 3;

//! First boot: from the birth certificate to an operational one, exactly once.
//!
//! Steps, each durable before the next begins: choose a slot and a request id; make the key; ask; check the
//! answer as a peer would; keep it; prove it by a handshake; point `current` to it; confirm it to the CA. The
//! same request id gets the same certificate, so it can be killed anywhere and run again (ADR 0013).

use std::sync::Arc;
use std::time::Instant;

use identity::{Clock, DeviceId, RequestId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tracing::{info, warn};

use crate::ca_client::retry::Attempts;
use crate::ca_client::{ClientIdentity, ObtainError, ProofCall, RetryPolicy, Run, Server};
use crate::certificate::{Certificate, Kind};
use crate::claim::claim;
use crate::state::{CredentialLocation, Enrolment, EnrolmentStep, Parent, Slot, State, View};

/// Enrols the device, or finds that it is enrolled. A unit whose birth certificate was deferred gets that
/// first. Goes on where an earlier run was cut off; after [`ObtainError::NotInTime`] another run may help.
pub async fn enroll(
    state: &mut State,
    server: Option<Server>,
    clock: Arc<dyn Clock>,
    mut generator: StdRng,
    mut retry_policy: RetryPolicy,
) -> Result<Enrolled, ObtainError> {
    if state.record().certificate_deferred {
        let (begun, generator) = (Instant::now(), StdRng::from_rng(&mut generator));
        claim(state, server.clone(), Arc::clone(&clock), generator, retry_policy).await?;
        retry_policy.deadline = retry_policy.deadline.saturating_sub(begun.elapsed());
    }
    let birth = ClientIdentity::of_birth(state.view())?;
    let enrolment = match state.record().enrolment.clone() {
        Some(enrolment) => usable(state, enrolment, &birth.device, &*clock)?,
        None => None,
    };
    if let Some(enrolment) = enrolment.as_ref().filter(|e| e.step == EnrolmentStep::Confirmed) {
        return Enrolled::read(state.view(), enrolment.slot, birth.device, true);
    }
    let server = Server::or_of_factory(server, state.view())?;
    if state.view().time_floor()?.contradicts(&*clock) {
        warn!("the clock is behind the time floor; going by the floor until the CA tells the time");
    }
    let [first_id, second_id] = generator.random::<[[u8; 16]; 2]>().map(RequestId::from);
    let mut enrolment = match enrolment {
        Some(enrolment) => enrolment,
        None => state.begin_enrolment(first_id)?,
    };
    let attempts = Attempts::new(generator, retry_policy);
    let run = Run { server, clock, device: birth.device.clone(), attempts: &attempts };
    let slot = attempts
        .in_time(async {
            match go_on(&run, state, &birth, &enrolment).await {
                // Only another request id helps: once a run, lest a CA that answers nothing else is asked
                // without end.
                Err(error) if error.asks_for_another() => {
                    warn!("the certificate that was asked for is of no use any more, asking for another: {error}");
                    enrolment = state.begin_enrolment(second_id)?;
                    go_on(&run, state, &birth, &enrolment).await?;
                }
                done => done?,
            }
            Ok(enrolment.slot)
        })
        .await?;
    Enrolled::read(state.view(), slot, birth.device, false)
}

/// A device that has its operational certificate in use.
#[derive(Debug, Clone)]
pub struct Enrolled {
    /// The device.
    pub device: DeviceId,
    /// The slot in use.
    pub slot: Slot,
    /// The certificate in use.
    pub certificate: Certificate,
    /// Whether an earlier run had enrolled it.
    pub already: bool,
}

impl Enrolled {
    pub(crate) fn read(
        view: &View,
        slot: Slot,
        device: DeviceId,
        already: bool,
    ) -> Result<Self, ObtainError> {
        let certificate = view.certificate(CredentialLocation::Slot(slot))?;
        Ok(Self { device, slot, certificate, already })
    }
}

/// The enrolment, unless its certificate has ended before it was in use: then another is needed.
fn usable(
    state: &State,
    enrolment: Enrolment,
    device: &DeviceId,
    clock: &dyn Clock,
) -> Result<Option<Enrolment>, ObtainError> {
    if enrolment.step == EnrolmentStep::Begun {
        return Ok(Some(enrolment));
    }
    let location = CredentialLocation::Slot(enrolment.slot);
    let now = state.view().time_floor()?.now(clock);
    if state.view().certificate(location)?.has_ended(now) {
        warn!("the operational certificate has ended; asking for another");
        return Ok(None);
    }
    state.view().checked(location, device, Kind::Operational, |_| now)?;
    if enrolment.step == EnrolmentStep::Confirmed {
        state.view().check_current(enrolment.slot)?;
    }
    Ok(Some(enrolment))
}

/// From wherever the enrolment stands to its end.
async fn go_on(
    run: &Run<'_>,
    state: &mut State,
    birth: &ClientIdentity,
    enrolment: &Enrolment,
) -> Result<(), ObtainError> {
    let Enrolment { slot, request_id, step } = *enrolment;
    if step == EnrolmentStep::Begun {
        info!(device.id = %run.device, server = %run.server, "asking for an operational certificate");
        let answer = run.obtain(state, birth, slot, request_id, Parent::Birth).await?;
        state.write_credential(CredentialLocation::Slot(slot), &answer.credential)?;
        state.update(|record| {
            (record.trust_version, record.trust_digest) = (answer.trust.version, answer.trust.digest);
            record.set_server_time(answer.server_time);
            record.enrolment = Some(Enrolment { slot, request_id, step: EnrolmentStep::Installed });
        })?;
    }
    let taken = run.take_into_use(state, slot, ProofCall::Authenticated).await;
    let (_, server_time) = taken.map_err(ObtainError::of_operational)?;
    state.update(|record| {
        record.set_server_time(server_time);
        if let Some(enrolment) = &mut record.enrolment {
            enrolment.step = EnrolmentStep::Confirmed;
        }
        record.notification_pending = true;
    })?;
    info!(device.id = %run.device, "enrolled {}", run.device);
    Ok(())
}

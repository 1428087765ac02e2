//! First boot: from the birth certificate to an operational one, exactly once.
//!
//! Choose a slot and a request id → make the key → ask → check the answer as a peer would → keep it → prove it by a handshake →
//! point `current` to it → tell the CA. Each arrow is durable before the next begins, so this can be killed anywhere and run
//! again: the same question gets the same certificate, and `current` never points to one that was not proven (ADR 0013).

mod alert;
pub(crate) mod answer;
pub(crate) mod connection;
mod error;
pub(crate) mod retry;
mod server;

use std::sync::Arc;
use std::time::SystemTime;

use identity::{Clock, DeviceId, RequestId};
use proto::v1;
use rand::Rng;
use rand::rngs::StdRng;
use tracing::{info, warn};

use crate::certificate::{Certificate, Credential, Kind};
use crate::key::{DeviceKey, certificate_request};
use crate::state::{Enrolment, EnrolmentStep, FactoryStep, Place, Slot, State, View};

use answer::Trust;
use connection::Connection;

pub use error::{Bearing, EnrollError};
pub use retry::Patience;
pub use server::Server;

/// Enrols the device, or finds that it is enrolled. Goes on where an earlier run was cut off.
///
/// # Errors
/// Why it is not enrolled; [`EnrollError::NotInTime`] when running it again may help. The state says how far it came.
pub async fn enroll(
    state: &mut State,
    server: Option<Server>,
    clock: Arc<dyn Clock>,
    mut generator: StdRng,
    patience: Patience,
) -> Result<Enrolled, EnrollError> {
    let birth = Identity::of_birth(state.view())?;
    let enrolment = match state.record().enrolment.clone() {
        Some(enrolment) => usable(state, enrolment, &birth.device, &*clock)?,
        None => None,
    };
    if let Some(enrolment) = enrolment.as_ref().filter(|e| e.step == EnrolmentStep::Confirmed) {
        return Enrolled::read(state, enrolment.slot, birth.device, true);
    }
    let server = Server::or_of_factory(server, state.view())?;
    if state.view().time_floor()?.contradicts(&*clock) {
        warn!("the clock is behind the time floor; going by the floor until the CA tells the time");
    }
    let mut request_id = || {
        let mut id = [0; 16];
        generator.fill_bytes(&mut id);
        RequestId::from(id)
    };
    let (first_id, second_id) = (request_id(), request_id());
    let enrolment = match enrolment {
        Some(enrolment) => enrolment,
        None => state.begin_enrolment(first_id)?,
    };
    let attempts = retry::Attempts::new(generator, patience);
    let slot = attempts
        .in_time(async {
            let mut run = Run { server, clock, device: birth.device.clone(), slot: enrolment.slot };
            match run.go_on(state, &birth, &enrolment, &attempts).await {
                // The same question gets the same certificate for ever: only another question helps. Once a run, so that a CA
                // that answers nothing else is not asked without end.
                Err(error) if error.asks_for_another() => {
                    warn!("the certificate that was asked for is of no use any more, asking for another: {error}");
                    let another = state.begin_enrolment(second_id)?;
                    run.slot = another.slot;
                    run.go_on(state, &birth, &another, &attempts).await?;
                }
                done => done?,
            }
            Ok(run.slot)
        })
        .await?;
    Enrolled::read(state, slot, birth.device, false)
}

/// A device that has its operational certificate in use.
#[derive(Debug, Clone)]
pub struct Enrolled {
    /// Which device.
    pub device: DeviceId,
    /// The slot in use.
    pub slot: Slot,
    /// What its certificate says.
    pub certificate: Certificate,
    /// Whether an earlier run had done it all.
    pub already: bool,
}

impl Enrolled {
    pub(crate) fn read(
        state: &State,
        slot: Slot,
        device: DeviceId,
        already: bool,
    ) -> Result<Self, EnrollError> {
        let certificate = state.view().certificate(Place::Slot(slot))?;
        Ok(Self { device, slot, certificate, already })
    }
}

/// An identity to call with.
pub(crate) struct Identity {
    pub(crate) device: DeviceId,
    pub(crate) credential: Credential,
    pub(crate) key: Arc<dyn DeviceKey>,
}

impl Identity {
    pub(crate) fn of_birth(view: &View) -> Result<Self, EnrollError> {
        let record = view.record();
        let (Some(device), true) = (&record.device, record.factory >= FactoryStep::Installed) else {
            return Err(EnrollError::NotBorn);
        };
        Self::read(view, Place::Birth, device.clone())
    }

    /// What is in a place, if it still is what was put there.
    pub(crate) fn read(view: &View, place: Place, device: DeviceId) -> Result<Self, EnrollError> {
        let (credential, key) = view.own(place, &device)?;
        Ok(Self { device, credential, key })
    }
}

/// The enrolment, unless its certificate ended before it was of use: then another is needed.
fn usable(
    state: &State,
    enrolment: Enrolment,
    device: &DeviceId,
    clock: &dyn Clock,
) -> Result<Option<Enrolment>, EnrollError> {
    if enrolment.step == EnrolmentStep::Begun {
        return Ok(Some(enrolment));
    }
    let place = Place::Slot(enrolment.slot);
    let now = state.view().time_floor()?.now(clock);
    let certificate = state.view().certificate(place)?;
    if certificate.has_ended(now) {
        warn!("the operational certificate has ended; asking for another");
        return Ok(None);
    }
    state.view().checked(place, device, Kind::Operational, now)?;
    if enrolment.step == EnrolmentStep::Confirmed {
        state.view().check_current(enrolment.slot)?;
    }
    Ok(Some(enrolment))
}

/// What all steps of one run need.
struct Run {
    server: Server,
    clock: Arc<dyn Clock>,
    device: DeviceId,
    slot: Slot,
}

impl Run {
    /// From wherever the enrolment stands to its end.
    async fn go_on(
        &self,
        state: &mut State,
        birth: &Identity,
        enrolment: &Enrolment,
        attempts: &retry::Attempts,
    ) -> Result<(), EnrollError> {
        if enrolment.step == EnrolmentStep::Begun {
            self.obtain(state, birth, enrolment.request_id, attempts).await?;
        }
        self.take_into_use(state, attempts).await.map_err(EnrollError::of_operational)
    }

    /// From the request id to a certificate that is checked and kept.
    async fn obtain(
        &self,
        state: &mut State,
        birth: &Identity,
        request_id: RequestId,
        attempts: &retry::Attempts,
    ) -> Result<(), EnrollError> {
        let key = state.key_or_make(Place::Slot(self.slot))?;
        let request = v1::EnrollRequest {
            request_id: request_id.as_bytes().to_vec().into(),
            csr: certificate_request(&*key).map_err(EnrollError::Key)?.into(),
        };
        let floor = state.view().time_floor()?;
        let trust = Trust::of(state.record());
        info!(device.id = %self.device, server = %self.server, "asking for an operational certificate");
        let answer = attempts
            .until_done(|| async {
                let mut connection = self.connect(birth, floor.now(&*self.clock)).await?;
                let response = connection.enroll(request.clone()).await?;
                answer::check(response, &connection, &self.device, key.public_key(), trust)
            })
            .await?;
        state.keep(Place::Slot(self.slot), &answer.credential)?;
        let moment = answer.server_time;
        state.update(|record| {
            (record.trust_version, record.trust_digest) = (answer.trust.version, answer.trust.digest);
            record.tell_time(moment);
            record.enrolment =
                Some(Enrolment { slot: self.slot, request_id, step: EnrolmentStep::Installed });
        })?;
        Ok(())
    }

    /// From a kept certificate to one that is proven, current, and known to be in use.
    async fn take_into_use(&self, state: &mut State, attempts: &retry::Attempts) -> Result<(), EnrollError> {
        let operational = Identity::read(state.view(), Place::Slot(self.slot), self.device.clone())?;
        let serial_number = Certificate::from_der(&operational.credential.certificate)?.serial_number;
        let floor = state.view().time_floor()?;
        let connect = || self.connect(&operational, floor.now(&*self.clock));
        let mut proven = Some(
            attempts
                .until_done(|| async {
                    let mut connection = connect().await?;
                    // TLS 1.3 tells a client that it was refused only when it reads: an answer is the proof.
                    connection.trust_bundle().await?;
                    Ok(connection)
                })
                .await?,
        );
        state.switch_to(self.slot)?;
        let server_time = attempts
            .until_done(|| {
                let proven = proven.take();
                let serial_number = serial_number.clone();
                let connect = &connect;
                async move {
                    let mut connection = match proven {
                        Some(connection) => connection,
                        None => connect().await?,
                    };
                    let moment = connection.confirm(serial_number).await?;
                    answer::believable(moment, &connection)
                }
            })
            .await?;
        state.update(|record| {
            record.tell_time(server_time);
            if let Some(enrolment) = &mut record.enrolment {
                enrolment.step = EnrolmentStep::Confirmed;
            }
            record.untold = true;
        })?;
        info!(device.id = %self.device, "enrolled {}", self.device);
        Ok(())
    }

    async fn connect(&self, identity: &Identity, now: SystemTime) -> Result<Connection, EnrollError> {
        Connection::open(&self.server, &identity.credential, &identity.key, now).await
    }
}

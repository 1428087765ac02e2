//! Asks the CA how a unit is to be made, before anything is recorded or sent.

use std::time::{Duration, SystemTime};

use identity::{DeviceId, DeviceSerial, SerialNumber};
use proto::v1::{self, Reason};

use super::LineContext;
use crate::ca::CaError;
use crate::journal::Record;
use crate::mode::Mode;
use crate::session::{Assignment, Outcome, Refusal, SerialStatus, Step, Taken, UnitProgress};
use crate::units::Unit;
use crate::wire::{birth_serial_number, serial_status, time};

pub(super) struct Plan {
    pub(super) assignment: Assignment,
    /// The serial number of the unit's last birth certificate.
    pub(super) certificate: Option<SerialNumber>,
}

/// What the CA has on record of one serial number.
pub(crate) struct OnRecord {
    status: SerialStatus,
    /// The serial number of the unit's last birth certificate.
    certificate: Option<SerialNumber>,
    order: v1::WorkOrder,
    now: Option<SystemTime>,
}

impl LineContext {
    /// Asks the CA whether the serial number may be given to a unit. Another station may still be faster:
    /// then the CA refuses to issue, and the unit gets the next serial number instead. If the CA has replaced
    /// the certificate that the journal knows, or lets it be replaced, the journal's progress is reset.
    pub(super) async fn plan(
        &self,
        unit: &Unit,
        slot: usize,
        progress: &mut UnitProgress,
        withdrawn: Vec<DeviceSerial>,
    ) -> Result<Plan, Outcome> {
        self.tell(slot, &unit.device, true);
        let on_record = self.on_record(&unit.device).await?;
        self.tell(slot, &unit.device, false);
        if let Some(step) = on_record.supersedes(progress) {
            progress.apply(&step);
            let record = Record::Step { device: unit.device.clone(), step };
            let recorded = self.journal.record(&record).await;
            recorded.map_err(|error| Outcome::JournalLost(error.to_string()))?;
        }
        let tell =
            if self.mode == Mode::Device { Assignment::Named } else { Assignment::Assign { withdrawn } };
        let assignment = on_record.assignment(progress, tell)?;
        Ok(Plan { assignment, certificate: on_record.certificate })
    }

    /// What the CA has on record of a serial number. An error also if the clocks differ too much.
    pub(crate) async fn on_record(&self, device: &DeviceId) -> Result<OnRecord, Outcome> {
        let serials = vec![device.serial.to_string()];
        let answer = tokio::select! {
            () = self.abort.cancelled() => return Err(Outcome::Cancelled),
            answer = self.ca.units(&self.work_order, serials, String::new()) => answer?,
        };
        let now = answer.now.as_ref().map(time);
        if let Some(detail) = now.and_then(|of_ca| clock_difference(self.clock.now(), of_ca)) {
            return Err(Outcome::ClockWrong(detail));
        }
        let on_record = answer.units.first();
        Ok(OnRecord {
            status: on_record.map_or(SerialStatus::Free, serial_status),
            certificate: on_record.and_then(birth_serial_number),
            order: answer.work_order.unwrap_or_default(),
            now,
        })
    }
}

impl OnRecord {
    /// The step that takes back what `progress` says, if the CA has replaced the certificate, or allows it.
    pub(crate) fn supersedes(&self, progress: &UnitProgress) -> Option<Step> {
        let serial_number = superseded(progress, self.status, self.certificate)?;
        Some(Step::Superseded { serial_number })
    }

    /// How the unit gets its serial number; `tell` if no other unit has it. Otherwise how it ends at once.
    pub(crate) fn assignment(
        &self,
        progress: &UnitProgress,
        tell: Assignment,
    ) -> Result<Assignment, Outcome> {
        match self.status {
            SerialStatus::Taken(
                taken @ (Taken::OtherOrder | Taken::Gone | Taken::Revoked | Taken::GivenUp),
                _,
            ) => Err(Outcome::SerialTaken(taken)),
            // The CA has refused this serial number to this station before.
            SerialStatus::Taken(taken, _) if progress.assigned_in_vain => Err(Outcome::SerialTaken(taken)),
            // The CA tells by the key whether it is the same unit.
            SerialStatus::Taken(..) if progress.asked.is_some() => Ok(tell),
            SerialStatus::Taken(taken @ Taken::OtherStation, true) => Err(Outcome::SerialTaken(taken)),
            SerialStatus::Taken(taken, _) => Ok(Assignment::Identify(taken)),
            SerialStatus::Rework => Ok(tell),
            SerialStatus::Free => match order_refusal(&self.order, self.now) {
                Some(refusal) => Err(Outcome::Refused(refusal)),
                None => Ok(tell),
            },
        }
    }
}

impl From<CaError> for Outcome {
    fn from(error: CaError) -> Self {
        match error {
            CaError::Refused(refusal) => Self::Refused(refusal),
            CaError::Unreachable(detail) => Self::CaUnreachable(detail),
        }
    }
}

/// The certificate in whose place the CA allows another one, or has issued one.
fn superseded(
    progress: &UnitProgress,
    serial_status: SerialStatus,
    on_record: Option<SerialNumber>,
) -> Option<SerialNumber> {
    let on_record = on_record?;
    match progress.serial_number() {
        _ if serial_status == SerialStatus::Rework => {
            (progress.superseded != Some(on_record)).then_some(on_record)
        }
        Some(had) if had != on_record => Some(had),
        _ => None,
    }
}

/// Why the station's clock cannot be used to judge certificates: it differs too much from the CA's.
fn clock_difference(station: SystemTime, ca: SystemTime) -> Option<String> {
    let difference = station.duration_since(ca).unwrap_or_else(|error| error.duration());
    let rfc3339 = |time| humantime::format_rfc3339_seconds(time);
    (difference > CLOCK_DIFFERENCE_MAX).then(|| {
        format!(
            "this station's clock shows {} and the CA's {}: they may differ by {} at most; set the one that is wrong",
            rfc3339(station),
            rfc3339(ca),
            humantime::format_duration(CLOCK_DIFFERENCE_MAX)
        )
    })
}

/// How the CA would refuse a unit without a certificate, if the order stands still. `now` is its time.
pub(crate) fn order_refusal(order: &v1::WorkOrder, now: Option<SystemTime>) -> Option<Refusal> {
    let issued = order.counts.map_or(0, |counts| counts.issued);
    let bound = |at: &Option<prost_types::Timestamp>| at.as_ref().map(time).zip(now);
    let rfc3339 = |time| humantime::format_rfc3339_seconds(time);
    let (reason, why) = match order.state() {
        v1::WorkOrderState::Paused => (Reason::WorkOrderPaused, "is paused".to_owned()),
        v1::WorkOrderState::Closed => (Reason::WorkOrderClosed, "is closed".to_owned()),
        v1::WorkOrderState::Open | v1::WorkOrderState::Unspecified => {
            match (bound(&order.opens_at), bound(&order.closes_at)) {
                (Some((opens_at, now)), _) if now < opens_at => {
                    (Reason::WorkOrderNotYetOpen, format!("opens at {}", rfc3339(opens_at)))
                }
                (_, Some((closes_at, now))) if now >= closes_at => {
                    (Reason::WorkOrderExpired, format!("ended at {}", rfc3339(closes_at)))
                }
                _ if issued >= order.quantity => {
                    (Reason::WorkOrderExhausted, format!("is for {} units, and all are made", order.quantity))
                }
                _ => return None,
            }
        }
    };
    let message = format!("work order {} {why}", order.id);
    Some(Refusal::new(reason.as_str_name().to_owned(), message, true))
}

/// The largest difference between the two clocks: birth certificates begin an hour before they are issued.
const CLOCK_DIFFERENCE_MAX: Duration = Duration::from_secs(45 * 60);

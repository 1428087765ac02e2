//! Asks the CA how a unit is to be made, before anything is recorded or sent.

use std::time::{Duration, SystemTime};

use identity::{DeviceSerial, SerialNumber};
use proto::v1::{self, Reason};

use super::LineContext;
use crate::ca::CaError;
use crate::journal::Record;
use crate::session::{Assignment, Outcome, Refusal, SerialStatus, Step, Taken, UnitProgress};
use crate::units::Unit;
use crate::wire::{birth_serial_number, serial_status, time};

pub(super) struct Plan {
    pub(super) assignment: Assignment,
    /// The serial number of the unit's last birth certificate.
    pub(super) certificate: Option<SerialNumber>,
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
        let serials = vec![unit.device.serial.to_string()];
        self.tell(slot, &unit.device, true);
        let answer = tokio::select! {
            () = self.abort.cancelled() => return Err(Outcome::Cancelled),
            answer = self.ca.units(&self.work_order, serials, String::new()) => answer?,
        };
        self.tell(slot, &unit.device, false);
        let now = answer.now.as_ref().map(time);
        if let Some(detail) = now.and_then(|of_ca| clock_difference(self.clock.now(), of_ca)) {
            return Err(Outcome::ClockWrong(detail));
        }
        let order = answer.work_order.unwrap_or_default();
        let on_record = answer.units.first();
        let serial_status = on_record.map_or(SerialStatus::Free, serial_status);
        let certificate = on_record.and_then(birth_serial_number);
        if let Some(serial_number) = superseded(progress, serial_status, certificate) {
            let step = Step::Superseded { serial_number };
            progress.apply(&step);
            let record = Record::Step { device: unit.device.clone(), step };
            let recorded = self.journal.record(&record).await;
            recorded.map_err(|error| Outcome::JournalLost(error.to_string()))?;
        }
        let tell = Assignment::Assign { withdrawn };
        let assignment = match serial_status {
            SerialStatus::Taken(
                taken @ (Taken::OtherOrder | Taken::Gone | Taken::Revoked | Taken::GivenUp),
                _,
            ) => {
                return Err(Outcome::SerialTaken(taken));
            }
            // The CA has refused this serial number to this station before.
            SerialStatus::Taken(taken, _) if progress.assigned_in_vain => {
                return Err(Outcome::SerialTaken(taken));
            }
            // The CA tells by the key whether it is the same unit.
            SerialStatus::Taken(..) if progress.asked.is_some() => tell,
            SerialStatus::Taken(taken @ Taken::OtherStation, true) => {
                return Err(Outcome::SerialTaken(taken));
            }
            SerialStatus::Taken(taken, _) => Assignment::Identify(taken),
            SerialStatus::Rework => tell,
            SerialStatus::Free => match order_refusal(&order, now) {
                Some(refusal) => return Err(Outcome::Refused(refusal)),
                None => tell,
            },
        };
        Ok(Plan { assignment, certificate })
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

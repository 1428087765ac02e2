//! Asks the CA how a unit is to be made, before anything is recorded or sent.

use std::time::{Duration, SystemTime};

use identity::{DeviceId, DeviceSerial, SerialNumber};
use proto::v1::{self, Reason};

use super::LineContext;
use super::order::Asking;
use crate::ca::CaError;
use crate::journal::Record;
use crate::mode::Mode;
use crate::session::{Assignment, Outcome, Refusal, SerialStatus, Step, Taken, UnitProgress};
use crate::stock::StockError;
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
    /// Whether it is reserved for this station.
    is_reserved: bool,
    /// The serial number of the unit's last birth certificate.
    certificate: Option<SerialNumber>,
    order: v1::WorkOrder,
    now: Option<SystemTime>,
}

impl LineContext {
    /// How the unit gets its serial number. It is told one that the CA has reserved for this station, so that
    /// no other unit has it. If the CA has replaced the certificate that the journal knows, or lets it be
    /// replaced, the journal's progress is reset.
    pub(super) async fn plan(
        &self,
        unit: &Unit,
        slot: usize,
        progress: &mut UnitProgress,
    ) -> Result<Plan, Outcome> {
        let serial = &unit.device.serial;
        let reservation = self.stock.in_force(serial).filter(|_| !progress.is_on_record());
        let is_ours = reservation.is_some();
        let asking = match reservation {
            Some(reservation) => Some(self.order.begin(reservation, &self.abort).await?),
            None => None,
        };
        let tell = Plan { assignment: self.telling(), certificate: None };
        if is_ours && self.ca.is_away() {
            return Ok(tell);
        }
        if let Some(known) = asking.as_ref().and_then(Asking::known) {
            return known.map(|()| tell);
        }
        if self.stock.is_over(serial) {
            // Its reservation has ended before a unit was told it.
            self.unless_aborted(self.stock.give_back(true)).await?;
        }
        if self.ca.is_away() && progress.asked.is_some() && progress.superseded.is_none() {
            // It was begun before, and nothing about it is decided without the CA.
            return Ok(tell);
        }
        self.tell(slot, &unit.device, true);
        let on_record = self.on_record(&unit.device).await;
        self.tell(slot, &unit.device, false);
        let on_record = match (on_record, asking.is_some()) {
            // It is made on its reservation.
            (Err(Outcome::CaUnreachable(_)), true) if self.deferrals.are_allowed() => return Ok(tell),
            (Err(outcome @ Outcome::CaUnreachable(_)), _) => {
                // The slots that have waited do not wait for the CA once more, one after another.
                asking.into_iter().for_each(|asking| asking.ends(Err(outcome.clone())));
                return Err(outcome);
            }
            (on_record, _) => on_record?,
        };
        if is_ours && on_record.status == SerialStatus::Taken(Taken::Withdrawn, true) {
            self.unless_aborted(self.stock.withdrawn(serial)).await?;
        }
        if let Some(step) = on_record.supersedes(progress) {
            progress.apply(&step);
            let record = Record::Step { device: unit.device.clone(), step };
            let recorded = self.journal.record(&record).await;
            recorded.map_err(|error| Outcome::JournalLost(error.to_string()))?;
        }
        let assignment = on_record.assignment(progress, self.telling())?;
        if on_record.must_be_reserved() {
            match self.unless_aborted(self.stock.take_this(serial)).await {
                // Somebody else was faster, and the CA says who.
                Err(Outcome::Refused(refusal)) if !refusal.stops_the_line => {
                    let on_record = self.on_record(&unit.device).await?;
                    let assignment = on_record.assignment(progress, assignment)?;
                    return match on_record.must_be_reserved() {
                        true => Err(Outcome::Refused(refusal)),
                        false => Ok(Plan { assignment, certificate: on_record.certificate }),
                    };
                }
                reserved => reserved?,
            }
        }
        if let Some(asking) = asking {
            asking.ends(Ok(()));
        }
        Ok(Plan { assignment, certificate: on_record.certificate })
    }

    fn telling(&self) -> Assignment {
        if self.mode == Mode::Device { Assignment::Named } else { Assignment::Assign }
    }

    /// Reserves these serial numbers as far as they are free, so that few questions are about one unit alone.
    pub(crate) async fn reserve_ahead(&self, serials: Vec<DeviceSerial>) -> Result<(), Outcome> {
        match self.unless_aborted(self.stock.take_named(serials)).await {
            // Each unit hears at its turn why it is not made.
            Err(Outcome::Refused(refusal)) if !refusal.stops_the_line || refusal.is_about_the_order() => {
                Ok(())
            }
            reserved => reserved,
        }
    }

    async fn unless_aborted<T>(
        &self,
        work: impl Future<Output = Result<T, StockError>>,
    ) -> Result<T, Outcome> {
        tokio::select! {
            () = self.abort.cancelled() => Err(Outcome::Cancelled),
            done = work => Ok(done?),
        }
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
        self.deferrals.trust_the_clock();
        let on_record = answer.units.first();
        Ok(OnRecord {
            status: on_record.map_or(SerialStatus::Free, serial_status),
            is_reserved: on_record.is_some_and(|unit| !unit.reservation.is_empty()),
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
            SerialStatus::Taken(taken, _) if taken.is_spent() || taken == Taken::OtherOrder => {
                Err(Outcome::SerialTaken(taken))
            }
            // The CA tells by the key whether it is the same unit.
            SerialStatus::Taken(..) if progress.asked.is_some() => Ok(tell),
            SerialStatus::Taken(taken @ Taken::OtherStation, true) => Err(Outcome::SerialTaken(taken)),
            SerialStatus::Taken(taken, _) => Ok(Assignment::Identify(taken)),
            SerialStatus::Rework => Ok(tell),
            SerialStatus::Free => match order_refusal(&self.order, self.now) {
                // What is reserved has its part of the quantity, also after the order's window.
                Some(refusal) if self.is_reserved && refusal.ends_the_order => Ok(tell),
                Some(refusal) => Err(Outcome::Refused(refusal)),
                None => Ok(tell),
            },
        }
    }

    /// Whether the serial number must be reserved before a unit is told it.
    fn must_be_reserved(&self) -> bool {
        self.status == SerialStatus::Free && !self.is_reserved
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
pub(crate) fn clock_difference(station: SystemTime, ca: SystemTime) -> Option<String> {
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
    let bound = |at: &Option<prost_types::Timestamp>| at.as_ref().map(time).zip(now);
    let rfc3339 = |time| humantime::format_rfc3339_seconds(time);
    let (reason, why) = match order.state() {
        v1::WorkOrderState::Paused => (Reason::WorkOrderPaused, "is paused".to_owned()),
        v1::WorkOrderState::Incomplete => {
            (Reason::ManifestIncomplete, "waits for the rest of its manifest".to_owned())
        }
        v1::WorkOrderState::Closed => (Reason::WorkOrderClosed, "is closed".to_owned()),
        v1::WorkOrderState::Open | v1::WorkOrderState::Unspecified => {
            match (bound(&order.opens_at), bound(&order.closes_at)) {
                _ if order.product_paused_at.is_some() => {
                    let since = order.product_paused_at.as_ref().map(time).map(rfc3339);
                    let since = since.map(|since| format!(" since {since}")).unwrap_or_default();
                    let why =
                        format!("stands still: product {} is paused for all stations{since}", order.product);
                    (Reason::ProductPaused, why)
                }
                (Some((opens_at, now)), _) if now < opens_at => {
                    (Reason::WorkOrderNotYetOpen, format!("opens at {}", rfc3339(opens_at)))
                }
                (_, Some((closes_at, now))) if now >= closes_at => {
                    (Reason::WorkOrderExpired, format!("ended at {}", rfc3339(closes_at)))
                }
                _ if order.units_left() == 0 => {
                    let reserved = order.counts.is_some_and(|counts| counts.reserved > 0);
                    let or_reserved = if reserved { " or reserved" } else { "" };
                    let why = format!("is for {} units, and all are made{or_reserved}", order.quantity);
                    (Reason::WorkOrderExhausted, why)
                }
                _ => return None,
            }
        }
    };
    let message = format!("work order {} {why}", order.id);
    Some(Refusal::new(reason.as_str_name().to_owned(), message, true))
}

/// The largest difference between the two clocks: birth certificates begin an hour before they are issued.
pub(crate) const CLOCK_DIFFERENCE_MAX: Duration = Duration::from_secs(45 * 60);

//! Units that stations reserve before they make them (ADR 0065): reserved and returned by stations, listed
//! and withdrawn by operators.

use std::collections::BTreeSet;
use std::time::Duration;

use identity::{DeviceSerial, RequestId};
use ledger::{
    Action, Command, Conflict, Event, RESERVED_UNITS_MAX, ReservationFacts, ReservationId, UnitsWanted,
    WorkOrderFacts, WorkOrderId,
};
use store::StoreError;

use super::record::caller_command;
use super::request_digest::RequestDigest;
use super::{Authority, Caller, Operation, Refused};

/// How much stations may reserve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReservationLimits {
    /// The units of a reservation whose station does not say how many: 1 to [`RESERVED_UNITS_MAX`].
    pub units: u64,
    /// The duration of a reservation whose station does not say how long.
    pub duration: Duration,
    /// The longest duration.
    pub duration_max: Duration,
    /// The most units that may be out for one station at a time.
    pub station_units_max: u64,
}

impl Default for ReservationLimits {
    fn default() -> Self {
        let hours = |hours: u64| Duration::from_secs(hours * 60 * 60);
        Self { units: 500, duration: hours(12), duration_max: hours(7 * 24), station_units_max: 10_000 }
    }
}

impl ReservationLimits {
    fn allow(&self, units: &UnitsWanted, duration: Duration) -> Result<(), Refused> {
        let (field, count) = match units {
            UnitsWanted::Next(count) => ("count", *count),
            UnitsWanted::Named(serials) => ("serials", serials.len() as u64),
        };
        if !(1..=RESERVED_UNITS_MAX).contains(&count) {
            let what = format!("a reservation is for 1 to {RESERVED_UNITS_MAX} units");
            return Err(Refused::Request { field, what });
        }
        if duration > self.duration_max {
            let what =
                format!("a reservation lasts at most {} hours here", self.duration_max.as_secs() / 3600);
            return Err(Refused::Request { field: "duration", what });
        }
        Ok(())
    }
}

/// What a station asks to reserve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReservationRequest {
    /// The station's id of the request: the same request again gets the same answer.
    pub request: RequestId,
    /// The order.
    pub work_order: WorkOrderId,
    /// Which units; `None`: as many of the next free ones as is configured.
    pub units: Option<UnitsWanted>,
    /// For how long; `None`: as is configured.
    pub duration: Option<Duration>,
}

/// A reservation on record.
#[derive(Debug, Clone)]
pub struct Reserved {
    /// The reservation as of now.
    pub reservation: ReservationFacts,
    /// Its serial numbers, sorted.
    pub serials: Vec<DeviceSerial>,
    /// The order as of now.
    pub order: WorkOrderFacts,
}

/// A reservation of which units are out no longer.
#[derive(Debug, Clone)]
pub struct UnitsHome {
    /// The reservation as of now.
    pub reservation: ReservationFacts,
    /// The serial numbers that the request returned or withdrew, now or when it was first made.
    pub serials: Vec<DeviceSerial>,
}

impl Authority {
    /// Reserves units of an order, exactly once for a request id: at least one, and fewer than asked for if
    /// the order has no more, or the station may have no more.
    ///
    /// # Errors
    /// When the order does not name the caller, is not open, or has no unit left; when the station has as
    /// many units out as it may have; when a serial number is not of the order, or all that are named are
    /// taken.
    pub async fn reserve_units(
        &self,
        caller: &Caller,
        asked: ReservationRequest,
    ) -> Result<Reserved, Refused> {
        let limits = self.reservations;
        let (content, work_order) = (content_of(&asked), asked.work_order);
        let units = asked.units.unwrap_or(UnitsWanted::Next(limits.units));
        let duration = asked.duration.unwrap_or(limits.duration);
        if let Err(refused) = limits.allow(&units, duration)
            && !self.was_answered(caller, &asked.request, &content).await?
        {
            return Err(refused);
        }
        let station_units_max = limits.station_units_max;
        let action = Action::ReserveUnits { work_order, units, duration, station_units_max };
        let command = Command { request: Some(asked.request), ..caller_command(caller, content, action) };
        let recorded = self.record_as(caller, Operation::ReserveUnits, command).await?;
        let Event::UnitsReserved { reservation, serials, .. } = &recorded.entry().event else {
            return Err(StoreError::Bug("a reservation has another entry").into());
        };
        Ok(Reserved {
            reservation: self.reservation(*reservation).await?,
            serials: serials.clone(),
            order: self.work_order_of_station(caller, work_order).await?,
        })
    }

    /// Returns units of a reservation that were not used, also after its end: those of `serials` that are
    /// out, or all that are. Idempotent.
    ///
    /// # Errors
    /// When the caller does not hold the reservation, or it was withdrawn.
    pub async fn return_units(
        &self,
        caller: &Caller,
        reservation: ReservationId,
        serials: BTreeSet<DeviceSerial>,
    ) -> Result<UnitsHome, Refused> {
        let content = serials
            .iter()
            .fold(RequestDigest::of("return units v1").number(reservation.0), |content, serial| {
                content.text(serial.as_str())
            })
            .finish();
        let action = Action::ReturnUnits { reservation, serials: serials.clone() };
        let recorded = self.record(caller, Operation::ReturnUnits, content, action).await?;
        let mut returned = match &recorded.entry().event {
            Event::UnitsReturned { serials, .. } => serials.clone(),
            _ => Vec::new(),
        };
        // When nothing was left to return, the entry may be that of another request.
        returned.retain(|serial| serials.is_empty() || serials.contains(serial));
        Ok(UnitsHome { reservation: self.reservation(reservation).await?, serials: returned })
    }

    /// Withdraws a reservation for ever: what is out stays spent, and no unit ever gets its serial number.
    /// Idempotent; nothing happens when no unit is out.
    ///
    /// # Errors
    /// When there is no such reservation.
    pub async fn withdraw_reservation(
        &self,
        caller: &Caller,
        reservation: ReservationId,
        remark: String,
    ) -> Result<UnitsHome, Refused> {
        let content =
            RequestDigest::of("withdraw reservation v1").number(reservation.0).text(&remark).finish();
        let action = Action::WithdrawReservation(reservation);
        let command = Command { remark, ..caller_command(caller, content, action) };
        let recorded = self.record_as(caller, Operation::WithdrawReservation, command).await?;
        let serials = match &recorded.entry().event {
            Event::ReservationWithdrawn { serials, .. } => serials.clone(),
            _ => Vec::new(),
        };
        let home = UnitsHome { reservation: self.reservation(reservation).await?, serials };
        if !recorded.is_replay() {
            let (units, station) = (home.serials.len(), &home.reservation.station);
            tracing::info!(principal = %caller, %reservation, %station, units, "{reservation} is withdrawn");
        }
        Ok(home)
    }

    /// Whether the request was answered before; then it gets the same answer, whatever is configured by now.
    async fn was_answered(
        &self,
        caller: &Caller,
        request: &RequestId,
        content: &[u8; 32],
    ) -> Result<bool, Refused> {
        let Some(principal) = caller.principal() else { return Ok(false) };
        Ok(self.store.answered(principal, request, content).await?.is_some())
    }

    /// One reservation as of now.
    ///
    /// # Errors
    /// When there is none with this id.
    pub async fn reservation(&self, id: ReservationId) -> Result<ReservationFacts, Refused> {
        Ok(self.store.reservation(id).await?.ok_or(Conflict::NoSuchReservation(id))?)
    }
}

/// What is configured is not part of the request: it may change between two attempts.
fn content_of(asked: &ReservationRequest) -> [u8; 32] {
    let content = RequestDigest::of("reserve units v1").number(asked.work_order.0);
    let content = match &asked.units {
        None => content.text("default"),
        Some(UnitsWanted::Next(count)) => content.text("next").number(*count),
        Some(UnitsWanted::Named(serials)) => {
            let content = content.text("named").number(serials.len() as u64);
            serials.iter().fold(content, |content, serial| content.text(serial.as_str()))
        }
    };
    let milliseconds = asked.duration.map_or(0, |duration| duration.as_millis());
    content.number(u64::try_from(milliseconds).unwrap_or(u64::MAX)).finish()
}

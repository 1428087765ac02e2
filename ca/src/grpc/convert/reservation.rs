//! Reservations of units.

use std::collections::BTreeSet;
use std::time::SystemTime;

use authority::{Refused, ReservationRequest, Reserved, UNITS_MAX, UnitsHome};
use identity::{DeviceIdError, DeviceSerial};
use ledger::{ReservationFacts, ReservationId, ReservationState, UnitsWanted};
use proto::v1;
use store::ReservationFilter;

use super::time::{positive_duration, timestamp};
use super::{bad, request_id, work_order_id};

pub(in crate::grpc) fn reservation_id(text: &str) -> Result<ReservationId, Refused> {
    text.parse().map_err(|error| bad("reservation", error))
}

pub(in crate::grpc) fn reservation_request(
    message: &v1::ReserveUnitsRequest,
) -> Result<ReservationRequest, Refused> {
    let units = match (message.count, message.serials.as_slice()) {
        (0, []) => None,
        (count, []) => Some(UnitsWanted::Next(count.into())),
        (0, serials) => Some(UnitsWanted::Named(device_serials(serials)?)),
        (_, _) => return Err(bad("count", "is for the next free serial numbers: leave it 0 with serials")),
    };
    Ok(ReservationRequest {
        request: request_id(&message.request_id)?,
        work_order: work_order_id("work_order", &message.work_order)?,
        units,
        duration: positive_duration("duration", message.duration)?,
    })
}

/// A set: a serial number that is named twice is one.
pub(in crate::grpc) fn device_serials(serials: &[String]) -> Result<BTreeSet<DeviceSerial>, Refused> {
    if serials.len() > UNITS_MAX {
        return Err(bad("serials", format_args!("has at most {UNITS_MAX} serial numbers")));
    }
    let serials = serials.iter().map(|serial| serial.parse());
    serials.collect::<Result<_, _>>().map_err(|error: DeviceIdError| bad("serials", error))
}

pub(in crate::grpc) fn reservation_filter(
    message: &v1::ListReservationsRequest,
) -> Result<ReservationFilter, Refused> {
    let work_order = match message.work_order.as_str() {
        "" => None,
        id => Some(work_order_id("work_order", id)?),
    };
    Ok(ReservationFilter { work_order, only_out: message.only_out })
}

pub(in crate::grpc) fn reserved(
    reserved: &Reserved,
    order: v1::WorkOrder,
    now: SystemTime,
) -> v1::ReserveUnitsResponse {
    v1::ReserveUnitsResponse {
        reservation: Some(reservation(&reserved.reservation, now)),
        serials: texts(&reserved.serials),
        work_order: Some(order),
        now: Some(timestamp(now)),
    }
}

pub(in crate::grpc) fn returned(home: &UnitsHome, now: SystemTime) -> v1::ReturnUnitsResponse {
    v1::ReturnUnitsResponse {
        reservation: Some(reservation(&home.reservation, now)),
        returned: texts(&home.serials),
    }
}

pub(in crate::grpc) fn withdrawn(home: &UnitsHome, now: SystemTime) -> v1::WithdrawReservationResponse {
    v1::WithdrawReservationResponse {
        reservation: Some(reservation(&home.reservation, now)),
        withdrawn: texts(&home.serials),
    }
}

pub(in crate::grpc) fn reservation(facts: &ReservationFacts, now: SystemTime) -> v1::Reservation {
    let state = match facts.state(now) {
        ReservationState::Open => v1::ReservationState::Open,
        ReservationState::Ended => v1::ReservationState::Ended,
        ReservationState::Done => v1::ReservationState::Done,
        ReservationState::Withdrawn => v1::ReservationState::Withdrawn,
    };
    v1::Reservation {
        id: facts.id.to_string(),
        work_order: facts.work_order.to_string(),
        station: facts.station.to_string(),
        state: state.into(),
        reserved_at: Some(timestamp(facts.reserved_at)),
        ends_at: Some(timestamp(facts.ends_at)),
        units: facts.units,
        out: facts.out(),
        issued: facts.issued,
        returned: facts.returned,
        withdrawn: facts.withdrawn,
        given_up: facts.given_up,
        refused: facts.refused,
    }
}

fn texts(serials: &[DeviceSerial]) -> Vec<String> {
    serials.iter().map(ToString::to_string).collect()
}

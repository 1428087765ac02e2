//! What is on record of serial numbers, for stations.

use std::time::SystemTime;

use authority::{
    Caller, MadeUnit, Refused, UNITS_MAX, UnitOnRecord, UnitRecord, UnitReport, Units, UnitsAsked,
};
use bytes::Bytes;
use identity::DeviceSerial;
use ledger::DeviceState;
use proto::v1;

use super::{bad, device_id, remark, timestamp, work_order_id};

pub(in crate::grpc) fn units_asked(message: &v1::GetUnitsRequest) -> Result<UnitsAsked, Refused> {
    if message.serials.len() > UNITS_MAX {
        return Err(bad("serials", format_args!("has at most {UNITS_MAX} serial numbers")));
    }
    if !message.serials.is_empty() {
        let serials = message.serials.iter().map(|serial| serial.parse());
        let serials: Result<_, _> = serials.collect();
        return serials
            .map(UnitsAsked::Named)
            .map_err(|error: identity::DeviceIdError| bad("serials", error));
    }
    let after = match message.after.as_str() {
        "" => None,
        after => Some(after.parse().map_err(|error: identity::DeviceIdError| bad("after", error))?),
    };
    Ok(UnitsAsked::OfManifest { after })
}

pub(in crate::grpc) fn units(
    units: &Units,
    order: v1::WorkOrder,
    caller: &Caller,
    now: SystemTime,
) -> v1::GetUnitsResponse {
    v1::GetUnitsResponse {
        units: units.units.iter().map(unit).collect(),
        more: units.more,
        work_order: Some(order),
        station: caller.station().map(ToString::to_string).unwrap_or_default(),
        now: Some(timestamp(now)),
    }
}

fn unit(unit: &UnitOnRecord) -> v1::Unit {
    let serial = unit.serial.to_string();
    let of_state = |state: v1::UnitState| v1::Unit {
        serial: serial.clone(),
        state: state.into(),
        ..v1::Unit::default()
    };
    match &unit.record {
        UnitRecord::Free => of_state(v1::UnitState::Free),
        UnitRecord::Withdrawn => of_state(v1::UnitState::Withdrawn),
        UnitRecord::GivenUp => of_state(v1::UnitState::GivenUp),
        UnitRecord::Refused => of_state(v1::UnitState::Gone),
        UnitRecord::Out(out) => v1::Unit {
            other_order: out.other_order,
            other_station: out.reservation.is_none(),
            reservation: out.reservation.as_ref().map(ToString::to_string).unwrap_or_default(),
            ..of_state(v1::UnitState::Reserved)
        },
        UnitRecord::Made(made) => v1::Unit {
            other_order: made.other_order,
            other_station: made.other_station,
            birth_certificate: Bytes::copy_from_slice(made.birth.as_bytes()),
            revoked: made.state == DeviceState::Revoked && !made.rework,
            ..of_state(state_of(made))
        },
    }
}

/// What a station says of the end of a unit.
pub(in crate::grpc) fn unit_report(
    work_order: &str,
    device: Option<v1::DeviceId>,
    reason: &str,
    operator: &str,
) -> Result<UnitReport, Refused> {
    if operator.chars().count() > OPERATOR_CHARACTERS_MAX {
        return Err(bad("operator", format_args!("has at most {OPERATOR_CHARACTERS_MAX} characters")));
    }
    Ok(UnitReport {
        work_order: work_order_id("work_order", work_order)?,
        device: device_id(device)?,
        reason: remark("reason", reason)?,
        operator: remark("operator", operator)?,
    })
}

pub(in crate::grpc) fn device_serial(field: &'static str, text: &str) -> Result<DeviceSerial, Refused> {
    text.parse().map_err(|error: identity::DeviceIdError| bad(field, error))
}

/// A name, or the number of a badge.
const OPERATOR_CHARACTERS_MAX: usize = 64;

fn state_of(made: &MadeUnit) -> v1::UnitState {
    match made.state {
        DeviceState::Scrapped | DeviceState::Retired => v1::UnitState::Gone,
        _ if made.rework => v1::UnitState::Rework,
        DeviceState::Issued => v1::UnitState::Issued,
        _ => v1::UnitState::Confirmed,
    }
}

//! What is on record of serial numbers, for stations.

use std::time::SystemTime;

use authority::{Caller, Refused, UNITS_MAX, UnitOnRecord, Units, UnitsAsked};
use bytes::Bytes;
use ledger::DeviceState;
use proto::v1;

use super::{bad, timestamp, work_order};

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

pub(in crate::grpc) fn units(units: &Units, caller: &Caller, now: SystemTime) -> v1::GetUnitsResponse {
    v1::GetUnitsResponse {
        units: units.units.iter().map(unit).collect(),
        more: units.more,
        work_order: Some(work_order(&units.order)),
        station: caller.station().map(ToString::to_string).unwrap_or_default(),
        now: Some(timestamp(now)),
    }
}

fn unit(unit: &UnitOnRecord) -> v1::Unit {
    let serial = unit.serial.to_string();
    let Some(made) = &unit.made else {
        return v1::Unit { serial, state: v1::UnitState::Free.into(), ..v1::Unit::default() };
    };
    let state = match made.state {
        DeviceState::Scrapped | DeviceState::Retired => v1::UnitState::Gone,
        _ if made.rework => v1::UnitState::Rework,
        DeviceState::Issued => v1::UnitState::Issued,
        _ => v1::UnitState::Confirmed,
    };
    v1::Unit {
        serial,
        state: state.into(),
        other_order: made.other_order,
        other_station: made.other_station,
        birth_certificate: Bytes::copy_from_slice(made.birth.as_bytes()),
        revoked: made.state == DeviceState::Revoked && !made.rework,
    }
}

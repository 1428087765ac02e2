//! The units of an order that the CA has reserved for this station.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use cli::Finding;
use humantime::format_rfc3339_seconds;
use identity::SerialPattern;
use proto::v1::work_order::Serials;
use proto::v1::{GetUnitsResponse, GetWorkOrderResponse, UnitState, WorkOrder};

use super::RESERVATION;
use crate::ca::{Ca, CaError, UNITS_MAX};
use crate::stock::Held;

/// What the station has in hand for a time without the CA, by its journal and its clock.
pub(super) fn in_hand(held: Option<&Held>, now: SystemTime) -> Option<Finding> {
    let (units, ends_at) = held?.in_hand(now)?;
    let left = ends_at.duration_since(now).unwrap_or_default();
    let says = format!("{units} units are in hand until {}", format_rfc3339_seconds(ends_at));
    Some(if left < SOON {
        Finding::note(
            RESERVATION,
            says,
            "the next run reserves others; after the end no unit of these is begun",
        )
    } else {
        Finding::good(RESERVATION, says)
    })
}

/// Asks the CA about the order's serial numbers, if any of them is out.
pub(super) async fn examine(ca: &Ca, answer: &GetWorkOrderResponse) -> Vec<Finding> {
    let Some(order) = &answer.work_order else { return Vec::new() };
    let counts = order.counts.unwrap_or_default();
    let mut findings = Vec::new();
    if counts.withdrawn > 0 {
        let says = format!("{} units of {} were withdrawn while they were out", counts.withdrawn, order.id);
        let advice =
            "their serial numbers are never used again; if units were made under them, they are refused";
        findings.push(Finding::note(RESERVATION, says, advice));
    }
    if counts.reserved == 0 {
        let says = format!("no unit of {} is reserved: the line needs the CA for each unit", order.id);
        findings.push(Finding::good(RESERVATION, says));
        return findings;
    }
    findings.push(match of_this_station(ca, order).await {
        Ok(own) if own.is_empty() => Finding::good(
            RESERVATION,
            format!("none for this station; others have {} units of {}", counts.reserved, order.id),
        ),
        Ok(own) => {
            let units: u64 = own.values().sum();
            let names: Vec<&str> = own.keys().take(NAMES_MAX).map(String::as_str).collect();
            let says =
                format!("{units} units of {} are out for this station: {}", order.id, names.join(", "));
            Finding::good(RESERVATION, says)
        }
        Err(error) => Finding::note(
            RESERVATION,
            format!("not known: {error}"),
            "an operator sees them: touchmark work-order reservation list",
        ),
    });
    findings
}

/// How many units are out, by reservation.
async fn of_this_station(ca: &Ca, order: &WorkOrder) -> Result<BTreeMap<String, u64>, CaError> {
    let mut own = BTreeMap::new();
    let mut count = |answer: &GetUnitsResponse| {
        let mine = |unit: &&proto::v1::Unit| {
            unit.state() == UnitState::Reserved && !unit.other_station && !unit.other_order
        };
        for unit in answer.units.iter().filter(mine) {
            *own.entry(unit.reservation.clone()).or_default() += 1;
        }
    };
    match &order.serials {
        Some(Serials::Pattern(pattern)) => {
            let Ok(pattern) = pattern.parse::<SerialPattern>() else { return Ok(own) };
            let all = (0..pattern.len()).map_while(|position| pattern.nth(position));
            let serials: Vec<String> =
                all.take(UNITS_MAX * CALLS_MAX).map(|serial| serial.to_string()).collect();
            for chunk in serials.chunks(UNITS_MAX) {
                count(&ca.units(&order.id, chunk.to_vec(), String::new()).await?);
            }
        }
        _ => {
            let mut after = String::new();
            for _ in 0..CALLS_MAX {
                let answer = ca.units(&order.id, Vec::new(), after).await?;
                count(&answer);
                after = answer.units.last().map(|unit| unit.serial.clone()).unwrap_or_default();
                if !answer.more {
                    break;
                }
            }
        }
    }
    Ok(own)
}

/// The first 10,000 serial numbers: as many as may be out for one station.
const CALLS_MAX: usize = 10;

const NAMES_MAX: usize = 8;

/// Less is no shift.
const SOON: Duration = Duration::from_secs(3_600);

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use cli::Verdict;

    use super::*;
    use crate::stock::Reservation;

    #[test]
    fn what_is_in_hand_is_told_with_its_end() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let held = |left: Duration| {
            let mut held = Held::default();
            let serials = vec!["SN1".parse().unwrap(), "SN2".parse().unwrap()];
            let reservation = Reservation { id: "rs-000001".to_owned(), serials, ends_at: now + left };
            held.answered(&[1; 16].into(), Some(&reservation), |_| false);
            held
        };
        let found = |left| in_hand(Some(&held(left)), now);
        assert_eq!(found(Duration::ZERO), None, "it is over");
        assert_eq!(found(SOON / 2).unwrap().verdict, Verdict::Note);
        let good = found(SOON * 8).unwrap();
        assert_eq!(
            (good.verdict, good.says.starts_with("2 units are in hand until 1970-")),
            (Verdict::Good, true)
        );
        assert_eq!(in_hand(None, now), None);
    }
}

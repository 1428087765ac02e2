//! Reservations through the authority: what is configured, what stations and operators are told.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "world/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use authority::{Caller, OutUnit, Refused, ReservationLimits, ReservationRequest, UnitRecord, UnitsAsked};
use identity::DeviceSerial;
use ledger::{ReservationState, UnitsWanted, WorkOrderId};

use world::{Key, World, birth, device, fresh_id, noon, reason};

fn asked(work_order: WorkOrderId, units: Option<UnitsWanted>, hours: Option<u64>) -> ReservationRequest {
    let duration = hours.map(|hours| Duration::from_secs(hours * 3_600));
    ReservationRequest { request: fresh_id(), work_order, units, duration }
}

fn field(answer: Result<authority::Reserved, Refused>) -> &'static str {
    match answer {
        Err(Refused::Request { field, .. }) => field,
        other => panic!("{other:?}"),
    }
}

fn serial(number: u32) -> DeviceSerial {
    device(number).serial
}

#[tokio::test]
async fn what_a_station_does_not_say_is_as_configured() {
    let mut world = World::new().await;
    let day = Duration::from_secs(24 * 3_600);
    let order = world.order(20_000, &["line-3"]).await;
    let station = world.station("line-3").await;
    let reserved = world.authority.reserve_units(&station, asked(order, None, None)).await.unwrap();
    assert_eq!((reserved.serials.len(), reserved.order.counts.reserved), (500, 500));
    assert_eq!(reserved.reservation.ends_at, noon() + day / 2);

    let (duration, duration_max) = (day / 24, day);
    world.opened.1.reservations =
        ReservationLimits { units: 7, duration, duration_max, station_units_max: 510 };
    world.restart().await;
    let reserved = world.authority.reserve_units(&station, asked(order, None, None)).await.unwrap();
    assert_eq!((reserved.serials.len(), reserved.reservation.ends_at), (7, noon() + day / 24));
    let more = world.authority.reserve_units(&station, asked(order, None, Some(24))).await.unwrap();
    assert_eq!((more.serials.len(), more.reservation.ends_at), (3, noon() + day));
    let none = world.authority.reserve_units(&station, asked(order, None, None)).await;
    assert_eq!(reason(&none), "TOO_MANY_RESERVED");
}

#[tokio::test]
async fn what_is_more_than_allowed_is_refused_unless_it_was_answered_before() {
    let mut world = World::new().await;
    let order = world.order(20_000, &["line-3"]).await;
    let station = world.station("line-3").await;
    let ask = async |units, hours| world.authority.reserve_units(&station, asked(order, units, hours)).await;
    assert_eq!(field(ask(Some(UnitsWanted::Next(0)), None).await), "count");
    assert_eq!(field(ask(Some(UnitsWanted::Next(1_001)), None).await), "count");
    assert_eq!(field(ask(Some(UnitsWanted::Named(BTreeSet::new())), None).await), "serials");
    assert_eq!(field(ask(None, Some(169)).await), "duration");

    let long = asked(order, Some(UnitsWanted::Next(2)), Some(168));
    let first = world.authority.reserve_units(&station, long.clone()).await.unwrap();
    world.opened.1.reservations.duration_max = Duration::from_secs(3_600);
    world.restart().await;
    let again = world.authority.reserve_units(&station, long.clone()).await.unwrap();
    assert_eq!((again.serials, again.reservation), (first.serials, first.reservation));
    let fresh = ReservationRequest { request: fresh_id(), ..long.clone() };
    assert_eq!(field(world.authority.reserve_units(&station, fresh).await), "duration");
    let other = ReservationRequest { units: Some(UnitsWanted::Next(3)), duration: None, ..long };
    assert_eq!(reason(&world.authority.reserve_units(&station, other).await), "REQUEST_ID_REUSED");
}

#[tokio::test]
async fn stations_are_told_what_is_reserved_and_what_came_home() {
    let world = World::new().await;
    let order = world.order(100, &["line-3", "line-4"]).await;
    let other_order = world.order(100, &["line-4"]).await;
    let (third, fourth) = (world.station("line-3").await, world.station("line-4").await);
    let wanted = asked(order, Some(UnitsWanted::Next(4)), None);
    let reserved = world.authority.reserve_units(&third, wanted).await.unwrap();
    let id = reserved.reservation.id;
    world.born(&third, order, 1, &Key::new()).await;
    let home = world.authority.return_units(&third, id, [serial(1), serial(2)].into()).await.unwrap();
    assert_eq!((home.serials, home.reservation.out()), (vec![serial(2)], 2));

    let told = async |caller: &Caller, order| {
        let serials = (1..=4).map(serial).collect();
        let units = world.authority.units(caller, order, UnitsAsked::Named(serials)).await.unwrap().units;
        units.into_iter().map(|unit| unit.record).collect::<Vec<_>>()
    };
    let out = |reservation, other_order| UnitRecord::Out(OutUnit { reservation, other_order });
    let own = told(&third, order).await;
    assert!(matches!(own[0], UnitRecord::Made(_)), "{own:?}");
    assert_eq!(own[1..], [UnitRecord::Free, out(Some(id), false), out(Some(id), false)]);
    assert_eq!(told(&fourth, order).await[2], out(None, false));
    assert_eq!(told(&fourth, other_order).await[2], out(None, true));

    let stranger = world.authority.return_units(&fourth, id, BTreeSet::new()).await;
    assert_eq!(reason(&stranger), "RESERVATION_NOT_FOUND");
    let operator = world.operator().await;
    let withdrawn = world.authority.withdraw_reservation(&operator, id, "lost".to_owned()).await.unwrap();
    assert_eq!(withdrawn.serials, [serial(3), serial(4)]);
    assert_eq!(withdrawn.reservation.state(noon()), ReservationState::Withdrawn);
    let again = world.authority.withdraw_reservation(&operator, id, "lost".to_owned()).await.unwrap();
    assert_eq!(again.serials, withdrawn.serials);
    assert_eq!(told(&third, order).await[2], UnitRecord::Withdrawn);
    let refused = world.authority.issue_birth(&third, birth(order, 3, &Key::new())).await;
    assert_eq!(reason(&refused), "RESERVATION_WITHDRAWN");
    let home = world.authority.return_units(&third, id, BTreeSet::new()).await;
    assert_eq!(reason(&home), "RESERVATION_WITHDRAWN");
}

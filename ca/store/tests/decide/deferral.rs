//! Units that were made while the CA could not be asked (ADR 0068): when they get their certificate, and what
//! becomes of their numbers when they are refused for good.

use std::time::{Duration, SystemTime};

use identity::Clock;
use ledger::{
    Action, CLOCK_TOLERANCE, Command, Conflict, Event, IssuanceSubject, RefusedDeferral, ReservationId,
    UnitFlaw, UnitsWanted, WorkOrderId,
};
use store::Listings as _;

use super::{bench, order};
use crate::cases::{Bench, allow_rework, device, station};

const HOUR: Duration = Duration::from_secs(3_600);

/// Refuses a unit that was made just now.
pub(super) fn refuse(bench: &Bench, order: u64, name: &str, serial: u64) -> Command {
    let refused = RefusedDeferral { key: None, made_at: bench.clock.now(), flaw: UnitFlaw::KeyWeak };
    let action = Action::RefuseDeferral { work_order: WorkOrderId(order), device: device(serial), refused };
    bench.command(station(name), Some(bench.draw()), action)
}

fn made(bench: &Bench, name: &str, serial: u64, key: u64, at: SystemTime) -> Command {
    let mut command = bench.birth(1, serial, key);
    command.principal = Some(station(name));
    if let Action::Issue { subject: IssuanceSubject::Birth { made_at, .. }, .. } = &mut command.action {
        *made_at = Some(at);
    }
    command
}

async fn reserve(bench: &Bench, units: u64) {
    let (units, duration) = (UnitsWanted::Next(units), HOUR);
    let action =
        Action::ReserveUnits { work_order: WorkOrderId(1), units, duration, station_units_max: 10_000 };
    bench.done(bench.command(station("line-3"), Some(bench.draw()), action)).await;
}

async fn two_stations(bench: &Bench) {
    let stations = ["line-3", "line-4"].map(|name| name.parse().unwrap()).to_vec();
    order(bench, |terms| (terms.quantity, terms.stations) = (10, stations)).await.unwrap();
}

#[tokio::test]
async fn a_deferred_unit_is_one_that_its_station_reserved_and_made_since() {
    let bench = bench();
    two_stations(&bench).await;
    bench.clock.advance(HOUR);
    let reserved_at = bench.clock.now();
    reserve(&bench, 3).await;
    bench.clock.advance(HOUR * 24);
    let now = bench.clock.now();
    let second = Duration::from_secs(1);
    let ask = async |name, serial, at| bench.ask(made(&bench, name, serial, serial, at)).await;
    assert_eq!(ask("line-3", 9, now).await.unwrap_err(), Conflict::NotReserved(device(9)));
    assert_eq!(ask("line-4", 1, now).await.unwrap_err(), Conflict::UnitReserved(device(1)));
    let early = reserved_at - CLOCK_TOLERANCE;
    assert_eq!(ask("line-3", 1, early - second).await.unwrap_err(), Conflict::NotMadeThen(device(1)));
    let late = now + CLOCK_TOLERANCE;
    assert_eq!(ask("line-3", 1, late + second).await.unwrap_err(), Conflict::NotMadeThen(device(1)));
    // After the end of the reservation, too: what is locked gets its certificate.
    for (serial, at) in [(1, early), (2, late)] {
        let recorded = ask("line-3", serial, at).await.unwrap();
        let Event::BirthIssued { made_at, .. } = &recorded.entry().event else { panic!("no birth") };
        assert_eq!(*made_at, Some(at));
    }
}

#[tokio::test]
async fn the_request_id_does_not_stand_for_the_deferral() {
    let bench = bench();
    two_stations(&bench).await;
    reserve(&bench, 1).await;
    let asked = made(&bench, "line-3", 1, 1, bench.clock.now());
    let first = bench.done(asked.clone()).await.entry().number;
    let mut online = asked;
    if let Action::Issue { subject: IssuanceSubject::Birth { made_at, .. }, .. } = &mut online.action {
        *made_at = None;
    }
    let again = bench.done(online).await;
    assert!(again.is_replay() && again.entry().number == first);
}

#[tokio::test]
async fn a_rework_is_never_deferred() {
    let bench = bench();
    two_stations(&bench).await;
    bench.done(bench.birth(1, 5, 5)).await;
    bench.done(bench.operate(allow_rework(device(5)))).await;
    let now = bench.clock.now();
    assert_eq!(
        bench.ask(made(&bench, "line-3", 5, 6, now)).await.unwrap_err(),
        Conflict::NotReserved(device(5))
    );
    bench.done(bench.birth(1, 5, 6)).await;
}

#[tokio::test]
async fn a_unit_that_is_refused_for_good_keeps_its_number_spent() {
    let bench = bench();
    two_stations(&bench).await;
    reserve(&bench, 3).await;
    let refusal = refuse(&bench, 1, "line-3", 1);
    let first = bench.done(refusal.clone()).await.entry().number;
    let again = bench.done(refusal).await;
    assert!(again.is_replay() && again.entry().number == first, "the same request, the same refusal");

    let known = bench.store.reservation(ReservationId(1)).await.unwrap().unwrap();
    assert_eq!((known.out(), known.refused), (2, 1));
    let counts = bench.store.work_order(WorkOrderId(1)).await.unwrap().unwrap().counts;
    assert_eq!((counts.reserved, counts.refused_after_deferral, counts.spent()), (2, 1, 3));

    let gone = || Conflict::UnitRefused(device(1));
    let now = bench.clock.now();
    assert_eq!(bench.ask(made(&bench, "line-3", 1, 77, now)).await.unwrap_err(), gone());
    assert_eq!(bench.ask(bench.birth(1, 1, 78)).await.unwrap_err(), gone());
    assert_eq!(bench.ask(refuse(&bench, 1, "line-3", 1)).await.unwrap_err(), gone());
    let named = UnitsWanted::Named([device(1).serial].into());
    let action = Action::ReserveUnits {
        work_order: WorkOrderId(1),
        units: named,
        duration: HOUR,
        station_units_max: 10_000,
    };
    let wanted = bench.command(station("line-4"), Some(bench.draw()), action);
    assert_eq!(bench.ask(wanted).await.unwrap_err(), gone());
    // Neither does it come home, nor is it withdrawn with the rest.
    let action = Action::ReturnUnits { reservation: ReservationId(1), serials: [device(1).serial].into() };
    assert!(bench.done(bench.command(station("line-3"), None, action)).await.is_replay());
    let withdrawn = bench.done(bench.operate(Action::WithdrawReservation(ReservationId(1)))).await;
    let Event::ReservationWithdrawn { serials, .. } = &withdrawn.entry().event else { panic!("withdrawn") };
    assert_eq!(*serials, [device(2).serial, device(3).serial]);
    bench.done(bench.operate(Action::CloseWorkOrder(WorkOrderId(1)))).await;
}

#[tokio::test]
async fn only_the_station_that_has_a_unit_out_has_it_refused() {
    let bench = bench();
    two_stations(&bench).await;
    reserve(&bench, 2).await;
    let stranger = bench.ask(refuse(&bench, 1, "line-4", 1)).await.unwrap_err();
    assert_eq!(stranger, Conflict::UnitReserved(device(1)));
    let free = bench.ask(refuse(&bench, 1, "line-3", 9)).await.unwrap_err();
    assert_eq!(free, Conflict::NotReserved(device(9)));
    bench.done(made(&bench, "line-3", 1, 1, bench.clock.now())).await;
    let born = bench.ask(refuse(&bench, 1, "line-3", 1)).await.unwrap_err();
    assert_eq!(born, Conflict::NotReserved(device(1)));
}

//! Reservations: one sentence for each way to be refused, and random histories whose invariants are counted
//! from the entries alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use identity::{Clock, DeviceSerial};
use ledger::{
    Action, Command, Conflict, Event, ReservationId, ReservationState, UnitsWanted, WorkOrderCounts,
    WorkOrderId, WorkOrderState,
};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use store::{Ledger as _, Listings as _};

use super::{bench, order};
use crate::cases::{Bench, days, device, station};

const STATIONS: [&str; 2] = ["line-3", "line-4"];

fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3_600)
}

fn serial(number: u64) -> DeviceSerial {
    device(number).serial
}

fn numbers(serials: &[DeviceSerial]) -> Vec<u64> {
    serials.iter().map(|serial| serial.as_str()[2..].parse().unwrap()).collect()
}

fn named(numbers: &[u64]) -> UnitsWanted {
    UnitsWanted::Named(numbers.iter().map(|number| serial(*number)).collect())
}

fn reserve(bench: &Bench, order: u64, name: &str, units: UnitsWanted) -> Command {
    reserve_at_most(bench, order, name, units, 10_000)
}

fn reserve_at_most(bench: &Bench, order: u64, name: &str, units: UnitsWanted, most: u64) -> Command {
    let action = Action::ReserveUnits {
        work_order: WorkOrderId(order),
        units,
        duration: hours(12),
        station_units_max: most,
    };
    bench.command(station(name), Some(bench.draw()), action)
}

fn give_back(bench: &Bench, name: &str, reservation: u64, serials: &[u64]) -> Command {
    let serials: BTreeSet<_> = serials.iter().map(|number| serial(*number)).collect();
    let action = Action::ReturnUnits { reservation: ReservationId(reservation), serials };
    bench.command(station(name), None, action)
}

fn withdraw(bench: &Bench, reservation: u64) -> Command {
    bench.operate(Action::WithdrawReservation(ReservationId(reservation)))
}

fn birth(bench: &Bench, order: u64, name: &str, serial: u64) -> Command {
    let mut command = bench.birth(order, serial, serial);
    command.principal = Some(station(name));
    command
}

/// The serial numbers that a command reserved, returned or withdrew.
async fn moved(bench: &Bench, command: Command) -> Result<Vec<u64>, Conflict> {
    let recorded = bench.ask(command).await?;
    Ok(match &recorded.entry().event {
        Event::UnitsReserved { serials, .. }
        | Event::UnitsReturned { serials, .. }
        | Event::ReservationWithdrawn { serials, .. } => numbers(serials),
        other => panic!("{other:?}"),
    })
}

async fn counts(bench: &Bench, order: u64) -> WorkOrderCounts {
    bench.store.work_order(WorkOrderId(order)).await.unwrap().unwrap().counts
}

async fn shared_order(bench: &Bench, quantity: u64) -> u64 {
    let stations = STATIONS.map(|name| name.parse().unwrap()).to_vec();
    order(bench, |terms| (terms.quantity, terms.stations) = (quantity, stations)).await.unwrap()
}

#[tokio::test]
async fn stations_that_reserve_in_turn_get_units_of_their_own_until_the_order_is_spent() {
    let bench = bench();
    shared_order(&bench, 10).await;
    bench.done(birth(&bench, 1, "line-3", 2)).await;
    let first = moved(&bench, reserve(&bench, 1, "line-3", UnitsWanted::Next(3))).await;
    assert_eq!(first, Ok(vec![1, 3, 4]));
    let second = moved(&bench, reserve(&bench, 1, "line-4", UnitsWanted::Next(4))).await;
    assert_eq!(second, Ok(vec![5, 6, 7, 8]));
    // Fewer than were asked for: the order has no more.
    let third = moved(&bench, reserve(&bench, 1, "line-3", UnitsWanted::Next(4))).await;
    assert_eq!(third, Ok(vec![9, 10]));
    let spent = counts(&bench, 1).await;
    assert_eq!((spent.issued, spent.reserved, spent.spent()), (1, 9, 10));
    let exhausted = Conflict::WorkOrderExhausted { work_order: WorkOrderId(1), quantity: 10 };
    let fourth = moved(&bench, reserve(&bench, 1, "line-4", UnitsWanted::Next(1))).await;
    assert_eq!(fourth, Err(exhausted.clone()));
    // A unit that nobody reserved finds no quota either.
    assert_eq!(bench.ask(birth(&bench, 1, "line-3", 99)).await.unwrap_err(), exhausted);
}

#[tokio::test]
async fn a_reservation_says_when_the_station_stops_making_its_units() {
    let bench = bench();
    let now = bench.clock.now();
    let closes = now + hours(5);
    order(&bench, |_| {}).await.unwrap();
    order(&bench, |terms| terms.closes_at = Some(closes)).await.unwrap();
    bench.done(reserve(&bench, 1, "line-3", UnitsWanted::Next(2))).await;
    bench.done(reserve(&bench, 2, "line-3", UnitsWanted::Next(2))).await;
    let known = async |id| bench.store.reservation(ReservationId(id)).await.unwrap().unwrap();
    assert_eq!((known(1).await.ends_at, known(2).await.ends_at), (now + hours(12), closes));
    assert_eq!(known(1).await.state(now), ReservationState::Open);
    bench.clock.advance(hours(12));
    assert_eq!(known(1).await.state(bench.clock.now()), ReservationState::Ended);
    let late = moved(&bench, reserve(&bench, 2, "line-3", UnitsWanted::Next(1))).await;
    assert_eq!(late, Err(Conflict::WorkOrderExpired(WorkOrderId(2))));
}

#[tokio::test]
async fn a_station_has_no_more_units_out_than_it_may() {
    let bench = bench();
    shared_order(&bench, 100).await;
    let ask = |name, count| moved(&bench, reserve_at_most(&bench, 1, name, UnitsWanted::Next(count), 5));
    assert_eq!(ask("line-3", 3).await, Ok(vec![1, 2, 3]));
    assert_eq!(ask("line-3", 3).await, Ok(vec![4, 5]));
    assert_eq!(ask("line-3", 1).await, Err(Conflict::TooManyReserved { units_max: 5 }));
    assert_eq!(ask("line-4", 1).await, Ok(vec![6]));
    // What got its certificate, came home or was withdrawn is out no longer.
    bench.done(birth(&bench, 1, "line-3", 1)).await;
    bench.done(give_back(&bench, "line-3", 1, &[2])).await;
    bench.done(withdraw(&bench, 2)).await;
    assert_eq!(ask("line-3", 9).await, Ok(vec![2, 7, 8, 9]));
}

#[tokio::test]
async fn of_units_that_are_named_those_that_are_free_are_reserved() {
    let bench = bench();
    shared_order(&bench, 100).await;
    let ask = |name, wanted: &[u64]| moved(&bench, reserve(&bench, 1, name, named(wanted)));
    bench.done(birth(&bench, 1, "line-3", 40)).await;
    assert_eq!(ask("line-3", &[50, 40, 30]).await, Ok(vec![30, 50]));
    assert_eq!(ask("line-4", &[30, 31]).await, Ok(vec![31]));
    assert_eq!(ask("line-4", &[30, 40]).await, Err(Conflict::UnitReserved(device(30))));
    assert_eq!(ask("line-4", &[40]).await, Err(Conflict::UnitMade(device(40))));
    // The next free ones are those that were not named.
    let next = moved(&bench, reserve(&bench, 1, "line-4", UnitsWanted::Next(31))).await.unwrap();
    assert_eq!((next[0], next[28], next[29], next[30]), (1, 29, 32, 33));
    let narrow = |terms: &mut ledger::WorkOrderTerms| {
        terms.quantity = 9;
        terms.serials = ledger::Serials::Pattern("SN{000061..000069}".parse().unwrap());
    };
    order(&bench, narrow).await.unwrap();
    let outside = moved(&bench, reserve(&bench, 2, "line-3", named(&[61, 70]))).await;
    let expected = Conflict::SerialNotInWorkOrder { work_order: WorkOrderId(2), device: device(70) };
    assert_eq!(outside, Err(expected));
    assert_eq!(counts(&bench, 2).await.reserved, 0);
}

#[tokio::test]
async fn what_comes_home_unused_is_given_out_first() {
    let bench = bench();
    shared_order(&bench, 10).await;
    bench.done(reserve(&bench, 1, "line-3", UnitsWanted::Next(6))).await;
    bench.done(birth(&bench, 1, "line-3", 4)).await;
    // What has a certificate does not come home.
    assert_eq!(moved(&bench, give_back(&bench, "line-3", 1, &[2, 4, 5])).await, Ok(vec![2, 5]));
    let known = bench.store.reservation(ReservationId(1)).await.unwrap().unwrap();
    assert_eq!((known.issued, known.returned, known.out()), (1, 2, 3));
    let next = moved(&bench, reserve(&bench, 1, "line-4", UnitsWanted::Next(3))).await;
    assert_eq!(next, Ok(vec![2, 5, 7]));
    // The rest, also after its end; and again: the same answer, and nothing happens.
    bench.clock.advance(days(3));
    assert_eq!(moved(&bench, give_back(&bench, "line-3", 1, &[])).await, Ok(vec![1, 3, 6]));
    let again = bench.done(give_back(&bench, "line-3", 1, &[])).await;
    assert!(again.is_replay());
    let spent = counts(&bench, 1).await;
    assert_eq!((spent.issued, spent.reserved, spent.withdrawn), (1, 3, 0));
    // One that came home is anybody's, also without a reservation.
    bench.done(birth(&bench, 1, "line-4", 1)).await;
    let next = moved(&bench, reserve(&bench, 1, "line-4", UnitsWanted::Next(3))).await;
    assert_eq!(next, Ok(vec![3, 6, 8]));
}

#[tokio::test]
async fn a_reserved_unit_is_issued_to_its_station_alone_until_it_is_withdrawn() {
    let bench = bench();
    let closes = bench.clock.now() + days(1);
    let stations = STATIONS.map(|name| name.parse().unwrap()).to_vec();
    order(&bench, |terms| {
        (terms.quantity, terms.stations, terms.closes_at) = (3, stations, Some(closes));
    })
    .await
    .unwrap();
    shared_order(&bench, 3).await;
    bench.done(reserve(&bench, 1, "line-3", UnitsWanted::Next(3))).await;
    let reserved = Conflict::UnitReserved(device(1));
    assert_eq!(bench.ask(birth(&bench, 1, "line-4", 1)).await.unwrap_err(), reserved);
    // Not under another order of the product either, by whomever.
    assert_eq!(bench.ask(birth(&bench, 2, "line-3", 1)).await.unwrap_err(), reserved);
    // The order is spent, and what is reserved is issued all the same.
    bench.done(birth(&bench, 1, "line-3", 1)).await;
    // Also when the end and the window of the order have passed, but not while it is paused.
    bench.clock.advance(days(30));
    bench.done(bench.operate(Action::PauseWorkOrder(WorkOrderId(1)))).await;
    let paused = Conflict::WorkOrderNotOpen { work_order: WorkOrderId(1), state: WorkOrderState::Paused };
    assert_eq!(bench.ask(birth(&bench, 1, "line-3", 2)).await.unwrap_err(), paused);
    bench.done(bench.operate(Action::ResumeWorkOrder(WorkOrderId(1)))).await;
    bench.done(birth(&bench, 1, "line-3", 2)).await;
    bench.done(withdraw(&bench, 1)).await;
    let withdrawn = Conflict::UnitWithdrawn(device(3));
    assert_eq!(bench.ask(birth(&bench, 1, "line-3", 3)).await.unwrap_err(), withdrawn);
    let spent = counts(&bench, 1).await;
    assert_eq!((spent.issued, spent.reserved, spent.withdrawn), (2, 0, 1));
}

#[tokio::test]
async fn what_is_withdrawn_is_spent_for_ever() {
    let bench = bench();
    shared_order(&bench, 5).await;
    shared_order(&bench, 5).await;
    bench.done(reserve(&bench, 1, "line-3", UnitsWanted::Next(3))).await;
    bench.done(birth(&bench, 1, "line-3", 2)).await;
    assert_eq!(moved(&bench, withdraw(&bench, 1)).await, Ok(vec![1, 3]));
    assert!(bench.done(withdraw(&bench, 1)).await.is_replay());
    let home = moved(&bench, give_back(&bench, "line-3", 1, &[])).await;
    assert_eq!(home, Err(Conflict::ReservationWithdrawn(ReservationId(1))));
    // No search and no name finds it again, under any order.
    let next = moved(&bench, reserve(&bench, 2, "line-4", UnitsWanted::Next(2))).await;
    assert_eq!(next, Ok(vec![4, 5]));
    let by_name = moved(&bench, reserve(&bench, 2, "line-3", named(&[1, 3]))).await;
    assert_eq!(by_name, Err(Conflict::UnitWithdrawn(device(1))));
    assert_eq!(
        bench.ask(birth(&bench, 2, "line-3", 3)).await.unwrap_err(),
        Conflict::UnitWithdrawn(device(3))
    );
    // Five, of which one is issued and two are withdrawn: two are left.
    let rest = moved(&bench, reserve(&bench, 1, "line-3", UnitsWanted::Next(9))).await;
    assert_eq!(rest.map(|rest| rest.len()), Ok(2));
    // With nothing out there is nothing to withdraw.
    bench.done(give_back(&bench, "line-4", 2, &[])).await;
    assert!(bench.done(withdraw(&bench, 2)).await.is_replay());
    let known = bench.store.reservation(ReservationId(2)).await.unwrap().unwrap();
    assert_eq!(known.state(bench.clock.now()), ReservationState::Done);
}

#[tokio::test]
async fn an_order_is_not_closed_while_units_are_out() {
    let bench = bench();
    shared_order(&bench, 5).await;
    bench.done(reserve(&bench, 1, "line-3", UnitsWanted::Next(3))).await;
    let close = || bench.operate(Action::CloseWorkOrder(WorkOrderId(1)));
    let out = |units| Conflict::ReservationsOut { work_order: WorkOrderId(1), units };
    assert_eq!(bench.ask(close()).await.unwrap_err(), out(3));
    bench.done(birth(&bench, 1, "line-3", 1)).await;
    bench.done(give_back(&bench, "line-3", 1, &[2])).await;
    assert_eq!(bench.ask(close()).await.unwrap_err(), out(1));
    bench.done(withdraw(&bench, 1)).await;
    bench.done(close()).await;
    let closed = Conflict::WorkOrderNotOpen { work_order: WorkOrderId(1), state: WorkOrderState::Closed };
    let late = moved(&bench, reserve(&bench, 1, "line-3", UnitsWanted::Next(1))).await;
    assert_eq!(late, Err(closed));
}

#[tokio::test]
async fn a_reservation_is_its_stations_and_an_order_is_its_own_stations() {
    let bench = bench();
    shared_order(&bench, 5).await;
    order(&bench, |_| {}).await.unwrap();
    bench.done(reserve(&bench, 1, "line-3", UnitsWanted::Next(3))).await;
    let unknown = |id| Err(Conflict::NoSuchReservation(ReservationId(id)));
    assert_eq!(moved(&bench, give_back(&bench, "line-4", 1, &[])).await, unknown(1));
    assert_eq!(moved(&bench, give_back(&bench, "line-3", 2, &[])).await, unknown(2));
    assert_eq!(moved(&bench, withdraw(&bench, 2)).await, unknown(2));
    let foreign = moved(&bench, reserve(&bench, 2, "line-4", UnitsWanted::Next(1))).await;
    assert_eq!(foreign, Err(Conflict::NoSuchWorkOrder(WorkOrderId(2))));
}

#[tokio::test]
async fn the_same_request_gets_the_same_reservation_whatever_became_of_it() {
    let bench = bench();
    shared_order(&bench, 3).await;
    let asked = reserve(&bench, 1, "line-3", UnitsWanted::Next(3));
    let first = bench.done(asked.clone()).await.entry().number;
    for change in [birth(&bench, 1, "line-3", 1), withdraw(&bench, 1)] {
        bench.done(change).await;
        let again = bench.done(asked.clone()).await;
        assert!(again.is_replay() && again.entry().number == first);
    }
    let mut other = asked;
    other.content = [2; 32];
    assert_eq!(bench.ask(other).await.unwrap_err(), Conflict::RequestReused);
}

#[tokio::test]
async fn a_batch_sees_what_was_reserved_before_in_it() {
    let bench = bench();
    shared_order(&bench, 6).await;
    let commands = vec![
        reserve(&bench, 1, "line-3", UnitsWanted::Next(3)),
        birth(&bench, 1, "line-4", 2),
        birth(&bench, 1, "line-3", 2),
        give_back(&bench, "line-3", 1, &[1]),
        reserve(&bench, 1, "line-4", UnitsWanted::Next(2)),
        withdraw(&bench, 1),
        birth(&bench, 1, "line-3", 3),
        reserve(&bench, 1, "line-4", UnitsWanted::Next(9)),
        reserve(&bench, 1, "line-4", UnitsWanted::Next(1)),
    ];
    let verdicts = bench.store.commit(commands).await.unwrap();
    let serials = |place: usize| match &verdicts[place].as_ref().unwrap().entry().event {
        Event::UnitsReserved { serials, .. } | Event::ReservationWithdrawn { serials, .. } => {
            numbers(serials)
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(*verdicts[1].as_ref().unwrap_err(), Conflict::UnitReserved(device(2)));
    assert_eq!((serials(4), serials(5), serials(7)), (vec![1, 4], vec![3], vec![5, 6]));
    assert_eq!(*verdicts[6].as_ref().unwrap_err(), Conflict::UnitWithdrawn(device(3)));
    assert!(matches!(verdicts[8], Err(Conflict::WorkOrderExhausted { .. })));
    assert_eq!(counts(&bench, 1).await.spent(), 6);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// The order, the station's place, the reservation.
    Out(u64, usize, u64),
    Withdrawn,
    Refused,
    Made,
}

/// What is counted from the entries of a random history.
#[derive(Default)]
struct Tally {
    units: BTreeMap<u64, Unit>,
    /// Spent, by order.
    spent: BTreeMap<u64, u64>,
    reservations: u64,
}

impl Tally {
    fn out_of(&self, reservation: u64) -> Vec<u64> {
        let out =
            self.units.iter().filter(|(_, unit)| matches!(unit, Unit::Out(_, _, of) if *of == reservation));
        out.map(|(number, _)| *number).collect()
    }

    fn enter(&mut self, event: &Event, place: usize) {
        match event {
            Event::UnitsReserved { work_order, reservation, serials, .. } => {
                self.reservations += 1;
                assert_eq!(reservation.0, self.reservations);
                assert!(!serials.is_empty());
                for number in numbers(serials) {
                    let before = self.units.insert(number, Unit::Out(work_order.0, place, reservation.0));
                    assert_eq!(before, None, "{number} was given twice");
                    *self.spent.entry(work_order.0).or_default() += 1;
                }
            }
            Event::UnitsReturned { reservation, serials } => {
                for number in numbers(serials) {
                    let Some(Unit::Out(order, _, of)) = self.units.remove(&number) else {
                        panic!("{number}")
                    };
                    assert_eq!(of, reservation.0);
                    *self.spent.get_mut(&order).unwrap() -= 1;
                }
            }
            Event::ReservationWithdrawn { reservation, serials } => {
                assert_eq!(numbers(serials), self.out_of(reservation.0));
                for number in numbers(serials) {
                    self.units.insert(number, Unit::Withdrawn);
                }
            }
            Event::DeferralRefused { work_order, reservation, device, .. } => {
                let number = numbers(std::slice::from_ref(&device.serial))[0];
                let before = self.units.insert(number, Unit::Refused);
                assert_eq!(before, Some(Unit::Out(work_order.0, place, reservation.0)));
            }
            Event::BirthIssued { work_order, device, .. } => {
                let number = numbers(std::slice::from_ref(&device.serial))[0];
                match self.units.insert(number, Unit::Made) {
                    None => *self.spent.entry(work_order.0).or_default() += 1,
                    Some(Unit::Out(order, of, _)) => assert_eq!((order, of), (work_order.0, place)),
                    Some(before) => panic!("{number} was {before:?}"),
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Two stations reserve, return and make units of two orders with the same serial numbers, and an operator
/// withdraws: no serial number is given twice, and no order gives more than its quantity.
#[tokio::test]
async fn random_histories_give_no_serial_number_twice_and_exceed_no_order() {
    let seed: u64 =
        std::env::var("TOUCHMARK_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_128);
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut refused = 0;
    for _ in 0..60 {
        let bench = bench();
        let quantity = random.random_range(4..40);
        for _ in 0..2 {
            shared_order(&bench, quantity).await;
        }
        let mut tally = Tally::default();
        for _ in 0..80 {
            let (order, place) = (random.random_range(1..3), random.random_range(0..2_usize));
            let command = random_command(&bench, &mut random, &tally, order, STATIONS[place]);
            match bench.ask(command).await {
                Ok(recorded) if !recorded.is_replay() => tally.enter(&recorded.entry().event, place),
                Ok(_) => {}
                Err(Conflict::WorkOrderExhausted { work_order, .. }) => {
                    assert_eq!(tally.spent[&work_order.0], quantity);
                    refused += 1;
                }
                Err(_) => refused += 1,
            }
        }
        for order in 1..3 {
            let spent = tally.spent.get(&order).copied().unwrap_or_default();
            let counts = counts(&bench, order).await;
            let out = tally.units.values().filter(|unit| matches!(unit, Unit::Out(of, ..) if *of == order));
            assert_eq!((counts.spent(), counts.reserved), (spent, out.count() as u64));
            assert!(spent <= quantity);
        }
    }
    assert!(refused > 100, "the histories never met a limit");
}

fn random_command(bench: &Bench, random: &mut StdRng, tally: &Tally, order: u64, name: &str) -> Command {
    let reservation = random.random_range(1..tally.reservations + 2);
    let out = tally.out_of(reservation);
    match random.random_range(0..10) {
        0..=2 => reserve(bench, order, name, UnitsWanted::Next(random.random_range(1..8))),
        3 => {
            let wanted: Vec<_> = (0..3).map(|_| random.random_range(1..50)).collect();
            reserve(bench, order, name, named(&wanted))
        }
        4 => give_back(bench, name, reservation, &[]),
        5 => give_back(bench, name, reservation, &out[..out.len() / 2]),
        6 if random.random_range(0..3) == 0 => withdraw(bench, reservation),
        7 => birth(bench, order, name, random.random_range(1..50)),
        8 if random.random_range(0..2) == 0 => {
            super::deferral::refuse(bench, order, name, out.choose(random).copied().unwrap_or(51))
        }
        _ => birth(bench, order, name, out.choose(random).copied().unwrap_or(51)),
    }
}

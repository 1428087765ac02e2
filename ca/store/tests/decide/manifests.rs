//! Manifests in parts, and serial numbers that are given up: one sentence for each way to be refused.

use std::sync::Arc;

use identity::{Principal, Role};
use ledger::{
    Action, Command, Conflict, Event, INCOMPLETE_ORDERS_MAX, ManifestOutline, SerialList, SerialPart,
    Serials, TermsRefusal, UnitsWanted, WorkOrderFacts, WorkOrderId, WorkOrderState,
};
use store::{Listings as _, Status as _};

use super::{bench, operator, order};
use crate::cases::model::{announced, manifest_part};
use crate::cases::{Bench, days, device, station, terms};

fn create(bench: &Bench, len: u64) -> Command {
    bench.operate(Action::CreateWorkOrder(announced(len)))
}

fn append(bench: &Bench, order: u64, position: u64, serials: Arc<SerialPart>) -> Command {
    bench.operate(Action::AppendManifest { work_order: WorkOrderId(order), position, serials })
}

fn reserve(bench: &Bench, order: u64, count: u64) -> Command {
    let (work_order, units) = (WorkOrderId(order), UnitsWanted::Next(count));
    let action = Action::ReserveUnits { work_order, units, duration: days(1), station_units_max: 1_000 };
    bench.command(station("line-3"), Some(bench.draw()), action)
}

fn give_up(bench: &Bench, order: u64, serial: u64, by_station: bool) -> Command {
    let (work_order, device) = (WorkOrderId(order), device(serial));
    let (reason, operator) = ("label torn".to_owned(), "7".to_owned());
    let action = Action::GiveUpUnit { work_order, device, reason, operator };
    match by_station {
        true => bench.command(station("line-3"), None, action),
        false => bench.operate(action),
    }
}

async fn facts(bench: &Bench, order: u64) -> WorkOrderFacts {
    bench.store.work_order(WorkOrderId(order)).await.unwrap().unwrap()
}

fn incomplete(order: u64) -> Conflict {
    Conflict::WorkOrderNotOpen { work_order: WorkOrderId(order), state: WorkOrderState::Incomplete }
}

#[tokio::test]
async fn an_order_is_open_only_when_its_manifest_is_whole() {
    let bench = bench();
    bench.done(create(&bench, 5)).await;
    for recorded in [0, 3] {
        if recorded > 0 {
            bench.done(append(&bench, 1, 0, manifest_part(0, recorded))).await;
        }
        for command in [
            reserve(&bench, 1, 1),
            bench.birth(1, 1, 1),
            give_up(&bench, 1, 1, false),
            bench.operate(Action::PauseWorkOrder(WorkOrderId(1))),
            bench.operate(Action::ResumeWorkOrder(WorkOrderId(1))),
        ] {
            assert_eq!(bench.ask(command).await.unwrap_err(), incomplete(1));
        }
    }
    bench.done(append(&bench, 1, 3, manifest_part(3, 2))).await;
    assert_eq!(facts(&bench, 1).await.state, WorkOrderState::Open);
    bench.done(bench.birth(1, 5, 1)).await;
    let not_of_it = Conflict::SerialNotInWorkOrder { work_order: WorkOrderId(1), device: device(6) };
    assert_eq!(bench.ask(bench.birth(1, 6, 2)).await.unwrap_err(), not_of_it);
    let reserved = bench.done(reserve(&bench, 1, 9)).await;
    let Event::UnitsReserved { serials, .. } = &reserved.entry().event else { panic!("{reserved:?}") };
    assert_eq!(serials.iter().map(ToString::to_string).collect::<Vec<_>>(), {
        (1..5).map(|serial| device(serial).serial.to_string()).collect::<Vec<_>>()
    });
}

#[tokio::test]
async fn a_part_of_a_manifest_follows_what_is_on_record_and_is_recorded_once() {
    let bench = bench();
    bench.done(create(&bench, 6)).await;
    bench.done(append(&bench, 1, 0, manifest_part(0, 3))).await;
    let head = bench.store.head();
    // The same again, and a piece of it.
    bench.done(append(&bench, 1, 0, manifest_part(0, 3))).await;
    bench.done(append(&bench, 1, 1, manifest_part(1, 1))).await;
    assert_eq!(bench.store.head(), head);
    let mismatch = |recorded| Conflict::ManifestMismatch { work_order: WorkOrderId(1), recorded };
    for (position, serials, why) in [
        (4, manifest_part(4, 1), "a gap"),
        (2, manifest_part(2, 2), "half of it is on record"),
        (0, manifest_part(1, 1), "another one is on record"),
        (3, manifest_part(2, 1), "it does not rise"),
        (3, manifest_part(3, 4), "more than was announced"),
        (3, Arc::new(SerialPart::default()), "nothing"),
    ] {
        let refused = bench.ask(append(&bench, 1, position, serials)).await.unwrap_err();
        assert_eq!(refused, mismatch(3), "{why}");
    }
    bench.done(append(&bench, 1, 3, manifest_part(3, 3))).await;
    bench.done(append(&bench, 1, 3, manifest_part(3, 3))).await;
    let more = bench.ask(append(&bench, 1, 6, manifest_part(6, 1))).await.unwrap_err();
    assert_eq!(more, Conflict::WorkOrderNotOpen { work_order: WorkOrderId(1), state: WorkOrderState::Open });
    // Of an order that was made with its range nothing is missing.
    order(&bench, |terms| terms.quantity = 3).await.unwrap();
    assert!(matches!(
        bench.ask(append(&bench, 2, 0, manifest_part(0, 1))).await.unwrap_err(),
        Conflict::ManifestMismatch { .. }
    ));
}

#[tokio::test]
async fn the_same_order_goes_on_while_its_manifest_is_not_whole() {
    let bench = bench();
    let first = bench.done(create(&bench, 4)).await;
    bench.done(append(&bench, 1, 0, manifest_part(0, 2))).await;
    let again = bench.done(create(&bench, 4)).await;
    assert_eq!((again.is_replay(), again.entry().number), (true, first.entry().number));
    // Another operator, and other terms, make another order.
    let other = Principal::named(Role::Operator, "bob".parse().unwrap());
    let command = bench.command(other, None, Action::CreateWorkOrder(announced(4)));
    assert!(!bench.done(command).await.is_replay());
    assert!(!bench.done(create(&bench, 5)).await.is_replay());
    // Once it is whole, the same terms are a new order.
    bench.done(append(&bench, 1, 2, manifest_part(2, 2))).await;
    assert!(!bench.done(create(&bench, 4)).await.is_replay());
}

#[tokio::test]
async fn few_orders_wait_for_their_manifests_and_a_closed_one_waits_no_longer() {
    let bench = bench();
    for order in 0..INCOMPLETE_ORDERS_MAX as u64 {
        bench.done(create(&bench, 10 + order)).await;
    }
    assert_eq!(bench.ask(create(&bench, 9)).await.unwrap_err(), Conflict::TooManyIncomplete);
    bench.done(bench.operate(Action::CloseWorkOrder(WorkOrderId(1)))).await;
    bench.done(create(&bench, 9)).await;
    let closed = Conflict::WorkOrderNotOpen { work_order: WorkOrderId(1), state: WorkOrderState::Closed };
    assert_eq!(bench.ask(append(&bench, 1, 0, manifest_part(0, 1))).await.unwrap_err(), closed);
    let long = ManifestOutline { len: 1_000_001, sha256: [0; 32] };
    let mut terms = terms(10);
    terms.serials = Serials::Manifest(SerialList::announced(long));
    let refused = bench.ask(bench.command(operator(), None, Action::CreateWorkOrder(terms))).await;
    assert_eq!(refused.unwrap_err(), Conflict::TermsRefused(TermsRefusal::ManifestTooLong));
}

#[tokio::test]
async fn a_serial_number_that_was_given_up_is_spent_for_ever() {
    let bench = bench();
    order(&bench, |terms| terms.quantity = 4).await.unwrap();
    bench.done(bench.birth(1, 1, 1)).await;
    assert_eq!(bench.ask(give_up(&bench, 1, 1, true)).await.unwrap_err(), Conflict::UnitMade(device(1)));
    let given = bench.done(give_up(&bench, 1, 2, true)).await;
    assert!(bench.done(give_up(&bench, 1, 2, false)).await.is_replay());
    let Event::UnitGivenUp { operator, .. } = &given.entry().event else { panic!("{given:?}") };
    assert_eq!(operator, "7");
    let gone = Conflict::UnitGivenUp(device(2));
    assert_eq!(bench.ask(bench.birth(1, 2, 2)).await.unwrap_err(), gone);
    // Also under another order of the product.
    order(&bench, |terms| terms.quantity = 4).await.unwrap();
    assert_eq!(bench.ask(bench.birth(2, 2, 2)).await.unwrap_err(), gone);
    let reserved = bench.done(reserve(&bench, 1, 9)).await;
    let Event::UnitsReserved { serials, .. } = &reserved.entry().event else { panic!("{reserved:?}") };
    assert_eq!(serials, &[device(3).serial, device(4).serial]);
    let counts = facts(&bench, 1).await.counts;
    assert_eq!((counts.issued, counts.reserved, counts.given_up, counts.spent()), (1, 2, 1, 4));
    let exhausted = Conflict::WorkOrderExhausted { work_order: WorkOrderId(1), quantity: 4 };
    assert_eq!(bench.ask(give_up(&bench, 1, 9, false)).await.unwrap_err(), exhausted);
    // What is out is given up without more quota.
    bench.done(give_up(&bench, 1, 3, true)).await;
    let counts = facts(&bench, 1).await.counts;
    assert_eq!((counts.reserved, counts.given_up, counts.spent()), (1, 2, 4));
}

#[tokio::test]
async fn a_station_gives_up_only_what_no_other_station_has() {
    let bench = bench();
    let stations = ["line-3", "line-4"].map(|name| name.parse().unwrap()).to_vec();
    order(&bench, |terms| (terms.quantity, terms.stations) = (9, stations)).await.unwrap();
    let mut reserved = reserve(&bench, 1, 2);
    reserved.principal = Some(station("line-4"));
    bench.done(reserved).await;
    let of_another = Conflict::UnitReserved(device(1));
    assert_eq!(bench.ask(give_up(&bench, 1, 1, true)).await.unwrap_err(), of_another);
    bench.done(give_up(&bench, 1, 1, false)).await;
    bench.done(give_up(&bench, 1, 3, true)).await;
    let mut stranger = give_up(&bench, 1, 4, true);
    stranger.principal = Some(station("line-9"));
    assert_eq!(bench.ask(stranger).await.unwrap_err(), Conflict::NoSuchWorkOrder(WorkOrderId(1)));
    let outside =
        Conflict::ProductNotInWorkOrder { work_order: WorkOrderId(1), device: "x/1".parse().unwrap() };
    let mut other = give_up(&bench, 1, 4, true);
    if let Action::GiveUpUnit { device, .. } = &mut other.action {
        *device = "x/1".parse().unwrap();
    }
    assert_eq!(bench.ask(other).await.unwrap_err(), outside);
    bench.done(bench.operate(Action::WithdrawReservation(ledger::ReservationId(1)))).await;
    let withdrawn = bench.ask(give_up(&bench, 1, 2, false)).await.unwrap_err();
    assert_eq!(withdrawn, Conflict::UnitWithdrawn(device(2)));
    let reservation = bench.store.reservation(ledger::ReservationId(1)).await.unwrap().unwrap();
    assert_eq!((reservation.out(), reservation.given_up, reservation.withdrawn), (0, 1, 1));
}

#[tokio::test]
async fn a_station_has_a_unit_of_its_own_order_reworked_until_it_enrols() {
    let bench = bench();
    order(&bench, |_| {}).await.unwrap();
    let birth = bench.done(bench.birth(1, 1, 1)).await;
    let certificate = birth.entry().event.certificate().unwrap().serial_number;
    let rework = |name: &str, order: u64| {
        let (work_order, device) = (Some(WorkOrderId(order)), device(1));
        let (reason, operator) = ("board replaced".to_owned(), "7".to_owned());
        let action = Action::AllowRework { work_order, device, reason, operator };
        bench.command(station(name), None, action)
    };
    let nothing = Conflict::NoSuchWorkOrder(WorkOrderId(1));
    assert_eq!(bench.ask(rework("line-9", 1)).await.unwrap_err(), nothing);
    bench.done(rework("line-3", 1)).await;
    let second = bench.done(bench.birth(1, 1, 2)).await;
    let Event::BirthIssued { replaces, .. } = &second.entry().event else { panic!("{second:?}") };
    assert_eq!(replaces.len(), 1);
    assert_eq!(replaces[0].serial_number, certificate);
    // A station names the order; only an operator does not.
    let mut unnamed = bench.operate(crate::cases::allow_rework(device(1)));
    unnamed.principal = Some(station("line-3"));
    assert_eq!(bench.ask(unnamed).await.unwrap_err(), Conflict::NoSuchDevice(device(1)));
    let certificate = second.entry().event.certificate().unwrap().serial_number;
    let enrolled = bench.done(bench.enrol(1, certificate, 9)).await;
    let serial_number = enrolled.entry().event.certificate().unwrap().serial_number;
    let action = Action::ConfirmInstalled {
        device: device(1),
        serial_number,
        after_renewal: ledger::AfterRenewal::Expire,
    };
    bench.done(bench.command(Principal::Device(device(1)), None, action)).await;
    assert_eq!(bench.ask(rework("line-3", 1)).await.unwrap_err(), Conflict::DeviceInUse(device(1)));
}

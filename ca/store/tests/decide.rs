//! The rules: one sentence for each way to be refused, and invariants of random histories that know nothing
//! of how the rules are written.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    dead_code,
    reason = "a failed assumption is a failed test"
)]

#[path = "store/cases.rs"]
mod cases;
#[path = "decide/deferral.rs"]
mod deferral;
#[path = "decide/generators.rs"]
mod generators;
#[path = "decide/lifecycle.rs"]
mod lifecycle;
#[path = "decide/manifests.rs"]
mod manifests;
#[path = "decide/reservations.rs"]
mod reservations;
#[path = "decide/unencodable.rs"]
mod unencodable;

use cases::{Bench, days, device, key, serial_number, station, terms};
use identity::{Clock, IssuerName, Principal, ProfileName, RevocationReason, Role};
use ledger::{
    Action, Command, Conflict, Event, IssuanceSubject, TermsRefusal, UNCONFIRMED_MAX, WorkOrderId,
    WorkOrderState, WorkOrderTerms,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::{HashMap, HashSet};
use store::Listings as _;

fn bench() -> Bench {
    Bench::in_memory(40)
}

fn operator() -> Principal {
    Principal::named(Role::Operator, "admin".parse().unwrap())
}

async fn order(bench: &Bench, change: impl FnOnce(&mut WorkOrderTerms)) -> Result<u64, Conflict> {
    let mut terms = terms(100);
    change(&mut terms);
    let recorded = bench.ask(bench.command(operator(), None, Action::CreateWorkOrder(terms))).await?;
    match recorded.entry().event {
        Event::WorkOrderCreated { work_order, .. } => Ok(work_order.0),
        _ => panic!("no order"),
    }
}

#[tokio::test]
async fn terms_that_contradict_themselves_are_refused() {
    let bench = bench();
    let now = bench.clock.now();
    type Change = Box<dyn FnOnce(&mut WorkOrderTerms)>;
    let table: Vec<(Change, TermsRefusal)> = vec![
        (Box::new(|terms| terms.quantity = 0), TermsRefusal::QuantityOutOfRange),
        (Box::new(|terms| terms.quantity = 10_000_001), TermsRefusal::QuantityOutOfRange),
        (Box::new(|terms| terms.quantity = 1_000_000), TermsRefusal::SerialsTooFew),
        (Box::new(|terms| terms.stations.clear()), TermsRefusal::NoStation),
        (
            Box::new(|terms| terms.stations = vec!["line-3".parse().unwrap(); 65]),
            TermsRefusal::TooManyStations,
        ),
        (Box::new(|terms| terms.profile = ProfileName::Ldevid), TermsRefusal::ProfileNotForBirth),
        (Box::new(move |terms| terms.closes_at = Some(now)), TermsRefusal::WindowEmpty),
        (
            Box::new(move |terms| {
                terms.opens_at = Some(now + days(2));
                terms.closes_at = Some(now + days(1));
            }),
            TermsRefusal::WindowEmpty,
        ),
    ];
    for (change, refusal) in table {
        assert_eq!(order(&bench, change).await.unwrap_err(), Conflict::TermsRefused(refusal));
    }
}

#[tokio::test]
async fn an_order_is_used_in_its_window_by_its_stations_for_its_units() {
    let bench = bench();
    let now = bench.clock.now();
    let later = order(&bench, |terms| terms.opens_at = Some(now + days(1))).await.unwrap();
    let soon = order(&bench, |terms| terms.closes_at = Some(now + days(1))).await.unwrap();
    let narrow = |terms: &mut WorkOrderTerms| {
        terms.serials = ledger::Serials::Pattern("SN{000001..000100}".parse().unwrap());
    };
    let narrow = order(&bench, narrow).await.unwrap();
    let id = WorkOrderId;
    assert_eq!(
        bench.ask(bench.birth(later, 1, 1)).await.unwrap_err(),
        Conflict::WorkOrderNotYetOpen(id(later))
    );
    assert_eq!(bench.ask(bench.birth(9, 1, 1)).await.unwrap_err(), Conflict::NoSuchWorkOrder(id(9)));
    let mut foreign = bench.birth(narrow, 1, 1);
    foreign.principal = Some(station("line-4"));
    assert_eq!(bench.ask(foreign).await.unwrap_err(), Conflict::NoSuchWorkOrder(id(narrow)));
    let mut nobody = bench.birth(narrow, 1, 1);
    nobody.principal = Some(operator());
    assert_eq!(bench.ask(nobody).await.unwrap_err(), Conflict::NoSuchWorkOrder(id(narrow)));
    assert_eq!(
        bench.ask(bench.birth(narrow, 101, 1)).await.unwrap_err(),
        Conflict::SerialNotInWorkOrder { work_order: id(narrow), device: device(101) }
    );
    let mut other = bench.birth(narrow, 1, 1);
    if let Action::Issue { subject: IssuanceSubject::Birth { device, .. }, .. } = &mut other.action {
        device.product = "cam-3".parse().unwrap();
    }
    assert!(matches!(bench.ask(other).await.unwrap_err(), Conflict::ProductNotInWorkOrder { .. }));
    bench.clock.advance(days(1));
    assert_eq!(bench.ask(bench.birth(soon, 1, 1)).await.unwrap_err(), Conflict::WorkOrderExpired(id(soon)));
    bench.done(bench.birth(later, 1, 1)).await;
}

#[tokio::test]
async fn a_paused_order_goes_on_and_a_closed_one_never_does() {
    let bench = bench();
    order(&bench, |_| {}).await.unwrap();
    let work_order = WorkOrderId(1);
    let ask = |action| bench.ask(bench.command(operator(), None, action));
    let born = bench.done(bench.birth(1, 1, 1)).await;
    ask(Action::PauseWorkOrder(work_order)).await.unwrap();
    assert!(ask(Action::PauseWorkOrder(work_order)).await.unwrap().is_replay());
    let not_open = |state| Conflict::WorkOrderNotOpen { work_order, state };
    assert_eq!(bench.ask(bench.birth(1, 2, 2)).await.unwrap_err(), not_open(WorkOrderState::Paused));
    assert_eq!(bench.done(bench.birth(1, 1, 1)).await.entry(), born.entry());
    ask(Action::ResumeWorkOrder(work_order)).await.unwrap();
    bench.done(bench.birth(1, 2, 2)).await;
    ask(Action::CloseWorkOrder(work_order)).await.unwrap();
    assert!(ask(Action::CloseWorkOrder(work_order)).await.unwrap().is_replay());
    let closed = not_open(WorkOrderState::Closed);
    assert_eq!(ask(Action::ResumeWorkOrder(work_order)).await.unwrap_err(), closed);
    assert_eq!(bench.ask(bench.birth(1, 3, 3)).await.unwrap_err(), closed);
    assert_eq!(bench.done(bench.birth(1, 1, 1)).await.entry(), born.entry());
    // What was made before is still accounted for.
    bench.done(bench.confirm(1, 1, born.released().unwrap().serial_number())).await;
    let missing = WorkOrderId(7);
    assert_eq!(ask(Action::PauseWorkOrder(missing)).await.unwrap_err(), Conflict::NoSuchWorkOrder(missing));
}

#[tokio::test]
async fn a_key_has_one_holder_for_ever() {
    let bench = bench();
    let birth = bench.one_unit().await;
    // R-KEY-11, also for the device's own other certificate, for credentials and for issuers.
    assert!(matches!(
        bench.ask(bench.birth(1, 2, 501)).await.unwrap_err(),
        Conflict::KeyOfAnotherUnit { paused: true, .. }
    ));
    assert_eq!(bench.ask(bench.enrol(1, birth, 501)).await.unwrap_err(), Conflict::KeyAlreadyUsed);
    assert_eq!(bench.ask(bench.credential("line-3", 501)).await.unwrap_err(), Conflict::KeyAlreadyUsed);
    bench.done(bench.credential("line-3", 40)).await;
    assert_eq!(bench.ask(bench.credential("line-4", 40)).await.unwrap_err(), Conflict::KeyAlreadyUsed);
    assert_eq!(bench.ask(bench.birth(1, 2, 40)).await.unwrap_err(), Conflict::KeyAlreadyUsed);
    let install = |number| {
        let certificate = bench.certificate(IssuerName::Root, ProfileName::Root, key(number));
        let action = Action::InstallIssuer { issuer: IssuerName::Root, certificate };
        Command {
            principal: None,
            credential: None,
            request: None,
            content: [0; 32],
            remark: String::new(),
            action,
        }
    };
    assert_eq!(bench.ask(install(501)).await.unwrap_err(), Conflict::KeyAlreadyUsed);
    bench.done(install(1)).await;
    assert_eq!(bench.ask(install(2)).await.unwrap_err(), Conflict::IssuerExists);
    assert_eq!(bench.ask(bench.birth(1, 2, 1)).await.unwrap_err(), Conflict::KeyAlreadyUsed);
}

#[tokio::test]
async fn a_certificate_serial_number_is_used_once() {
    let bench = bench();
    let birth = bench.one_unit().await;
    let mut again = bench.birth(1, 2, 2);
    if let Action::Issue { certificate, .. } = &mut again.action {
        certificate.serial_number = birth;
    }
    assert_eq!(bench.ask(again).await.unwrap_err(), Conflict::SerialNumberTaken);
}

#[tokio::test]
async fn units_are_confirmed_and_scrapped_only_where_they_were_made() {
    let bench = bench();
    let birth = bench.one_unit().await;
    order(&bench, |_| {}).await.unwrap();
    let another = Conflict::DeviceOfAnotherWorkOrder { device: device(1), work_order: Some(WorkOrderId(1)) };
    assert_eq!(bench.ask(bench.confirm(2, 1, birth)).await.unwrap_err(), another);
    assert_eq!(bench.ask(bench.scrap(2, 1)).await.unwrap_err(), another);
    assert_eq!(bench.ask(bench.scrap(1, 2)).await.unwrap_err(), Conflict::NoSuchDevice(device(2)));
    let foreign = serial_number(1 << 40);
    assert_eq!(
        bench.ask(bench.confirm(1, 1, foreign)).await.unwrap_err(),
        Conflict::NoSuchCertificate(device(1))
    );
    bench.done(bench.scrap(1, 1)).await;
    assert_eq!(bench.ask(bench.confirm(1, 1, birth)).await.unwrap_err(), Conflict::DeviceScrapped(device(1)));
}

#[tokio::test]
async fn a_device_enrols_itself_with_its_own_birth_certificate() {
    let bench = bench();
    let birth = bench.one_unit().await;
    let other = bench.done(bench.birth(1, 2, 502)).await.released().unwrap().serial_number();
    assert_eq!(bench.ask(bench.enrol(3, birth, 600)).await.unwrap_err(), Conflict::NoSuchDevice(device(3)));
    assert_eq!(
        bench.ask(bench.enrol(1, other, 600)).await.unwrap_err(),
        Conflict::NoSuchCertificate(device(1))
    );
    let mut stranger = bench.enrol(1, birth, 600);
    stranger.principal = Some(Principal::Device(device(2)));
    assert_eq!(bench.ask(stranger).await.unwrap_err(), Conflict::NoSuchDevice(device(1)));
    assert_eq!(
        bench.ask(bench.installed(1, birth)).await.unwrap_err(),
        Conflict::NoSuchCertificate(device(1))
    );
    for number in 0..UNCONFIRMED_MAX as u64 {
        bench.done(bench.enrol(1, birth, 600 + number)).await;
    }
    assert_eq!(
        bench.ask(bench.enrol(1, birth, 700)).await.unwrap_err(),
        Conflict::TooManyUnconfirmed(device(1))
    );
    bench.clock.advance(days(31));
    bench.done(bench.enrol(1, birth, 700)).await;
}

#[tokio::test]
async fn a_certificate_that_was_never_used_is_revoked_once_another_is() {
    let bench = bench();
    let birth = bench.one_unit().await;
    let first = bench.done(bench.enrol(1, birth, 600)).await.released().unwrap().serial_number();
    let second = bench.done(bench.enrol(1, birth, 601)).await.released().unwrap().serial_number();
    bench.done(bench.installed(1, second)).await;
    assert_eq!(bench.ask(bench.installed(1, first)).await.unwrap_err(), Conflict::CertificateRevoked);
}

#[tokio::test]
async fn a_principal_that_never_was_cannot_be_revoked() {
    let bench = bench();
    let (role, name, reason) = (Role::Station, "line-9".parse().unwrap(), RevocationReason::KeyCompromise);
    let revoke =
        bench.command(operator(), None, Action::RevokePrincipal { role, name, reason, last_operator: false });
    assert_eq!(bench.ask(revoke).await.unwrap_err(), Conflict::NoSuchPrincipal(station("line-9")));
}

/// Two hundred random histories. What is checked is counted from the entries alone.
#[tokio::test]
async fn random_histories_never_break_quota_uniqueness_or_idempotency() {
    let seed: u64 =
        std::env::var("TOUCHMARK_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_122);
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    for _ in 0..200 {
        let bench = bench();
        let quantity = random.random_range(1..12);
        for _ in 0..2 {
            order(&bench, |terms| terms.quantity = quantity).await.unwrap();
        }
        let mut answers = HashMap::new();
        let (mut births, mut keys, mut units) = (HashMap::<u64, u64>::new(), HashSet::new(), HashSet::new());
        for _ in 0..60 {
            let (order, serial, key) =
                (random.random_range(1..3), random.random_range(1..25_u64), random.random_range(1..40_u64));
            let command = bench.birth(order, serial, key);
            let question = (order, serial, key);
            let asked = bench.ask(command).await;
            generators::resume_if_paused(&bench).await;
            let Ok(recorded) = asked else { continue };
            let number = recorded.entry().number;
            // The same question has the same answer, and only the same question has it.
            assert_eq!(*answers.entry(question).or_insert(number), number);
            assert_eq!(answers.values().filter(|answer| **answer == number).count(), 1);
            if !recorded.is_replay() {
                *births.entry(order).or_default() += 1;
                assert!(keys.insert(key) && units.insert(serial));
            }
        }
        for (order, births) in births {
            assert!(births <= quantity);
            let counts = bench.store.work_order(WorkOrderId(order)).await.unwrap().unwrap().counts;
            assert_eq!(counts.issued, births);
        }
    }
}

//! Random generators that repeat themselves pause their product (R-KEY-14, ADR 0073).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use identity::{GeneratorTraces, KeyEnds, Product};
use ledger::{AlarmKind, Clash, EntryNumber, Holder, SignedCertificate, UnitsWanted, WorkOrderState};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use store::{Ledger as _, MemoryLog, Status as _, Verdict};

use super::cases::{allow_rework, traces};
use super::*;

fn product() -> Product {
    "cam-2".parse().unwrap()
}

/// A birth whose request shows these traces.
fn birth(bench: &Bench, serial: u64, key: u64, shown: GeneratorTraces) -> Command {
    let mut command = bench.birth(1, serial, key);
    if let Action::Issue { subject: IssuanceSubject::Birth { traces, .. }, .. } = &mut command.action {
        *traces = shown;
    }
    command
}

fn nonce_of(other: u64, own: u64) -> GeneratorTraces {
    GeneratorTraces { nonce: traces(other).nonce, ..traces(own) }
}

fn ends(start: u64, end: u64) -> GeneratorTraces {
    let key_ends = KeyEnds { start: start.to_be_bytes(), end: end.to_be_bytes() };
    GeneratorTraces { nonce: None, key_ends: Some(key_ends) }
}

fn broken(serial: u64, other: u64, what: Clash, paused: bool) -> Conflict {
    Conflict::BrokenGenerator { device: device(serial), other: Some(device(other)), what, paused }
}

async fn pause_entry(bench: &Bench) -> Option<EntryNumber> {
    let record = bench.store.product(&product()).await.unwrap().unwrap();
    record.paused_by.filter(|_| record.resumed_by.is_none()).map(|entry| entry.number)
}

async fn resume(bench: &Bench) -> Verdict {
    let pause = pause_entry(bench).await.expect("it is paused");
    bench.ask(bench.operate(Action::ResumeProduct { product: product(), pause })).await
}

/// A key in two units pauses the product; random histories go on.
pub(crate) async fn resume_if_paused(bench: &Bench) {
    if pause_entry(bench).await.is_some() {
        resume(bench).await.unwrap();
    }
}

async fn paused(bench: &Bench) -> Conflict {
    Conflict::ProductPaused { product: product(), pause: pause_entry(bench).await.unwrap() }
}

/// What was recorded of duplicates: unit, other unit, what, whether it paused the product; oldest first.
async fn found(bench: &Bench) -> Vec<(String, String, Clash, bool)> {
    let alarms = bench.store.alarms(Some(AlarmKind::Duplicate), None, 1000).await.unwrap().rows;
    let mut found: Vec<_> = alarms
        .iter()
        .map(|entry| match &entry.event {
            Event::DuplicateRefused { device, other: Holder::Principal(other), what, pauses, .. } => {
                (device.to_string(), other.to_string(), *what, *pauses)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    found.reverse();
    found
}

#[tokio::test]
async fn a_random_number_that_two_units_signed_with_pauses_the_product_for_all_stations() {
    let bench = bench();
    order(&bench, |terms| terms.stations.push("line-4".parse().unwrap())).await.unwrap();
    bench.done(bench.birth(1, 1, 1)).await;
    let refused = bench.ask(birth(&bench, 2, 2, nonce_of(1, 2))).await.unwrap_err();
    assert_eq!(refused, broken(2, 1, Clash::Nonce, true));
    let said = refused.to_string();
    assert!(said.contains("cam-2/SN000002 and cam-2/SN000001"), "{said}");
    assert!(said.contains("compute the private key") && said.contains("paused for all stations"), "{said}");
    assert_eq!(bench.ask(bench.birth(1, 3, 3)).await.unwrap_err(), paused(&bench).await);
    let mut other_station = bench.birth(1, 3, 3);
    other_station.principal = Some(station("line-4"));
    assert_eq!(bench.ask(other_station).await.unwrap_err(), paused(&bench).await);
    let units = UnitsWanted::Next(3);
    let reserve =
        Action::ReserveUnits { work_order: WorkOrderId(1), units, duration: days(1), station_units_max: 9 };
    let reserve = bench.command(station("line-3"), None, reserve);
    assert_eq!(bench.ask(reserve).await.unwrap_err(), paused(&bench).await);
    // What was issued is handed out again.
    assert!(bench.done(bench.birth(1, 1, 1)).await.is_replay());
    resume(&bench).await.unwrap();
    bench.done(bench.birth(1, 3, 3)).await;
    assert_eq!(
        found(&bench).await,
        [("cam-2/SN000002".to_owned(), "device:cam-2/SN000001".to_owned(), Clash::Nonce, true)]
    );
}

#[tokio::test]
async fn keys_with_the_same_64_bits_at_one_end_pause_the_product_and_other_products_go_on() {
    for (shown, what) in [(ends(7, 30), Clash::KeyStart), (ends(40, 8), Clash::KeyEnd)] {
        let bench = bench();
        order(&bench, |_| {}).await.unwrap();
        order(&bench, |terms| terms.product = "cam-3".parse().unwrap()).await.unwrap();
        bench.done(birth(&bench, 1, 1, ends(7, 8))).await;
        // The start of one is the end of another: that says nothing.
        bench.done(birth(&bench, 2, 2, ends(8, 7))).await;
        // The same half in another product says nothing, and is not looked at while this one is paused.
        let of_cam_3 = |serial: u64, key| {
            let mut command = birth(&bench, serial, key, shown);
            if let Action::Issue { subject: IssuanceSubject::Birth { device, work_order, .. }, .. } =
                &mut command.action
            {
                (device.product, *work_order) = ("cam-3".parse().unwrap(), WorkOrderId(2));
            }
            command
        };
        bench.done(of_cam_3(1, 11)).await;
        assert_eq!(bench.ask(birth(&bench, 3, 3, shown)).await.unwrap_err(), broken(3, 1, what, true));
        let mut other = bench.birth(2, 9, 9);
        if let Action::Issue { subject: IssuanceSubject::Birth { device, .. }, .. } = &mut other.action {
            device.product = "cam-3".parse().unwrap();
        }
        bench.done(other).await;
        assert!(matches!(bench.ask(of_cam_3(2, 12)).await.unwrap_err(), Conflict::BrokenGenerator { .. }));
    }
}

#[tokio::test]
async fn one_key_in_two_units_pauses_the_product_also_when_another_line_made_it() {
    let bench = bench();
    for name in ["line-3", "line-4"] {
        order(&bench, |terms| terms.stations = vec![name.parse().unwrap()]).await.unwrap();
    }
    bench.done(bench.birth(1, 1, 1)).await;
    let mut other_line = bench.birth(2, 2, 1);
    other_line.principal = Some(station("line-4"));
    let refused = bench.ask(other_line.clone()).await.unwrap_err();
    let expected = |paused| Conflict::KeyOfAnotherUnit { device: device(2), other: Some(device(1)), paused };
    assert_eq!(refused, expected(true));
    assert!(refused.to_string().starts_with("cam-2/SN000001 has the key that cam-2/SN000002 asks with"));
    assert_eq!(bench.ask(bench.birth(1, 3, 3)).await.unwrap_err(), paused(&bench).await);
    resume(&bench).await.unwrap();
    // Resumed, this finding does not pause it again; the unit is refused for ever.
    assert_eq!(bench.ask(other_line).await.unwrap_err(), expected(false));
    bench.done(bench.birth(1, 3, 3)).await;
}

#[tokio::test]
async fn a_storm_of_retries_records_a_finding_once() {
    let bench = bench();
    order(&bench, |_| {}).await.unwrap();
    bench.done(bench.birth(1, 1, 1)).await;
    let before = bench.store.head();
    for _ in 0..50 {
        let refused = bench.ask(birth(&bench, 2, 2, nonce_of(1, 2))).await.unwrap_err();
        assert_eq!(refused, broken(2, 1, Clash::Nonce, true));
    }
    assert_eq!(bench.store.head(), EntryNumber(before.0 + 1));
    resume(&bench).await.unwrap();
    for _ in 0..50 {
        let refused = bench.ask(birth(&bench, 2, 2, nonce_of(1, 2))).await.unwrap_err();
        assert_eq!(refused, broken(2, 1, Clash::Nonce, false));
    }
    assert_eq!(bench.store.head(), EntryNumber(before.0 + 2));
    assert_eq!(pause_entry(&bench).await, None);
}

#[tokio::test]
async fn what_is_found_during_a_pause_is_evidence_and_pauses_again_after_it() {
    let bench = bench();
    order(&bench, |_| {}).await.unwrap();
    bench.done(bench.birth(1, 1, 1)).await;
    for serial in [2, 3] {
        bench.ask(birth(&bench, serial, serial, nonce_of(1, serial))).await.unwrap_err();
    }
    let evidence = |found: Vec<(String, String, Clash, bool)>| {
        found.into_iter().map(|(unit, _, _, pauses)| (unit, pauses)).collect::<Vec<_>>()
    };
    let (second, third) = ("cam-2/SN000002".to_owned(), "cam-2/SN000003".to_owned());
    assert_eq!(evidence(found(&bench).await), [(second.clone(), true), (third.clone(), false)]);
    resume(&bench).await.unwrap();
    bench.ask(birth(&bench, 3, 3, nonce_of(1, 3))).await.unwrap_err();
    assert_eq!(evidence(found(&bench).await), [(second, true), (third.clone(), false), (third, true)]);
    assert!(pause_entry(&bench).await.is_some());
}

#[tokio::test]
async fn a_station_pauses_no_product_that_it_may_not_make_units_of() {
    let bench = bench();
    order(&bench, |_| {}).await.unwrap();
    order(&bench, |terms| terms.product = "cam-3".parse().unwrap()).await.unwrap();
    bench.done(bench.birth(1, 1, 1)).await;
    // Of a product that its order is not for, and with a key of another unit: on record, without a pause.
    let mut foreign = bench.birth(2, 2, 1);
    assert!(matches!(
        bench.ask(foreign.clone()).await.unwrap_err(),
        Conflict::KeyOfAnotherUnit { paused: false, .. }
    ));
    if let Action::Issue { subject: IssuanceSubject::Birth { traces, .. }, certificate } = &mut foreign.action
    {
        (*traces, certificate.key) = (nonce_of(1, 2), key(2));
    }
    assert!(matches!(bench.ask(foreign).await.unwrap_err(), Conflict::ProductNotInWorkOrder { .. }));
    let mut nameless = birth(&bench, 2, 2, nonce_of(1, 2));
    nameless.principal = Some(station("line-9"));
    assert_eq!(bench.ask(nameless).await.unwrap_err(), Conflict::NoSuchWorkOrder(WorkOrderId(1)));
    let operate = |action| bench.ask(bench.operate(action));
    operate(Action::PauseWorkOrder(WorkOrderId(1))).await.unwrap();
    assert_eq!(
        bench.ask(birth(&bench, 2, 2, nonce_of(1, 2))).await.unwrap_err(),
        Conflict::WorkOrderNotOpen { work_order: WorkOrderId(1), state: WorkOrderState::Paused }
    );
    assert_eq!(pause_entry(&bench).await, None);
    // Once the order is open again, the same copied key does pause it.
    operate(Action::ResumeWorkOrder(WorkOrderId(1))).await.unwrap();
    let refused = bench.ask(bench.birth(1, 2, 1)).await.unwrap_err();
    assert!(matches!(refused, Conflict::KeyOfAnotherUnit { paused: true, .. }));
}

#[tokio::test]
async fn a_unit_that_comes_again_with_its_own_request_or_key_is_no_repeat() {
    let bench = bench();
    order(&bench, |_| {}).await.unwrap();
    bench.done(bench.birth(1, 1, 1)).await;
    assert!(bench.done(bench.birth(1, 1, 1)).await.is_replay());
    // The same key, signed anew, under another request id.
    let mut anew = birth(&bench, 1, 1, nonce_of(5, 1));
    anew.request = Some(identity::RequestId::from([9; 16]));
    assert!(bench.done(anew).await.is_replay());
    // A rework with the key that it had is a mistake; with the random number that it had, its generator is
    // broken.
    bench.done(bench.operate(allow_rework(device(1)))).await;
    let refused = bench.ask(birth(&bench, 1, 2, nonce_of(1, 2))).await.unwrap_err();
    assert_eq!(refused, broken(1, 1, Clash::Nonce, true));
    resume(&bench).await.unwrap();
    bench.done(bench.birth(1, 1, 3)).await;
}

#[tokio::test]
async fn an_operator_pauses_a_product_and_resumes_the_pause_that_was_seen() {
    let bench = bench();
    let pause = || bench.operate(Action::PauseProduct(product()));
    let resume_at = |pause| bench.operate(Action::ResumeProduct { product: product(), pause });
    assert_eq!(bench.ask(pause()).await.unwrap_err(), Conflict::NoSuchProduct(product()));
    order(&bench, |_| {}).await.unwrap();
    let never = Conflict::ProductNotPaused { product: product(), pause: EntryNumber(1) };
    assert_eq!(bench.ask(resume_at(EntryNumber(1))).await.unwrap_err(), never);
    let first = bench.done(pause()).await.entry().number;
    assert_eq!(bench.done(pause()).await.entry().number, first);
    assert_eq!(bench.ask(bench.birth(1, 1, 1)).await.unwrap_err(), paused(&bench).await);
    let resumed = bench.done(resume_at(first)).await.entry().number;
    assert_eq!(bench.done(resume_at(first)).await.entry().number, resumed);
    bench.done(bench.birth(1, 1, 1)).await;
    // Meanwhile something was found: whoever saw only the first pause does not end this one.
    bench.ask(birth(&bench, 2, 2, nonce_of(1, 2))).await.unwrap_err();
    assert_eq!(bench.ask(resume_at(first)).await.unwrap_err(), paused(&bench).await);
    let record = bench.store.product(&product()).await.unwrap().unwrap();
    assert!(record.is_paused() && record.paused_by.unwrap().number > resumed);
    assert_eq!(bench.store.paused_products().len(), 1);
}

#[tokio::test]
async fn too_many_alarms_of_a_day_do_not_keep_a_pause_away() {
    let bench = bench();
    order(&bench, |_| {}).await.unwrap();
    order(&bench, |terms| terms.product = "cam-3".parse().unwrap()).await.unwrap();
    bench.done(bench.birth(1, 1, 1)).await;
    // Somebody makes up more duplicates than are recorded in a day, under an order that does not allow them.
    let before = bench.store.head();
    for from in (10..ledger::ALARMS_A_DAY_MAX as u64 + 600).step_by(500) {
        let claims = (from..from + 500).map(|serial| {
            let mut claim = bench.birth(2, serial, 1);
            claim.request = None;
            claim
        });
        bench.store.commit(claims.collect()).await.unwrap();
    }
    assert_eq!(bench.store.head(), EntryNumber(before.0 + ledger::ALARMS_A_DAY_MAX as u64));
    assert_eq!(pause_entry(&bench).await, None);
    bench.ask(birth(&bench, 2, 9_000, nonce_of(1, 9_000))).await.unwrap_err();
    assert!(pause_entry(&bench).await.is_some());
}

#[tokio::test]
async fn a_restart_and_a_second_process_remember_traces_and_pauses() {
    let log = Arc::new(MemoryLog::default());
    let one = Bench::over(log.clone(), 40);
    let open = || {
        let mut bench = Bench::over(log.clone(), 40);
        bench.drawn = Arc::clone(&one.drawn);
        bench
    };
    one.done(one.create_order(100)).await;
    one.done(one.birth(1, 1, 1)).await;
    // A rework is replayed in full, and its traces too.
    one.done(one.operate(allow_rework(device(1)))).await;
    one.done(one.birth(1, 1, 2)).await;
    let two = open();
    for (serial, other) in [(3, 1), (4, 2)] {
        let refused = two.ask(birth(&two, serial, serial + 10, nonce_of(other, serial + 10))).await;
        assert_eq!(refused.unwrap_err(), broken(serial, 1, Clash::Nonce, true));
        resume(&two).await.unwrap();
    }
    two.ask(birth(&two, 5, 15, nonce_of(1, 15))).await.unwrap_err();
    let seen = paused(&two).await;
    // The process that ran all the time, and one that starts now.
    assert_eq!(one.ask(one.birth(1, 6, 16)).await.unwrap_err(), seen);
    let three = open();
    assert_eq!(three.ask(three.birth(1, 6, 16)).await.unwrap_err(), seen);
    resume(&three).await.unwrap();
    one.done(one.birth(1, 6, 16)).await;
}

/// Random histories with few different traces. What must hold is counted from the entries alone: no two
/// units have a trace in common, and between a pause and its end nothing is issued.
#[tokio::test]
async fn random_histories_never_issue_a_trace_twice_or_during_a_pause() {
    let seed: u64 =
        std::env::var("TOUCHMARK_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_128);
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let (mut issued, mut pauses) = (0, 0);
    for _ in 0..60 {
        let bench = bench();
        order(&bench, |_| {}).await.unwrap();
        let (mut nonces, mut starts, mut lasts) = (HashSet::new(), HashSet::new(), HashSet::new());
        let mut known = HashMap::new();
        for _ in 0..60 {
            let (serial, key) = (random.random_range(1..40_u64), random.random_range(1..500_u64));
            let draw = |random: &mut StdRng| random.random_range(0..300_u64).to_be_bytes();
            let mut nonce = [0; 32];
            nonce[..8].copy_from_slice(&draw(&mut random));
            let key_ends = KeyEnds { start: draw(&mut random), end: draw(&mut random) };
            let shown = GeneratorTraces { nonce: Some(nonce), key_ends: Some(key_ends) };
            let was_paused = pause_entry(&bench).await.is_some();
            let verdict = bench.ask(birth(&bench, serial, key, shown)).await;
            if let Ok(recorded) = &verdict
                && !recorded.is_replay()
            {
                assert!(!was_paused);
                assert!(nonces.insert(nonce) && starts.insert(key_ends.start) && lasts.insert(key_ends.end));
                let certificate: &SignedCertificate = recorded.entry().event.certificate().unwrap();
                known.insert(certificate.key, serial);
                issued += 1;
            }
            if let Err(Conflict::BrokenGenerator { what, .. }) = &verdict {
                let repeats = match what {
                    Clash::Nonce => nonces.contains(&nonce),
                    Clash::KeyStart => starts.contains(&key_ends.start),
                    Clash::KeyEnd => lasts.contains(&key_ends.end),
                    _ => false,
                };
                assert!(repeats, "{what:?}");
            }
            if pause_entry(&bench).await.is_some() && random.random_range(0..3) == 0 {
                pauses += 1;
                resume(&bench).await.unwrap();
            }
        }
    }
    assert!(issued > 300 && pauses > 60, "{issued} issued, {pauses} pauses");
}

//! Several stores over one log, as several processes have them: each follows the end of the log and none
//! assumes that it alone writes.

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

use std::sync::Arc;
use std::time::Duration;

use cases::{Bench, device};
use identity::{Clock, RevocationReason, Role};
use ledger::{Action, CertificateStatus, Conflict, EntryNumber, WorkOrderId};
use ledger_log::Log;
use store::{
    ChangePosition, Fault, FaultyLog, Ledger as _, Listings as _, MemoryLog, Status as _, StoreError,
};

/// Two stores over one log, each with its own clock.
fn two() -> (Bench, Bench) {
    let log: Arc<dyn Log> = Arc::new(MemoryLog::default());
    let mut other = Bench::over(Arc::clone(&log), 11);
    let one = Bench::over(log, 40);
    // No serial number and no request id is drawn by both.
    other.drawn = Arc::clone(&one.drawn);
    (one, other)
}

async fn applied(bench: &Bench, entry: EntryNumber) {
    let mut head = bench.store.follow();
    let waited = tokio::time::timeout(Duration::from_secs(20), head.wait_for(|head| *head >= entry));
    waited.await.expect("the store does not follow").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_follows_what_another_records() {
    let (one, other) = two();
    let mut changes = other.store.status_changes();
    one.done(one.create_order(10)).await;
    let born = one.birth(1, 1, 1);
    let serial_number = one.done(born.clone()).await.released().unwrap().serial_number();
    applied(&other, one.store.head()).await;
    let status = other.store.certificate_status(&serial_number).await.unwrap();
    assert_eq!(status, Some(CertificateStatus::Issued));
    assert_eq!(other.store.devices(&Default::default(), None, 9).await.unwrap().rows.len(), 1);
    assert!(!changes.has_changed().unwrap(), "nothing was revoked");
    // The answer to a request is the same wherever it is asked again.
    assert!(other.done(born).await.is_replay());
    one.done(one.revoke(&[serial_number], RevocationReason::KeyCompromise)).await;
    tokio::time::timeout(Duration::from_secs(20), changes.changed()).await.unwrap().unwrap();
    assert_eq!(*changes.borrow(), one.store.head());
    let feed = other.store.revocation_changes(ChangePosition::behind(EntryNumber(0)), 9).await.unwrap();
    assert_eq!(feed.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_store_knows_the_other_decides_over() {
    let (one, other) = two();
    one.done(one.create_order(1)).await;
    one.done(one.birth(1, 1, 1)).await;
    // At once, whether it has followed or not.
    let refused = other.ask(other.birth(1, 2, 2)).await;
    assert!(matches!(refused, Err(Conflict::WorkOrderExhausted { .. })), "{refused:?}");
    let twice = other.ask(other.birth(1, 1, 9)).await;
    assert!(twice.is_err(), "{twice:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_stores_never_exceed_a_work_order() {
    let (one, other) = two();
    one.done(one.create_order(50)).await;
    let (one, other) = (Arc::new(one), Arc::new(other));
    let mut asking = Vec::new();
    for serial in 1..=100 {
        let bench = Arc::clone(if serial % 2 == 0 { &one } else { &other });
        asking.push(tokio::spawn(async move {
            let command = bench.birth(1, serial, serial);
            loop {
                match bench.store.commit(vec![command.clone()]).await {
                    Ok(verdicts) => return verdicts[0].is_ok(),
                    Err(StoreError::Busy) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }));
    }
    let mut born = 0;
    for asked in asking {
        born += usize::from(asked.await.unwrap());
    }
    assert_eq!(born, 50);
    let head = one.store.head().max(other.store.head());
    for bench in [&one, &other] {
        applied(bench, head).await;
        let order = bench.store.work_order(WorkOrderId(1)).await.unwrap().unwrap();
        assert_eq!(order.counts.issued, 50);
    }
    for number in 1..=head.0 {
        let number = EntryNumber(number);
        assert_eq!(
            one.store.entry_digest(number).await.unwrap().unwrap(),
            other.store.entry_digest(number).await.unwrap().unwrap()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_an_entry_never_goes_back_unless_an_operator_says_so() {
    let (one, other) = two();
    one.clock.set(one.clock.now() + Duration::from_secs(10));
    let first = one.done(one.create_order(9)).await.entry().at;
    let second = other.done(other.birth(1, 1, 1)).await.entry().at;
    assert_eq!(second, first, "the other clock is ten seconds behind");
    let before = first;
    let confirmed = other.done(other.operate(Action::ConfirmTime(before))).await.entry().at;
    assert_eq!(confirmed, other.clock.now());
    let third = other.done(other.birth(1, 2, 2)).await.entry().at;
    assert_eq!(third, confirmed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_answered_is_known_without_asking_again() {
    let bench = Bench::in_memory(40);
    bench.done(bench.create_order(9)).await;
    let command = bench.birth(1, 1, 1);
    let (principal, request) = (command.principal.clone().unwrap(), command.request.unwrap());
    let answered =
        async |content: [u8; 32]| bench.store.answered(&principal, &request, &content).await.unwrap();
    assert!(answered(command.content).await.is_none());
    let recorded = bench.done(command.clone()).await;
    let head = bench.store.head();
    let again = answered(command.content).await.unwrap().unwrap();
    assert_eq!((again.entry(), again.is_replay()), (recorded.entry(), true));
    assert!(matches!(answered([9; 32]).await, Some(Err(Conflict::RequestReused))));
    let other = identity::Principal::named(Role::Station, "line-4".parse().unwrap());
    assert!(bench.store.answered(&other, &request, &command.content).await.unwrap().is_none());
    assert_eq!((bench.store.head(), bench.store.metrics().conflicts), (head, 0), "asking changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_unknown_fate_is_found_out_before_the_next() {
    let log = Arc::new(FaultyLog::new(Arc::new(MemoryLog::default())));
    let bench = Bench::over(log.clone(), 40);
    bench.done(bench.create_order(9)).await;
    for (serial, fault, replayed) in
        [(1, Fault::Failed, false), (2, Fault::FailedButPersisted, true), (3, Fault::Full, false)]
    {
        log.fail_next(fault);
        let command = bench.birth(1, serial, serial);
        let failed = bench.store.commit(vec![command.clone()]).await.unwrap_err();
        assert!(matches!(failed, StoreError::Busy | StoreError::Full), "{failed}");
        assert_eq!(bench.done(command).await.is_replay(), replayed);
        assert!(bench.store.device(&device(serial)).await.unwrap().is_some());
    }
    assert_eq!(bench.store.work_order(WorkOrderId(1)).await.unwrap().unwrap().counts.issued, 3);
    assert!(!bench.store.metrics().stopped);
}

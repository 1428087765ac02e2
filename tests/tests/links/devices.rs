//! Devices that answer twice, late, or with what is not theirs: a line between the real agent and the station
//! makes them so.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use prost::bytes::Bytes;
use proto::v1::DeviceMessage;
use proto::v1::device_message::Response;

use crate::bench::Bench;
use crate::fixture::{Fixtures, WIRES};
use crate::line::{Tamper, piece};

/// The answers of a unit's session, in order.
pub(crate) const ANSWERS: [&str; 5] = ["hello", "key", "installed", "read-back", "locked"];

fn name(message: &DeviceMessage) -> &'static str {
    match message.response.as_ref().expect("an agent answers something") {
        Response::Hello(_) => "hello",
        Response::GenerateKey(_) => "key",
        Response::Install(_) => "installed",
        Response::ReadBack(_) => "read-back",
        Response::Lock(_) => "locked",
        Response::Fault(_) => "fault",
    }
}

/// Breaks the line once, where this answer would have passed.
pub(crate) fn broken_at(answer: &'static str) -> Tamper {
    let mut is_broken = false;
    Box::new(move |message, line| {
        if name(&message) == answer && !is_broken {
            is_broken = true;
            line.cut.notify_one();
            return Vec::new();
        }
        vec![piece(&message)]
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_answers_twice_is_heard_once() {
    each("", |bench, fixtures, what, config| async move {
        fixtures.lines[0].tamper(Box::new(|message, _| vec![piece(&message), piece(&message)]));
        bench.run(&fixtures.link, 1, 1, config).await.passed(1, &what);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_answers_late_is_asked_again_and_its_late_answers_do_no_harm() {
    each("answer-timeout-ms = 300", |bench, fixtures, what, config| async move {
        let mut last = 0;
        fixtures.lines[0].tamper(Box::new(move |message, _| {
            let is_first = std::mem::replace(&mut last, message.exchange) != message.exchange;
            let (_, frame) = piece(&message);
            vec![(if is_first { Duration::from_millis(700) } else { Duration::ZERO }, frame)]
        }));
        let run = bench.run(&fixtures.link, 1, 1, config).await;
        run.passed(1, &what);
        // A serial line gives the long ones more time.
        assert!(run.resent() >= 3, "{what}: {:#?}", run.units);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_with_another_exchange_number_are_ignored() {
    each("", |bench, fixtures, what, config| async move {
        let renumbered = |message: &DeviceMessage, by: u32| DeviceMessage {
            exchange: message.exchange.wrapping_add(by),
            ..message.clone()
        };
        fixtures.lines[0].tamper(Box::new(move |message, _| {
            let (before, after) = (renumbered(&message, u32::MAX), renumbered(&message, 1));
            vec![piece(&before), piece(&after), piece(&message)]
        }));
        bench.run(&fixtures.link, 1, 1, config).await.passed(1, &what);

        let fixtures = Fixtures::new(fixtures.wire, 1, bench.home.path()).await;
        fixtures.lines[0].tamper(Box::new(move |message, _| vec![piece(&renumbered(&message, 1))]));
        let run = bench.run(&fixtures.link, 1, 1, "answer-timeout-ms = 200\nsends-max = 3").await;
        assert_eq!(run.failed("timed-out", &what)["reason"], "no-answer", "{what}: {run:#?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_devices_request_or_certificate_makes_no_unit() {
    each("", |bench, fixtures, what, config| async move {
        let (request, certificate) = (Arc::<Mutex<Bytes>>::default(), Arc::<Mutex<Bytes>>::default());
        let kept = (Arc::clone(&request), Arc::clone(&certificate));
        fixtures.lines[0].tamper(Box::new(move |message, _| {
            match &message.response {
                Some(Response::GenerateKey(key)) => *kept.0.lock().unwrap() = key.csr.clone(),
                Some(Response::ReadBack(shown)) => *kept.1.lock().unwrap() = shown.certificate.clone(),
                _ => {}
            }
            vec![piece(&message)]
        }));
        bench.run(&fixtures.link, 1, 1, config).await.passed(1, &what);
        let (request, certificate) = (request.lock().unwrap().clone(), certificate.lock().unwrap().clone());

        let fixtures = Fixtures::new(fixtures.wire, 1, bench.home.path()).await;
        fixtures.lines[0].tamper(Box::new(move |mut message, _| {
            if let Some(Response::GenerateKey(key)) = &mut message.response {
                key.csr = request.clone();
            }
            vec![piece(&message)]
        }));
        let run = bench.run(&fixtures.link, 1, 1, config).await;
        assert_eq!(run.failed("refused", &what)["reason"], "KEY_ALREADY_USED", "{what}: {run:#?}");
        assert_eq!(run.counts.issued, 0, "{what}");
        // One key in two units is what a broken random generator looks like, too.
        bench.factory.resume_product("cam-2").await;

        let fixtures = Fixtures::new(fixtures.wire, 1, bench.home.path()).await;
        fixtures.lines[0].tamper(Box::new(move |mut message, _| {
            if let Some(Response::ReadBack(shown)) = &mut message.response {
                shown.certificate = certificate.clone();
            }
            vec![piece(&message)]
        }));
        let run = bench.run(&fixtures.link, 1, 1, config).await;
        run.failed("verification-failed", &what);
    })
    .await;
}

/// Tries a device at each driver.
async fn each<F: Future<Output = ()>>(
    config: &'static str,
    attempt: impl Fn(Arc<Bench>, Fixtures, String, &'static str) -> F,
) {
    let bench = Arc::new(Bench::open().await);
    for wire in WIRES {
        let fixtures = Fixtures::new(wire, 1, bench.home.path()).await;
        attempt(Arc::clone(&bench), fixtures, format!("{wire:?}"), config).await;
    }
}

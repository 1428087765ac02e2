//! Slots are independent: a fixture that hangs delays no other.

use std::path::PathBuf;
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::bench::{Bench, Run};
use crate::fixture::{Fixtures, WIRES, agent_on_pipes, ends_of, listeners};
use crate::line::{Tamper, clean, piece};

#[tokio::test(flavor = "multi_thread")]
async fn a_fixture_that_hangs_when_it_is_opened_delays_no_other() {
    let bench = Bench::open().await;
    let (link, mut listening, _tasks) = two_good_slots(&bench).await;
    // A server whose queue of connections is full does not answer any more.
    let dead = listening.pop().unwrap().local_addr().unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(dead).unwrap();
    let _full = socket.listen(1).unwrap();
    let mut waiting = Vec::new();
    while let Ok(connected) = timeout(Duration::from_millis(300), TcpStream::connect(dead)).await {
        waiting.push(connected.unwrap());
        assert!(waiting.len() < 16, "the queue is never full");
    }
    let run = bench.run(&link, 3, UNITS, "connect-timeout-ms = 3000").await;
    run.passed(UNITS as u64, "another slot makes the unit");
    the_others_did_not_wait(&run);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fixture_that_says_nothing_delays_no_other() {
    let bench = Bench::open().await;
    let (link, mut listening, mut tasks) = two_good_slots(&bench).await;
    let dead = listening.pop().unwrap();
    tasks.spawn(async move {
        let mut silent = Vec::new();
        loop {
            silent.push(dead.accept().await.unwrap());
        }
    });
    let run = bench.run(&link, 3, UNITS, "answer-timeout-ms = 2000\nsends-max = 4").await;
    assert_eq!((run.status, &run.summary["passed"]), (6, &(UNITS - 1).into()), "{run:#?}");
    let last = run.units.last().unwrap();
    assert_eq!((&last["cause"], &last["slot"]), (&"timed-out".into(), &3.into()), "{run:#?}");
    the_others_did_not_wait(&run);
}

/// The device takes nothing after its request: the certificate is sent until the line's buffers are full, and
/// then a write hangs.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_takes_nothing_more_ends_its_own_unit_only() {
    let bench = Bench::open().await;
    for wire in WIRES {
        let fixtures = Fixtures::new(wire, 2, bench.home.path()).await;
        fixtures.lines[1].tamper(stalled_behind_its_request());
        let config = "answer-timeout-ms = 300\nwrite-timeout-ms = 200\nsends-max = 20";
        let run = bench.run(&fixtures.link, 2, 2, config).await;
        let ends: Vec<_> = run.units.iter().map(|unit| (unit["slot"].as_u64(), &unit["cause"])).collect();
        let expected = [(Some(1), &"passed".into()), (Some(2), &"timed-out".into())];
        assert_eq!(ends, expected, "{wire:?}: {run:#?}");
        assert_eq!((run.counts.issued, run.counts.confirmed), (2, 1), "{wire:?}");
    }
}

fn stalled_behind_its_request() -> Tamper {
    use proto::v1::device_message::Response;
    Box::new(|message, line| {
        if matches!(message.response, Some(Response::GenerateKey(_))) {
            line.stall();
        }
        vec![piece(&message)]
    })
}

/// Slots 1 and 2 make one board after another. The listener of slot 3 is left.
async fn two_good_slots(bench: &Bench) -> (String, Vec<TcpListener>, JoinSet<()>) {
    let (port, mut all) = listeners(3).await;
    let rest = all.split_off(2);
    let mut tasks = JoinSet::new();
    for (at, listener) in all.into_iter().enumerate() {
        let home: PathBuf = bench.home.path().join(format!("boards-{}", at + 1));
        std::fs::create_dir(&home).unwrap();
        tasks.spawn(async move {
            for number in 0.. {
                let mut station = ends_of(listener.accept().await.unwrap().0);
                let (_agent, mut device) = agent_on_pipes(&home.join(number.to_string()));
                clean().relay(&mut station, &mut device).await;
            }
        });
    }
    (format!("tcp:127.0.0.{{slot}}:{port}"), rest, tasks)
}

/// All units but the last ended long before it, which waited for the dead fixture.
fn the_others_did_not_wait(run: &Run) {
    let at = |unit: usize| {
        let ended_at = run.units[unit]["ended_at"].as_str().unwrap();
        OffsetDateTime::parse(ended_at, &Rfc3339).unwrap()
    };
    let between = at(UNITS - 1) - at(UNITS - 2);
    eprintln!("{} units ended {between} before the one of the dead fixture", UNITS - 1);
    assert!(between > Duration::from_secs(3), "{between}: {run:#?}");
}

const UNITS: usize = 10;

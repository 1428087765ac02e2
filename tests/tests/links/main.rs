//! One suite for every way in which a station reaches devices: `exec:`, `tcp:` and `serial:`, each with real
//! stations, agents and a CA, over lines that are clean, noisy, cut, or full of garbage.
//!
//! Serial ports are pseudo-terminals: they have no speed, no adapter and no modem lines. What only real
//! adapters show is listed in docs/protocol.md.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test"
)]

mod bench;
mod devices;
mod fixture;
mod line;
mod ports;
mod pty;
mod slots;

use std::time::Instant;

use bench::Bench;
use fixture::{Fixtures, WIRES, Wire};
use rand::Rng;
use tests::{Program, Seed};

#[tokio::test(flavor = "multi_thread")]
async fn units_are_made_and_locked_over_every_driver() {
    let bench = Bench::open().await;
    for wire in WIRES {
        let mut fixtures = Fixtures::new(wire, 3, bench.home.path()).await;
        let run = bench.run(&fixtures.link, 3, 3, "").await;
        run.passed(3, &format!("{wire:?}"));
        assert_eq!(run.resent(), 0, "{wire:?}: {:#?}", run.units);
        fixtures.boards_are_done().await;
        for board in &fixtures.boards {
            let status = Program::Agent.command().args(["status", "--state"]).arg(board).output().unwrap();
            let said = String::from_utf8_lossy(&status.stdout).into_owned();
            assert!(
                said.contains("touchmark-agent enroll"),
                "{wire:?}: it is ready for its first boot: {said}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn units_are_made_over_lines_that_lose_double_change_and_invent_bytes_and_pause() {
    let bench = Bench::open().await;
    let seed = Seed::of_this_run();
    for (purpose, wire) in WIRES.into_iter().enumerate() {
        let fixtures = Fixtures::new(wire, 4, bench.home.path()).await;
        for (at, line) in fixtures.lines.iter().enumerate() {
            let mut random = seed.generator((10 * purpose + at) as u64);
            let mut greeting = vec![0; 2_000];
            random.fill_bytes(&mut greeting);
            line.greet([b"\r\nU-Boot 2026.01\r\nbooting".to_vec(), greeting].concat());
            line.disturb(random, 8_000);
        }
        let begun = Instant::now();
        let run = bench.run(&fixtures.link, 4, 4, NOISY).await;
        let (faults, resent) = (fixtures.faults(), run.resent());
        eprintln!(
            "{wire:?}: 4 units in {:.1?}, {faults} faults, {resent} requests sent again",
            begun.elapsed()
        );
        run.passed(4, &format!("{wire:?}"));
        assert!(faults > 0 && resent > 0, "{wire:?}: the line was disturbed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_megabytes_of_garbage_end_a_unit_or_are_passed_over_as_it_is_configured() {
    let bench = Bench::open().await;
    let seed = Seed::of_this_run();
    for wire in WIRES {
        let mut garbage = vec![0; GARBAGE_BYTES];
        seed.generator(1).fill_bytes(&mut garbage);
        let fixtures = Fixtures::new(wire, 1, bench.home.path()).await;
        fixtures.lines[0].greet(garbage.clone());
        let run = bench.run(&fixtures.link, 1, 1, "sends-max = 100").await;
        let unit = run.failed("timed-out", &format!("{wire:?}"));
        assert_eq!(run.status, 6, "{wire:?}: {run:#?}");
        assert!(unit["message"].as_str().unwrap().contains("speed of the line"), "{wire:?}: {unit}");
        assert_eq!(run.counts.issued, 0, "{wire:?}");

        let fixtures = Fixtures::new(wire, 1, bench.home.path()).await;
        fixtures.lines[0].greet(garbage.clone());
        fixtures.lines[0].greet_device(garbage);
        let begun = Instant::now();
        let run = bench.run(&fixtures.link, 1, 1, "sends-max = 100\nnoise-bytes-max = 20000000").await;
        eprintln!("{wire:?}: a unit behind 10 MB of garbage in each direction in {:.1?}", begun.elapsed());
        run.passed(1, &format!("{wire:?}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_breaks_at_any_answer_is_opened_again_and_the_unit_is_finished() {
    let bench = Bench::open().await;
    for wire in WIRES {
        for answer in devices::ANSWERS {
            let fixtures = Fixtures::new(wire, 1, bench.home.path()).await;
            let line = &fixtures.lines[0];
            line.tamper(devices::broken_at(answer));
            let run = bench.run(&fixtures.link, 1, 1, "answer-timeout-ms = 2000").await;
            run.passed(1, &format!("{wire:?} at {answer}"));
            let sessions = line.sessions.load(std::sync::atomic::Ordering::Relaxed);
            assert!(sessions >= 2, "{wire:?} at {answer}: {sessions} sessions");
            assert_eq!(run.said.contains("waits for its serial port"), wire == Wire::Serial, "{}", run.said);
        }
    }
}

/// Quick answers, and as many tries as a line needs that damages every second frame.
const NOISY: &str = "answer-timeout-ms = 400\nsends-max = 60";

const GARBAGE_BYTES: usize = 10_000_000;

//! The bench waits for people: real stations in pseudo-terminals, real agents as boards, a real CA.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

mod bench;
mod reserved;

use std::fs::File;
use std::io::Write;
use std::time::Duration;

use bench::{Bench, LONG, SOON};
use rand::Rng;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::Value;
use tests::{Operator, Process, Program, Seed, Terminal, json_lines};

#[tokio::test(flavor = "multi_thread")]
async fn one_unit_after_another_is_scanned_and_one_that_stays_in_is_not_branded_twice() {
    let bench = Bench::open(3).await;
    let mut station = bench.at_the_terminal(&["--slots", "1"]);
    station.shows(SOON, "scan the serial number");
    bench.insert(1, "A");
    station.type_in("SN01\r");
    station.shows(SOON, "slot 1 is for cam-2/SN01");
    bench.passed(1).await;

    // The finished board is still in when the next one is scanned.
    station.type_in("SN02\n");
    station.shows(SOON, "slot 1 is for cam-2/SN02");
    station.shows(SOON, "take cam-2/SN01 away");
    bench.exchange(1, "B");
    bench.passed(2).await;
    // An empty fixture waits; nothing fails.
    bench.take_away(1);
    station.type_in("SN03\r\n");
    station.shows(SOON, "insert cam-2/SN03");
    bench.insert(1, "C");
    // The order is for three units: the run ends by itself.
    assert_eq!(station.wait(SOON).code(), Some(0), "{}", station.shown());
    assert!(station.is_as_before(), "the terminal is set back");
    bench.counts(3, &["SN01 A", "SN02 B", "SN03 C"]).await;
    assert!(bench.printed().starts_with("3 passed, 0 failed in "), "{}", bench.printed());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_two_slots_a_scanned_slot_or_the_next_free_one_takes_the_unit() {
    let bench = Bench::open(9).await;
    let mut station = bench.at_the_terminal(&["--slots", "2", "--mode", "scan"]);
    bench.insert(2, "A");
    bench.insert(1, "B");
    station.type_in("SLOT-02\n");
    station.shows(SOON, "slot 2: scan the serial number of its unit");
    station.type_in("SN05\n");
    station.shows(SOON, "slot 2 is for cam-2/SN05");
    station.type_in("SN06\n");
    station.shows(SOON, "slot 1 is for cam-2/SN06");
    bench.passed(2).await;
    station.type_in("slot 7\n");
    station.shows(SOON, "there is no slot 7");
    station.type_in("\x04");
    assert_eq!(station.wait(SOON).code(), Some(0), "{}", station.shown());
    bench.counts(2, &["SN05 A", "SN06 B"]).await;
    let slots: Vec<(Value, Value)> =
        bench.results().iter().map(|unit| (unit["device"].clone(), unit["slot"].clone())).collect();
    assert!(
        slots.contains(&("cam-2/SN05".into(), 2.into())) && slots.contains(&("cam-2/SN06".into(), 1.into()))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_was_not_scanned_is_confirmed_where_the_line_wants_it() {
    let bench = Bench::open(9).await;
    bench.configure("confirm-slot = true\nslot-codes = [\"FIX-A\", \"FIX-B\"]\n");
    let mut station = bench.at_the_terminal(&["--slots", "2"]);
    station.shows(SOON, "scan the serial number");
    bench.insert(1, "A");
    bench.insert(2, "B");
    station.type_in("SN01\n");
    station.shows(SOON, "cam-2/SN01 goes to slot 1: press Enter");
    station.type_in("SN02\n");
    station.shows(SOON, "cam-2/SN02 was not taken");
    station.type_in("\n");
    station.shows(SOON, "slot 1 is for cam-2/SN01");
    station.type_in("FIX-B\n");
    station.shows(SOON, "slot 2: scan");
    station.type_in("SN03\n");
    station.shows(SOON, "slot 2 is for cam-2/SN03");
    bench.passed(2).await;
    station.type_in("\x04");
    assert_eq!(station.wait(SOON).code(), Some(0), "{}", station.shown());
    bench.counts(2, &["SN01 A", "SN03 B"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_with_the_prefix_of_operators_says_who_makes_the_units_from_then_on() {
    let bench = Bench::open(2).await;
    bench.configure("operator-prefix = \"OP:\"\n");
    let mut station = bench.at_the_terminal(&["--slots", "1", "--operator", "Ada"]);
    station.shows(SOON, "scan the serial number");
    bench.insert(1, "A");
    station.type_in("SN01\n");
    bench.passed(1).await;
    station.type_in("OP:Bob B.\n");
    station.shows(SOON, "Bob B. makes the units from now on");
    station.type_in("OP:\n");
    station.shows(SOON, "names no operator");
    station.type_in("SN02\n");
    station.shows(SOON, "take cam-2/SN01 away");
    bench.exchange(1, "B");
    assert_eq!(station.wait(SOON).code(), Some(0), "{}", station.shown());
    let report = bench.home.path().join("closing");
    let directory = report.display().to_string();
    Operator::of(&bench.authority).says(&[
        "work-order",
        "close",
        &bench.order,
        "--yes",
        "--report",
        &directory,
    ]);
    let report: Value =
        serde_json::from_str(&std::fs::read_to_string(report.join("report.json")).unwrap()).unwrap();
    let made = |unit: usize| report["units"][unit]["operator"].clone();
    assert_eq!((made(0), made(1)), ("Ada".into(), "Bob B.".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_that_cannot_be_used_is_told_at_once_and_begins_nothing() {
    let bench = Bench::open(9).await;
    let mut station = bench.at_the_terminal(&[]);
    bench.insert(1, "A");
    station.shows(SOON, "scan the serial number");
    for (scan, words) in [
        ("XX1\n", "the serial number is not in SN{01..50}"),
        ("SN_1\n", "is not a serial number"),
        ("SN\u{1d}01\n", "has characters that no serial number has"),
        ("SN0", "came without Enter"),
    ] {
        station.type_in(scan);
        station.shows(Duration::from_secs(15), words);
    }
    bench.counts(0, &[]).await;
    station.type_in("SN01\n");
    bench.passed(1).await;
    bench.exchange(1, "B");
    station.type_in("SN_1\nSN01\n");
    station.shows(SOON, "it has passed already");
    // A scan while no slot is free, and a correction by the slot's own code.
    bench.take_away(1);
    station.type_in("SN02\n");
    station.shows(SOON, "insert cam-2/SN02");
    station.type_in("SN03\n");
    station.shows(SOON, "cam-2/SN03 was not taken: no slot is free");
    station.type_in("SN02\n");
    station.shows(SOON, "cam-2/SN02 is for slot 1 already");
    station.type_in("slot 1\n");
    station.shows(SOON, "takes the place of cam-2/SN02");
    station.type_in("SN04\n");
    station.shows(SOON, "slot 1 is for cam-2/SN04");
    bench.insert(1, "B");
    bench.passed(2).await;
    station.type_in("\x04");
    assert_eq!(station.wait(SOON).code(), Some(0), "{}", station.shown());
    bench.counts(2, &["SN01 A", "SN04 B"]).await;
    let report = bench.report();
    assert!(!report.contains("SN02") && !report.contains("SN03"), "nothing was begun for them: {report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_that_is_unplugged_in_the_middle_is_finished_when_it_is_scanned_again() {
    let bench = Bench::open(9).await;
    let mut station = bench.at_the_terminal(&[]);
    station.shows(SOON, "scan the serial number");
    // The contacts open after some bytes of the certificate request; then the fixture is empty.
    std::fs::write(bench.fixtures().join("cut-1"), "400").unwrap();
    bench.insert(1, "A");
    station.type_in("SN01\n");
    station.shows(SOON, "FAILED");
    bench.insert(1, "A");
    station.type_in("SN01\n");
    bench.passed(1).await;
    station.type_in("\x04");
    assert_eq!(station.wait(SOON).code(), Some(0), "{}", station.shown());
    bench.counts(1, &["SN01 A"]).await;
    assert!(bench.printed().starts_with("1 passed, 0 failed in "), "{}", bench.printed());
    assert!(bench.report().contains("SN01 passed"), "{}", bench.report());
}

#[tokio::test(flavor = "multi_thread")]
async fn control_c_while_the_line_waits_ends_it_and_nothing_was_begun() {
    let bench = Bench::open(9).await;
    let mut station = bench.at_the_terminal(&["--slots", "2"]);
    station.shows(SOON, "scan the serial number");
    station.type_in("SN01\n");
    station.shows(SOON, "insert cam-2/SN01");
    station.type_in("\x03");
    assert_eq!(station.wait(SOON).code(), Some(1), "{}", station.shown());
    assert!(station.shown().contains("stopped by the operator"), "{}", station.shown());
    assert!(station.is_as_before(), "the terminal is set back");
    assert!(bench.printed().starts_with("0 passed, 0 failed in "), "{}", bench.printed());
    bench.counts(0, &[]).await;
    assert!(!bench.report().contains("SN01"), "{}", bench.report());
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_control_characters_begin_nothing_and_the_next_scan_works() {
    let bench = Bench::open(9).await;
    let mut station = bench.at_the_terminal(&[]);
    station.shows(SOON, "scan the serial number");
    bench.insert(1, "A");
    let mut noise = vec![0; 10_000];
    Seed::of_this_run().generator(1).fill_bytes(&mut noise);
    noise.iter_mut().for_each(|byte| *byte &= 0x1f);
    station.type_in(&noise);
    station.shows(SOON, "characters");
    // In the second of the noise a scan is dropped, as the operator is told, and a station without CPU reads
    // the noise for long: people scan again.
    station.type_in("\n");
    let taken = (0..20).any(|_| {
        station.type_in("SN01\n");
        station.shows_within(Duration::from_secs(3), "slot 1 is for cam-2/SN01")
    });
    assert!(taken, "{}", station.shown());
    bench.passed(1).await;
    // Ctrl-D too means nothing within a second behind noise.
    std::thread::sleep(Duration::from_millis(1_200));
    station.type_in("\x04");
    assert_eq!(station.wait(SOON).code(), Some(0), "{}", station.shown());
    bench.counts(1, &["SN01 A"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_from_a_fifo_is_made_row_by_row_and_a_mistake_costs_its_row() {
    let bench = Bench::open(9).await;
    let fifo = bench.home.path().join("list");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let agent = Program::Agent.path();
    let state = bench.home.path().join("devices/{serial}");
    let link = format!("exec:'{}' factory --state '{}' --stdio", agent.display(), state.display());
    let mut command = bench.station.command("provision");
    command.args(["--work-order", &bench.order, "--json", "--slots", "3", "--link", &link, "--serials"]);
    command.arg(&fifo).stdout(bench.stdout()).stderr(bench.stderr());
    let mut station = Process::start(&mut command);
    let mut list = File::options().write(true).open(&fifo).unwrap();
    for (row, passed) in
        [("serial;slot\nSN01;\n", 1), ("SN02;3\n", 2), ("SN02;1\nSN_3;\nXX9;\nSN04;4\n", 2), ("SN05;2\n", 3)]
    {
        list.write_all(row.as_bytes()).unwrap();
        bench.confirmed(passed).await;
        assert!(station.wait(Duration::from_millis(300)).is_none(), "the list is not at its end");
    }
    drop(list);
    assert_eq!(station.wait(SOON).unwrap().code(), Some(6), "{}", bench.said());
    let results = json_lines(&bench.printed());
    let summary = &results.last().unwrap()["summary"];
    assert_eq!((&summary["passed"], &summary["list_mistakes"]), (&3.into(), &4.into()), "{summary}");
    let slot = |serial: &str| {
        let device = format!("cam-2/{serial}");
        results.iter().find(|unit| unit["device"] == device.as_str()).unwrap()["slot"].clone()
    };
    assert_eq!((slot("SN01"), slot("SN02"), slot("SN05")), (1.into(), 3.into(), 2.into()));
    for words in [
        "line 4: SN02 is in line 3 already",
        "line 5: ",
        "line 6: the serial number is not in",
        "line 7: \"4\" is not a slot",
    ] {
        assert!(bench.said().contains(words), "{words}: {}", bench.said());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn units_that_name_themselves_are_made_as_they_are_inserted() {
    let bench = Bench::open(2).await;
    let own = |board: &str, product: &str, serial: &str| {
        std::fs::write(
            bench.fixtures().join(format!("{board}.own")),
            format!("--product {product} --serial {serial}"),
        )
        .unwrap();
    };
    own("A", "cam-2", "SN07");
    own("B", "cam-9", "SN08");
    own("C", "cam-2", "XX1");
    own("D", "cam-2", "SN09");
    let mut station = bench.at_the_terminal(&["--mode", "device"]);
    station.shows(SOON, "insert a unit");
    bench.insert(1, "A");
    bench.passed(1).await;
    station.shows(SOON, "take cam-2/SN07 away");
    // Another product, a serial number outside of the order, no serial number: each failed, with its reason.
    for (board, words) in [
        ("B", "cam-9/SN08, and this order is for product cam-2"),
        ("C", "SERIAL_NOT_IN_WORK_ORDER"),
        ("blank", "has no serial number of its own"),
    ] {
        bench.exchange(1, board);
        station.shows(SOON, words);
    }
    // The first one again: it is known and not made again.
    bench.exchange(1, "A");
    station.shows(SOON, "it has passed already");
    bench.exchange(1, "D");
    assert_eq!(station.wait(SOON).code(), Some(6), "{}", station.shown());
    bench.counts(2, &["SN07 A", "SN09 D"]).await;
    let failed: Vec<Value> = bench
        .results()
        .iter()
        .filter(|unit| unit["outcome"] == "failed")
        .map(|unit| unit["reason"].clone())
        .collect();
    assert_eq!(failed, ["another-product", "SERIAL_NOT_IN_WORK_ORDER", "no-serial-number"]);
    assert_eq!(bench.results()[3]["device"], "cam-2/");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_failure_three_times_pauses_the_line_until_enter_and_ends_it_without_a_terminal() {
    let bench = Bench::open(9).await;
    let link = format!("exec:sh '{}' {{serial}}", bench.worn_out().display());
    let mut command = bench.station.command("provision");
    command.args(["--work-order", &bench.order, "--mode", "list", "--json", "--link", &link]);
    let mut station = Terminal::start(&command, bench.stdout());
    station
        .shows(LONG, "the line is paused: the last 3 units in a row failed with the same reason, link-lost");
    std::fs::write(bench.fixtures().join("mended"), "").unwrap();
    station.type_in("\r");
    station.shows(SOON, "the line goes on");
    assert_eq!(station.wait(LONG).code(), Some(6), "{}", station.shown());
    let summary = json_lines(&bench.printed()).pop().unwrap()["summary"].clone();
    assert_eq!((&summary["passed"], &summary["failed"]), (&6.into(), &3.into()), "{summary}");

    std::fs::remove_file(bench.fixtures().join("mended")).unwrap();
    let order = bench.another_order("T{01..50}").await;
    let mut command = bench.station.command("provision");
    command.args(["--work-order", &order, "--json", "--link", &link]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let results = json_lines(&String::from_utf8_lossy(&output.stdout));
    assert_eq!((results.len(), &results[3]["summary"]["stopped"]["reason"]), (4, &"SAME_FAILURE".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_unit_can_have_caused_stops_a_waiting_line_at_once() {
    let bench = Bench::open(9).await;
    for (link, words) in [
        ("exec:/nonexistent/fixture {slot}", "cannot start /nonexistent/fixture"),
        ("exec:cat", "the line echoes"),
        ("tcp:no-such-host.invalid:70{slot:02}", "cannot be resolved"),
    ] {
        let mut command = bench.station.command("provision");
        command.args(["--work-order", &bench.order, "--mode", "device", "--slots", "2", "--link", link]);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{link}: {said}");
        assert!(said.contains(words) && said.contains("check --link"), "{link}: {said}");
    }
    // A refused connection is an empty fixture.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = bench.station.command("provision");
    command
        .args(["--work-order", &bench.order, "--mode", "device"])
        .arg(format!("--link=tcp:127.0.0.1:{port}"));
    let mut station = Terminal::start(&command, bench.stdout());
    station.shows(SOON, "insert a unit");
    station.type_in("\x03");
    assert_eq!(station.wait(SOON).code(), Some(1), "{}", station.shown());
    bench.counts(0, &[]).await;
}

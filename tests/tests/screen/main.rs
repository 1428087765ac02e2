//! The operator's screen: the real station in a terminal of a certain size, and what is to be seen there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

mod bench;
mod recorded;

use std::time::Duration;

use bench::Bench;
use recorded::is_as_recorded;
use tests::{Terminal, eventually};
use vt100::Color;

#[tokio::test(flavor = "multi_thread")]
async fn pass_and_fail_are_large_words_in_colour_that_stay_until_the_unit_is_taken_away() {
    let bench = Bench::open(9).await;
    bench.board("A", "cam-2", "SN07");
    bench.board("B", "cam-9", "SN08");
    bench.insert(1, "A");
    bench.insert(2, "B");
    let mut station = bench.at_the_screen(&["--mode", "device", "--slots", "3"], (24, 80));
    let both = |seen: &str| seen.contains("take cam-2/SN07") && seen.contains("take cam-9/SN08");
    // So many fixtures were looked at, and are empty.
    let empty = |seen: &str| seen.matches("nothing)").count();
    let picture =
        station.pictures(SOON, |seen| both(seen) && seen.contains("CA: answers") && empty(seen) == 1);
    is_as_recorded("three-slots", &picture);
    assert_eq!(station.background("take cam-2/SN07").0, Color::Idx(2), "PASS is green");
    assert_eq!(station.background("an").0, Color::Default);
    assert_eq!(station.background("take cam-9/SN08").0, Color::Idx(1), "FAIL is red");
    bench.take_away(1);
    let picture = station.pictures(SOON, |seen| seen.contains("before: PASS SN07"));
    assert!(picture.contains("insert a unit"), "{picture}");
    // The window becomes larger and smaller.
    station.resize(40, 120);
    let has_keys = |seen: &str| seen.lines().last().is_some_and(|line| line.contains("^Q quit"));
    let picture = station.pictures(SOON, |seen| has_keys(seen) && empty(seen) == 2);
    is_as_recorded("three-slots-120x40", &picture);
    station.resize(12, 60);
    let small = station.pictures(SOON, |seen| seen.contains("make the window larger"));
    assert!(small.contains("passed 1 of 9") && small.contains("failed 1"), "{small}");
    station.resize(24, 80);
    station.pictures(SOON, |seen| seen.contains("^Q quit"));
    bench.ends(&mut station);
    // What was said is printed.
    station.pictures(SOON, |seen| seen.contains("cam-9/SN08 FAILED"));
    assert!(bench.printed().starts_with("1 passed, 1 failed in "), "{}", bench.printed());
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_slots_have_pages_and_a_failure_on_another_page_is_told() {
    let bench = Bench::open(50).await;
    std::fs::write(bench.fixtures().join("silent"), "").unwrap();
    bench.board("B", "cam-9", "SN08");
    bench.insert(17, "B");
    let mut station = bench.at_the_screen(&["--mode", "device", "--slots", "40"], (24, 80));
    let all = |seen: &str| seen.matches("insert a unit").count() == 12;
    let picture = station.pictures(SOON, |seen| all(seen) && seen.contains("FAIL on other pages: slot 17"));
    is_as_recorded("forty-slots-page-1", &picture);
    station.type_in("\x1b[6~");
    let second = |seen: &str| seen.contains("slots 13 to 24 of 40, page 2 of 4") && seen.contains("F A I L");
    let picture = station.pictures(SOON, |seen| second(seen) && seen.matches("insert a unit").count() == 11);
    is_as_recorded("forty-slots-page-2", &picture);
    assert_eq!(station.background("F A I L").0, Color::Idx(1), "FAIL is red");
    // Arrows select slots, in escape sequences that a slow line has cut; up leads back to the first page.
    for bytes in ["\x1b", "[", "A"] {
        station.type_in(bytes);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    station.pictures(SOON, |seen| seen.contains("page 1 of 4") && seen.contains("retry slot 9"));
    station.type_in("\x1b[6~\x1b[6~\x1b[6~\x1b[6~");
    station.pictures(SOON, |seen| seen.contains("page 4 of 4") && seen.contains("retry slot 40"));
    bench.ends(&mut station);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_pauses_retries_scraps_and_quits_while_a_scanner_goes_on() {
    let bench = Bench::open(9).await;
    let mut station = bench.at_the_screen(&["--mode", "scan", "--slots", "2"], (24, 80));
    station.pictures(SOON, |seen| seen.contains("scan the serial"));
    station.type_in("\x10");
    let picture = station.pictures(SOON, |seen| seen.contains("PAUSED: no units are begun"));
    is_as_recorded("paused", &picture);
    station.type_in("SN01\r");
    station.pictures(SOON, |seen| seen.contains("slot 1 is for cam-2/SN01") && seen.contains("PAUSED"));
    station.type_in("\x10");
    station.pictures(SOON, |seen| seen.contains("insert cam-2/SN01") && !seen.contains("PAUSED"));
    std::fs::write(bench.fixtures().join("cut-1"), "400").unwrap();
    bench.insert(1, "A");
    // The contacts open once; the same board is tried again.
    let failed =
        station.pictures(SOON, |seen| seen.contains("slot 1 OPEN SN01") || seen.contains("slot 1 FAIL SN01"));
    assert!(failed.contains("to do: look at the cable and the contacts, then retry"), "{failed}");
    bench.insert(1, "A");
    station.type_in("\x12");
    eventually(SOON, "the unit passes", async || {
        bench.results().iter().any(|unit| unit["outcome"] == "passed").then_some(())
    })
    .await;
    station.pictures(SOON, |seen| seen.contains("passed 1 of 9"));
    // Scrapping asks for the serial number; another scan keeps the unit, and begins nothing.
    station.type_in("\x18");
    station.pictures(SOON, |seen| seen.contains("SCRAP slot 1 for ever? Scan or type SN01 and Enter"));
    station.type_in("SN02\r");
    station.pictures(SOON, |seen| seen.contains("cam-2/SN01 was not scrapped") && seen.contains("^X scrap"));
    assert_eq!(bench.factory.counts(&bench.order).await.scrapped, 0);
    station.type_in("\x18");
    station.pictures(SOON, |seen| seen.contains("SCRAP slot 1 for ever?"));
    station.type_in("SN01\r");
    station.pictures(SOON, |seen| seen.contains("cam-2/SN01 is scrapped"));
    assert_eq!(bench.factory.counts(&bench.order).await.scrapped, 1);
    // Quit asks too.
    station.type_in("\x11");
    station.pictures(SOON, |seen| seen.contains("END THE RUN?"));
    station.type_in("\r");
    station.pictures(SOON, |seen| !seen.contains("END THE RUN?") && seen.contains("^Q quit"));
    station.type_in("\x11");
    station.pictures(SOON, |seen| seen.contains("END THE RUN?"));
    station.type_in("\x11");
    assert_eq!(station.wait(SOON).code(), Some(1), "{}", station.shown());
    station.is_given_back(SOON);
    for said in ["slot 1 is for cam-2/SN01", "cam-2/SN01 is scrapped", "stopping: units on the bench"] {
        station.pictures(SOON, |seen| seen.contains(said));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_control_c_aborts_a_unit_that_hangs_while_people_scan() {
    let bench = Bench::open(9).await;
    bench.configure("sends-max = 100\n");
    std::fs::write(bench.fixtures().join("hang-1"), "").unwrap();
    bench.insert(1, "A");
    let mut station = bench.at_the_screen(&["--mode", "scan"], (24, 80));
    station.pictures(SOON, |seen| seen.contains("scan the serial"));
    station.type_in("SN01\r");
    station.pictures(SOON, |seen| seen.contains("saying hello"));
    station.type_in("\x03");
    station.pictures(SOON, |seen| seen.contains("STOPPING: no units are begun"));
    station.type_in("\x03");
    assert_eq!(station.wait(SOON).code(), Some(1), "{}", station.shown());
    station.is_given_back(SOON);
    station.pictures(SOON, |seen| seen.contains("aborting the units on the bench"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_for_it_the_run_is_shown_in_plain_lines_that_say_why() {
    let bench = Bench::open(9).await;
    bench.insert(1, "A");
    let mut command = bench.command(&["--mode", "list", "--limit", "1", "--screen"]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("no screen is shown, because standard error is no terminal"), "{said}");
    assert!(said.contains("1/1 cam-2/SN") && !said.contains('\x1b'), "{said}");
    for (term, size, why) in [
        ("dumb", (24, 80), "TERM is \"dumb\""),
        ("xterm", (23, 80), "the terminal has 80x23 characters, and 80x24 are needed"),
    ] {
        let mut command = bench.command(&["--mode", "scan", "--screen"]);
        let mut station = Terminal::sized(command.env("TERM", term), bench.stdout(), size);
        station.shows(SOON, why);
        station.shows(SOON, "scan the serial number");
        assert!(!station.is_taken().0, "{term}");
        station.type_in("\x03");
        assert_eq!(station.wait(SOON).code(), Some(1), "{}", station.shown());
    }
    // The configuration can want the screen, and the command line can refuse it.
    bench.configure("screen = true\n");
    let command = bench.command(&["--mode", "scan"]);
    let mut station = Terminal::sized(&command, bench.stdout(), (24, 80));
    station.pictures(SOON, |seen| seen.contains("^Q quit"));
    bench.ends(&mut station);
    let command = bench.command(&["--mode", "scan", "--plain"]);
    let mut station = Terminal::sized(&command, bench.stdout(), (24, 80));
    station.shows(SOON, "scan the serial number");
    assert!(!station.is_taken().0);
    station.type_in("\x03");
    station.wait(SOON);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_colours_fail_is_still_a_word_that_stands_out() {
    let bench = Bench::open(9).await;
    bench.board("B", "cam-9", "SN08");
    bench.insert(1, "B");
    let mut command = bench.command(&["--mode", "device", "--slots", "12", "--screen"]);
    let mut station = Terminal::sized(command.env("NO_COLOR", "1"), bench.stdout(), (24, 80));
    station.pictures(SOON, |seen| seen.contains("F A I L"));
    assert_eq!(station.background("F A I L"), (Color::Default, true));
    bench.ends(&mut station);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_takes_nothing_delays_no_unit_and_a_signal_sets_it_back() {
    let bench = Bench::open(9).await;
    let mut station = bench.at_the_screen(&["--mode", "device", "--slots", "3"], (24, 80));
    station.pictures(SOON, |seen| seen.matches("insert a unit").count() == 3);
    station.stall(true);
    for (slot, serial) in ["SN01", "SN02", "SN03"].into_iter().enumerate() {
        bench.board(serial, "cam-2", serial);
        bench.insert(slot + 1, serial);
        eventually(SOON, "the unit passes", async || (bench.results().len() > slot).then_some(())).await;
    }
    station.stall(false);
    station.pictures(SOON, |seen| seen.contains("passed 3 of 9"));
    station.process().signal_term();
    assert_eq!(station.wait(SOON).code(), Some(1), "{}", station.shown());
    station.is_given_back(SOON);
}

const SOON: Duration = Duration::from_secs(60);

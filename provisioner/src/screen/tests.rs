//! Events in, cells out.

use std::time::{Duration, SystemTime};

use ratatui::layout::Rect;
use tokio::time::Instant;

use super::draw::draw;
use super::palette::Palette;
use super::{Key, View};
use crate::line::{LineEvent, Request, Wait};
use crate::report::{UnitOutcome, UnitReport};
use crate::session::Outcome;

fn view(slots: usize) -> (View, Instant) {
    let now = Instant::now();
    (View::new("wo-000001".to_owned(), "cam-2".to_owned(), slots, Some(50), now).with_keys(true), now)
}

fn ended(slot: usize, serial: &str, outcome: UnitOutcome) -> LineEvent {
    let how =
        if outcome == UnitOutcome::Passed { Outcome::Passed } else { Outcome::LinkLost("EOF".to_owned()) };
    let report = UnitReport::not_begun(format!("cam-2/{serial}"), slot, SystemTime::UNIX_EPOCH, &how);
    LineEvent::Ended(Box::new(UnitReport { outcome, ..report }))
}

fn begun(slot: usize, serial: &str) -> LineEvent {
    LineEvent::Begun { slot, device: format!("cam-2/{serial}").parse().unwrap() }
}

fn waits(slot: usize, what: &str, wait: Wait) -> LineEvent {
    LineEvent::Waiting { slot, what: what.to_owned(), wait }
}

fn lines(view: &mut View, width: u16, height: u16, now: Instant) -> Vec<String> {
    let buffer = draw(view, Rect { x: 0, y: 0, width, height }, Palette { has_colours: true }, now);
    let rows = buffer.content().chunks(usize::from(width.max(1)));
    rows.map(|row| row.iter().map(|cell| cell.symbol()).collect()).collect()
}

fn text(view: &mut View, now: Instant) -> String {
    lines(view, 80, 24, now).join("\n")
}

#[test]
fn a_verdict_stays_until_the_unit_is_taken_away_or_the_next_one_comes() {
    let (mut view, now) = view(12);
    view.take(&begun(1, "SN1"), now);
    view.take(&ended(1, "SN1", UnitOutcome::Passed), now);
    view.take(&waits(1, "take cam-2/SN1 away", Wait::Next), now);
    let seen = text(&mut view, now);
    assert!(seen.contains("P A S S") && seen.contains("take cam-2/SN1"), "{seen}");
    view.take(&waits(1, "insert a unit", Wait::Unit), now);
    let seen = text(&mut view, now);
    assert!(!seen.contains("P A S S") && seen.contains("before: PASS SN1"), "{seen}");
    view.take(&begun(1, "SN2"), now);
    view.take(&LineEvent::Step { slot: 1, doing: "making its key" }, now);
    let seen = text(&mut view, now + Duration::from_secs(7));
    assert!(seen.contains("making its key") && seen.contains("7 s") && seen.contains("SN2"), "{seen}");
    view.take(&ended(1, "SN2", UnitOutcome::Failed), now);
    let seen = text(&mut view, now);
    assert!(seen.contains("F A I L") && seen.contains("to do: look at the cable"), "{seen}");
    assert!(seen.contains("failed: 1 link-lost link-closed") && seen.contains("yield 50.0 %"), "{seen}");
}

#[test]
fn a_ca_that_does_not_answer_is_told_and_so_is_its_answer() {
    let (mut view, now) = view(3);
    let device = "cam-2/SN1".parse().unwrap();
    view.take(&begun(1, "SN1"), now);
    view.take(&LineEvent::AskedCa { slot: 1, device, waiting: true }, now);
    assert!(!text(&mut view, now + Duration::from_secs(1)).contains("NO ANSWER"));
    assert!(text(&mut view, now + Duration::from_secs(9)).contains("CA: NO ANSWER for 9 s"));
    let device = "cam-2/SN1".parse().unwrap();
    view.take(&LineEvent::AskedCa { slot: 1, device, waiting: false }, now);
    assert!(text(&mut view, now + Duration::from_secs(9)).contains("CA: answers"));
}

#[test]
fn arrows_and_pages_select_slots_and_keys_ask_for_the_selected_one() {
    let (mut view, now) = view(40);
    lines(&mut view, 80, 24, now);
    assert_eq!(view.press(Key::Retry), Some(Request::Retry(1)));
    for (key, slot) in [
        (Key::Up, 1),
        (Key::Right, 2),
        (Key::Down, 6),
        (Key::PageDown, 18),
        (Key::Left, 17),
        (Key::PageUp, 5),
        (Key::PageUp, 1),
    ] {
        assert_eq!(view.press(key), None);
        assert_eq!(view.press(Key::Scrap), Some(Request::Scrap(slot)), "{key:?}");
        lines(&mut view, 80, 24, now);
    }
    view.take(&ended(40, "SN9", UnitOutcome::Failed), now);
    let seen = text(&mut view, now);
    assert!(seen.contains("FAIL on other pages: slot 40"), "{seen}");
}

#[test]
fn a_line_of_the_log_is_shown_without_its_colours() {
    let (mut view, now) = view(1);
    view.say("\u{1b}[33m WARN\u{1b}[0m the CA cannot answer\n".to_owned(), "");
    assert!(text(&mut view, now).contains("\n WARN the CA cannot answer "), "{}", text(&mut view, now));
}

#[test]
fn every_size_of_a_window_can_be_drawn_and_messages_with_control_characters_too() {
    let (mut view, now) = view(64);
    for slot in 1..=64 {
        view.take(&ended(slot, &"X".repeat(64), UnitOutcome::Failed), now);
        view.say(format!("\u{1b}[31mslot {slot}\r\n\t\u{7} ä \u{1f600}"), "");
    }
    for (width, height) in
        [(0, 0), (1, 1), (39, 13), (40, 14), (80, 24), (81, 25), (500, 200), (40, 500), (500, 14)]
    {
        let seen = lines(&mut view, width, height, now);
        assert!(seen.iter().all(|line| !line.contains(char::is_control)), "{width}x{height}");
    }
}

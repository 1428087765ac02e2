//! Draws the state of a run into cells. No terminal.

use std::fmt::Write;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Paragraph, Widget, Wrap};
use tokio::time::Instant;

use super::grid::Grid;
use super::palette::Palette;
use super::panel::{Panel, clock};
use super::view::{Verdict, View};

/// The screen at `now`. Also tells the view how its panels are arranged, for the arrow keys.
pub(super) fn draw(view: &mut View, area: Rect, palette: Palette, now: Instant) -> Buffer {
    let mut buffer = Buffer::empty(area);
    if area.width < WIDTH_MIN || area.height < HEIGHT_MIN {
        let words = format!("make the window larger: 80x24 are needed. {}", totals(view));
        Paragraph::new(words).wrap(Wrap { trim: true }).render(area, &mut buffer);
        return buffer;
    }
    let row = |y: u16| Rect { y: area.y.saturating_add(y), height: 1, ..area };
    line(&header(view, now), palette.bar(), row(0), &mut buffer);
    let (state, is_urgent) = state(view, now);
    line(&state, if is_urgent { palette.call() } else { Style::new() }, row(1), &mut buffer);
    let bench = Rect { y: area.y.saturating_add(2), height: area.height.saturating_sub(2 + BELOW), ..area };
    let grid = Grid::new(view.slots.len(), bench);
    let page = grid.page_of(view.selected);
    view.steps = (grid.columns, grid.on_page(page).len().max(1));
    for (place, index) in grid.on_page(page).enumerate() {
        let Some(slot) = view.slots.get(index) else { continue };
        let is_selected = view.has_keys && view.slots.len() > 1 && index == view.selected;
        let panel = Panel { number: index + 1, slot, is_selected, palette, now };
        panel.render(grid.panel(place, bench), &mut buffer);
    }
    let below = bench.bottom().saturating_sub(area.y);
    let elsewhere = elsewhere(view, grid, page);
    line(
        &elsewhere,
        if elsewhere.contains("FAIL") { palette.call() } else { palette.bar() },
        row(below),
        &mut buffer,
    );
    let messages = Rect { y: bench.bottom().saturating_add(1), height: BELOW.saturating_sub(2), ..area };
    self::messages(view, palette, messages, &mut buffer);
    let last = area.height.saturating_sub(1);
    match &view.question {
        Some(question) => line(question, palette.call(), row(last), &mut buffer),
        None => line(&keys(view), palette.bar(), row(last), &mut buffer),
    }
    buffer
}

/// A line over the whole width.
fn line(text: &str, style: Style, area: Rect, buffer: &mut Buffer) {
    buffer.set_style(area, style);
    buffer.set_stringn(area.x, area.y, text, usize::from(area.width), style);
}

fn header(view: &View, now: Instant) -> String {
    let mut text = format!(" {}  {}   {}", view.work_order, view.product, totals(view));
    if let Some(good) = view.yield_per_mille() {
        write!(text, "   yield {}.{} %", good / 10, good % 10).ok();
    }
    if let Some(rate) = view.per_hour(now) {
        write!(text, "   {rate}/h").ok();
    }
    text
}

fn totals(view: &View) -> String {
    let mut text = format!("passed {}", view.counts.passed);
    if let Some(total) = view.total {
        write!(text, " of {total}").ok();
    }
    write!(text, "   failed {}", view.failed()).ok();
    if view.counts.deferred > 0 {
        write!(text, "   certificate deferred {}", view.counts.deferred).ok();
    }
    if view.counts.unfinished() > 0 {
        write!(text, "   open {}", view.counts.unfinished()).ok();
    }
    text
}

/// The line below the header: what holds the line up, or else the CA and the failures by kind.
fn state(view: &View, now: Instant) -> (String, bool) {
    let waits = view.asked().map(|since| now.duration_since(since)).filter(|waits| waits.as_secs() >= SLOW_S);
    let ca = match (&view.ca, waits) {
        _ if view.is_away => "CA: AWAY, reserved units are made".to_owned(),
        (Some(why), _) => format!("CA: CANNOT ANSWER: {why}"),
        (None, Some(waits)) => format!("CA: NO ANSWER for {}", clock(waits)),
        (None, None) if view.answered.is_some() => "CA: answers".to_owned(),
        (None, None) => "CA: not asked yet".to_owned(),
    };
    let is_late = view.is_away || view.ca.is_some() || waits.is_some();
    let mut text = String::from(" ");
    if view.is_stopping {
        text.push_str("STOPPING: no units are begun   ");
    } else if view.is_paused {
        text.push_str("PAUSED: no units are begun   ");
    }
    text.push_str(&ca);
    if let Some((units, until)) = view.reserved {
        write!(text, "   reserved: {units} for {}", clock(until.saturating_duration_since(now))).ok();
    }
    let mut kinds: Vec<(&String, &u64)> = view.counts.failures.iter().collect();
    kinds.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    for (index, (cause, count)) in kinds.into_iter().enumerate() {
        write!(text, "{}{count} {cause}", if index == 0 { "   failed: " } else { ", " }).ok();
    }
    (text, is_late || view.is_paused || view.is_stopping)
}

/// The line below the panels: the page, and failures on other pages.
fn elsewhere(view: &View, grid: Grid, page: usize) -> String {
    if grid.pages() == 1 {
        return " last messages".to_owned();
    }
    let here = grid.on_page(page);
    let (first, last) = (here.start + 1, here.end);
    let mut text =
        format!(" slots {first} to {last} of {}, page {} of {}", view.slots.len(), page + 1, grid.pages());
    let failed: Vec<String> = view
        .with_verdict(Verdict::Fail)
        .filter(|slot| !here.contains(slot))
        .map(|slot| (slot + 1).to_string())
        .collect();
    if !failed.is_empty() {
        write!(text, "   FAIL on other pages: slot {}", failed.join(", ")).ok();
    }
    text
}

/// The last messages, the newest first.
fn messages(view: &View, palette: Palette, area: Rect, buffer: &mut Buffer) {
    let mut text = Text::default();
    for (index, message) in view.messages.iter().take(usize::from(area.height)).enumerate() {
        let style = if index == 0 { Style::new().add_modifier(Modifier::BOLD) } else { palette.quiet() };
        text.push_line(Line::styled(message.text.as_str(), style));
        if !message.advice.is_empty() {
            text.push_line(Line::styled(format!("  to do: {}", message.advice), style));
        }
    }
    Paragraph::new(text).wrap(Wrap { trim: false }).render(area, buffer);
}

fn keys(view: &View) -> String {
    if !view.typed.is_empty() {
        return format!(" scan: {}_", view.typed);
    }
    if !view.has_keys {
        return " Ctrl-C ends the run when the units on the bench are finished".to_owned();
    }
    let pause = if view.is_paused { "go on" } else { "pause" };
    let slot = view.selected + 1;
    let arrows = match (view.slots.len(), view.steps.1) {
        (0 | 1, _) => "",
        (slots, page) if slots > page => "  arrows: slot  PgUp PgDn",
        _ => "  arrows: slot",
    };
    format!(" ^P {pause}  ^R retry slot {slot}  ^X scrap slot {slot}  ^Q quit{arrows}")
}

/// Title of the messages, messages, keys.
const BELOW: u16 = 8;

/// Below this nothing can be read.
const WIDTH_MIN: u16 = 40;
const HEIGHT_MIN: u16 = 14;

/// A CA answers within this time, unless something is wrong.
const SLOW_S: u64 = 3;

//! Draws one slot.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::{Alignment, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, BorderType, Paragraph, Widget};
use tokio::time::Instant;

use super::letters;
use super::palette::Palette;
use super::view::{SlotState, SlotView, Verdict};

pub(super) struct Panel<'a> {
    /// From 1.
    pub(super) number: usize,
    pub(super) slot: &'a SlotView,
    pub(super) is_selected: bool,
    pub(super) palette: Palette,
    pub(super) now: Instant,
}

impl Widget for Panel<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let mark = if self.is_selected { ">" } else { "" };
        let head = format!(" {mark}{} {} ", self.number, self.slot.serial);
        let head_style = Style::new().add_modifier(Modifier::BOLD);
        let head = Line::styled(
            head.replace("  ", " "),
            if self.is_selected { self.palette.bar() } else { head_style },
        );
        let border = if self.is_selected { BorderType::Thick } else { BorderType::Plain };
        let block = Block::bordered().border_type(border).title(head).title_bottom(self.foot());
        let inside = block.inner(area);
        block.render(area, buffer);
        match &self.slot.state {
            SlotState::Ended { verdict, text, then, .. } => {
                self.verdict(*verdict, text, then, inside, buffer)
            }
            SlotState::Making(step) => {
                let step = if self.slot.asked.is_some() { "asking the CA" } else { step };
                self.lines(&[(step, Style::new().add_modifier(Modifier::BOLD))], inside, buffer);
            }
            SlotState::Waiting(what) => self.lines(&[(what, self.palette.prompt())], inside, buffer),
            SlotState::Closed(why) => {
                self.lines(&[("CLOSED", self.palette.bar()), (why, Style::new())], inside, buffer);
            }
        }
    }
}

impl Panel<'_> {
    /// The time, and how the unit before ended.
    fn foot(&self) -> Line<'static> {
        let time = match &self.slot.state {
            SlotState::Ended { took, .. } => format!(" {} ", tenths(*took)),
            SlotState::Making(_) => format!(" {} ", clock(self.now.duration_since(self.slot.since))),
            SlotState::Waiting(_) | SlotState::Closed(_) => String::new(),
        };
        let before = match (&self.slot.state, &self.slot.before) {
            (SlotState::Making(_) | SlotState::Waiting(_), Some((verdict, serial))) => {
                format!(" before: {} {serial} ", verdict.word())
            }
            _ => String::new(),
        };
        Line::from(format!("{time}{before}"))
    }

    /// The word, as large as it fits, on the colour of the whole panel.
    fn verdict(&self, verdict: Verdict, text: &str, then: &str, area: Rect, buffer: &mut Buffer) {
        let (word, style) = (verdict.word(), self.palette.verdict(verdict));
        buffer.set_style(area, style);
        // Where there is room, lines are left for what is to be done.
        let rows = if area.height > 2 * TEXT_LINES { area.height - TEXT_LINES } else { area.height };
        let picture = letters::block(word, area.width, rows);
        let large = match picture {
            Some(rows) => rows.into_iter().map(Line::from).collect(),
            None => vec![Line::from(spaced(word))],
        };
        let height = u16::try_from(large.len()).unwrap_or(u16::MAX);
        let space = area.height.saturating_sub(height);
        // A passed unit needs no reason; what is to be done next is worth more than it.
        let below = match (then.is_empty(), verdict) {
            (false, _) if space < 3 => then.to_owned(),
            (_, Verdict::Pass) => then.to_owned(),
            (true, _) => text.to_owned(),
            (false, _) => format!("{text} - {then}"),
        };
        let top = if below.is_empty() { space / 2 } else { u16::from(space > 3) };
        let word = Rect { y: area.y.saturating_add(top), height: height.min(area.height), ..area };
        Paragraph::new(large).alignment(Alignment::Center).style(style).render(word, buffer);
        let below = wrap(&below, usize::from(area.width));
        let lines = u16::try_from(below.len()).unwrap_or(u16::MAX);
        let gap = u16::from(space > top.saturating_add(lines));
        let rest = top.saturating_add(height).saturating_add(gap).min(area.height);
        let below_area =
            Rect { y: area.y.saturating_add(rest), height: area.height.saturating_sub(rest), ..area };
        let below = below.into_iter().map(Line::from);
        Paragraph::new(below.collect::<Vec<_>>())
            .alignment(Alignment::Center)
            .style(style)
            .render(below_area, buffer);
    }

    fn lines(&self, lines: &[(&str, Style)], area: Rect, buffer: &mut Buffer) {
        let of_line = |(text, style): &(&str, Style)| {
            let style = *style;
            wrap(text, usize::from(area.width)).into_iter().map(move |line| Line::styled(line, style))
        };
        let text: Vec<Line<'_>> = lines.iter().flat_map(of_line).collect();
        let height = u16::try_from(text.len()).unwrap_or(u16::MAX);
        let top = area.height.saturating_sub(height) / 2;
        let middle = Rect { y: area.y.saturating_add(top), height: area.height.saturating_sub(top), ..area };
        Paragraph::new(text).alignment(Alignment::Center).render(middle, buffer);
    }
}

/// Lines of whole words, as long as words fit into a line.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A word with a space between its letters.
fn spaced(word: &str) -> String {
    let letters: Vec<String> = word.chars().map(String::from).collect();
    letters.join(" ")
}

/// A reason, and what to do about it, in a narrow panel.
const TEXT_LINES: u16 = 5;

/// Minutes and seconds.
pub(super) fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{}:{:02} min", seconds / 60, seconds % 60),
        _ => format!("{}:{:02} h", seconds / 3_600, seconds / 60 % 60),
    }
}

fn tenths(duration: Duration) -> String {
    if duration.as_secs() >= 60 { clock(duration) } else { format!("{:.1} s", duration.as_secs_f64()) }
}

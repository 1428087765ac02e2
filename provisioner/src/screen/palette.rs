//! Colours, and what stands for them where there are none (NO_COLOR): every meaning is a word too.

use ratatui::style::{Color, Modifier, Style};

use super::view::Verdict;

#[derive(Debug, Clone, Copy)]
pub(super) struct Palette {
    pub(super) has_colours: bool,
}

impl Palette {
    pub(super) fn bar(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD)
    }

    pub(super) fn verdict(self, verdict: Verdict) -> Style {
        let (background, foreground) = match verdict {
            Verdict::Pass | Verdict::Deferred => (Color::Green, Color::Black),
            Verdict::Fail => (Color::Red, Color::White),
            Verdict::Open | Verdict::Scrapped => (Color::Yellow, Color::Black),
            Verdict::Skipped => (Color::Gray, Color::Black),
        };
        match (self.has_colours, verdict) {
            (true, _) => Style::new().bg(background).fg(foreground).add_modifier(Modifier::BOLD),
            // What needs a person stands out.
            (false, Verdict::Fail) => self.bar(),
            (false, _) => Style::new().add_modifier(Modifier::BOLD),
        }
    }

    /// What a person must do now.
    pub(super) fn call(self) -> Style {
        match self.has_colours {
            true => Style::new().bg(Color::Yellow).fg(Color::Black).add_modifier(Modifier::BOLD),
            false => self.bar(),
        }
    }

    pub(super) fn prompt(self) -> Style {
        let style = Style::new().add_modifier(Modifier::BOLD);
        if self.has_colours { style.fg(Color::Cyan) } else { style }
    }

    pub(super) fn quiet(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }
}

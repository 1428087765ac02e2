//! Progress of long work: a bar on a terminal, a line every two seconds elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::Output;

pub(crate) enum Progress {
    Bar(ProgressBar),
    Lines { said: Instant, what: &'static str },
}

impl Progress {
    /// `total` is a number of things; `what` happens to them, for example `revoked`.
    pub(crate) fn new(total: u64, what: &'static str, output: &Output) -> Self {
        if output.is_json() || !std::io::stderr().is_terminal() {
            return Self::Lines { said: Instant::now(), what };
        }
        let style =
            ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} {msg}, {per_sec}, {eta} to go");
        let bar = ProgressBar::with_draw_target(Some(total), diagnostics::draw_target());
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(what);
        Self::Bar(bar)
    }

    pub(crate) fn at(&mut self, done: u64, total: u64, output: &mut Output) {
        match self {
            Self::Bar(bar) => {
                bar.set_length(total);
                bar.set_position(done);
            }
            Self::Lines { said, what } if said.elapsed() >= LINE_EVERY => {
                *said = Instant::now();
                if output.is_json() {
                    output.note(&serde_json::json!({ "done": done, "total": total }).to_string());
                } else {
                    output.note(&format!("{done} of {total} {what}"));
                }
            }
            Self::Lines { .. } => {}
        }
    }

    pub(crate) fn end(self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

const LINE_EVERY: Duration = Duration::from_secs(2);

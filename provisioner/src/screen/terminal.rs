//! The terminal: whether there is one, and what is written to it. Never waits for it.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::queue;
use ratatui::crossterm::style::ResetColor;
use ratatui::crossterm::terminal::{Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen};
use ratatui::layout::Rect;
use rustix::termios::tcgetwinsize;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use super::View;
use super::draw::draw;
use super::palette::Palette;
use crate::console::Console;

/// Why standard error cannot show the screen; `None`: it can.
pub(crate) fn why_not() -> Option<String> {
    if !io::stderr().is_terminal() {
        return Some("standard error is no terminal".to_owned());
    }
    let term = std::env::var("TERM").unwrap_or_default();
    if term.is_empty() || term == "dumb" {
        return Some(format!("TERM is {term:?}, a terminal without a cursor"));
    }
    let Rect { width, height, .. } = size();
    (width < WIDTH_MIN || height < HEIGHT_MIN).then(|| {
        format!("the terminal has {width}x{height} characters, and {WIDTH_MIN}x{HEIGHT_MIN} are needed")
    })
}

/// The terminal while it shows the screen. Dropping it sets the terminal back and prints what was said.
pub(crate) struct Screen {
    palette: Palette,
    /// What the terminal shows; `None`: nobody knows.
    shown: Option<Buffer>,
    drawn: Instant,
    ticks: Interval,
    console: Console,
}

impl Screen {
    /// Switches to the alternate screen. From now on the console keeps its messages.
    pub(crate) fn enter(console: &Console) -> Self {
        console.hold();
        put(|to| queue!(to, EnterAlternateScreen, Hide));
        let mut ticks = interval(FRAME);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // https://no-color.org: "when present and not an empty string (regardless of its value)".
        let has_colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self {
            palette: Palette { has_colours },
            shown: None,
            drawn: Instant::now(),
            ticks,
            console: console.clone(),
        }
    }

    /// Waits for the time of the next picture.
    pub(crate) async fn is_due(&mut self) {
        self.ticks.tick().await;
    }

    /// The next picture is drawn as a whole.
    pub(crate) fn forget(&mut self) {
        self.shown = None;
    }

    /// Draws the view, if anything may differ from what is shown and the terminal has taken everything else.
    pub(crate) fn draw(&mut self, view: &mut View, has_changed: bool, now: Instant) -> bool {
        let area = size();
        let is_whole = self.shown.as_ref().is_none_or(|shown| shown.area != area);
        if !is_whole && !has_changed && now.duration_since(self.drawn) < SECOND {
            return true;
        }
        // A picture that waits would only delay the next one.
        if !diagnostics::stderr().is_idle() {
            return false;
        }
        let next = draw(view, area, self.palette, now);
        let before = self.shown.take().filter(|_| !is_whole).unwrap_or_else(|| Buffer::empty(area));
        put(|to| {
            if is_whole {
                queue!(to, ResetColor, Clear(ClearType::All))?;
            }
            let changes = before.diff(&next);
            if changes.is_empty() { Ok(()) } else { CrosstermBackend::new(to).draw(changes.into_iter()) }
        });
        (self.shown, self.drawn) = (Some(next), now);
        true
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        put(|to| queue!(to, ResetColor, Show, LeaveAlternateScreen));
        self.console.release();
    }
}

/// Writes in pieces that the queue takes whole.
fn put(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) {
    let mut bytes = Vec::new();
    // A vector takes everything.
    write(&mut bytes).ok();
    bytes.flush().ok();
    for piece in bytes.chunks(PIECE_BYTES) {
        diagnostics::stderr().put(piece);
    }
}

fn size() -> Rect {
    let size = tcgetwinsize(io::stderr()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
    let (width, height) = size.map_or((WIDTH_MIN, HEIGHT_MIN), |size| (size.ws_col, size.ws_row));
    Rect { x: 0, y: 0, width: width.min(SIDE_MAX), height: height.min(SIDE_MAX) }
}

/// Ten pictures a second: more only fill a slow line.
const FRAME: Duration = Duration::from_millis(100);

/// Times on the screen go on by seconds.
const SECOND: Duration = Duration::from_secs(1);

const WIDTH_MIN: u16 = 80;
const HEIGHT_MIN: u16 = 24;

/// The largest side that is drawn: a terminal can report any size.
const SIDE_MAX: u16 = 500;

/// Below the longest line of the queue.
const PIECE_BYTES: usize = 8 * 1024;

//! A bounded queue of lines and the one thread that writes them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::descriptor::{Broken, write_all};
use crate::limit;

/// A queue of lines for a file, pipe or terminal. Clones share it. Adding a line never waits, fails or
/// panics: one that does not fit or cannot be written is lost and counted.
#[derive(Debug, Clone)]
pub struct Lines {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    lost: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Vec<u8>>,
    bytes: usize,
    /// The thread has taken lines and not yet written them.
    writing: bool,
    /// Lines added and lines taken since the start.
    put: u64,
    taken: u64,
    /// Lost lines that were not reported yet.
    untold: u64,
    /// The position of the first lost line; the report is written there.
    lost_after: u64,
    /// The last write failed: the report waits for the next line.
    failing: bool,
    /// A flush timed out, and nothing was written since.
    stalled: bool,
    /// The thread could not be started.
    closed: bool,
}

/// Lines that are written together.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    /// The end of each line in `bytes`.
    ends: Vec<usize>,
}

/// Makes the line that reports how many lines were lost.
type Notice = Box<dyn Fn(u64) -> Vec<u8> + Send>;

impl Lines {
    /// Starts a thread of this name that writes lines to `sink`, and reports of lost ones that `notice`
    /// makes.
    pub fn to(name: &str, sink: impl AsFd + Send + 'static, notice: Option<Notice>) -> Self {
        let shared = Arc::new(Shared::default());
        let writer = Arc::clone(&shared);
        let spawned = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || Writer { shared: writer, sink, notice, torn: false }.run());
        if spawned.is_err() {
            shared.state.lock().closed = true;
        }
        Self { shared }
    }

    /// Adds a complete line, with its line end. Lines over 16 KiB are cut.
    pub fn put(&self, line: &[u8]) {
        if capture(line) {
            return;
        }
        let line = cut(line);
        let mut state = self.shared.state.lock();
        if state.closed || state.queue.len() >= LINES_MAX || state.bytes + line.len() > BYTES_MAX {
            state.lose(1);
            drop(state);
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        state.bytes += line.len();
        state.put += 1;
        state.queue.push_back(line);
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Adds output that ages quickly, such as a progress bar: dropped, and not counted, when other lines
    /// wait.
    pub fn put_if_idle(&self, bytes: &[u8]) {
        if self.shared.state.lock().queue.len() < PICTURES_MAX {
            self.put(bytes);
        }
    }

    /// Whether everything is written.
    pub fn is_idle(&self) -> bool {
        self.shared.state.lock().is_empty()
    }

    /// Lines lost since the start.
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    /// Waits until all lines are written or lost, at most `limit`. Returns whether they are. After a timeout,
    /// later calls return at once until something is written again.
    pub fn flush(&self, patience: Duration) -> bool {
        let mut state = self.shared.state.lock();
        if state.stalled || state.closed {
            return state.is_empty();
        }
        self.shared.changed.wait_while_for(&mut state, |state| !state.is_empty(), patience);
        state.stalled = !state.is_empty();
        !state.stalled
    }

    /// Wakes the thread, so that it looks for reports.
    pub(crate) fn wake(&self) {
        // Under the lock: the thread is either before its check or asleep, and is woken.
        let _state = self.shared.state.lock();
        self.shared.changed.notify_all();
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.put(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Self::flush(self, FLUSH_MAX);
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl State {
    fn is_empty(&self) -> bool {
        self.queue.is_empty() && !self.writing
    }

    fn lose(&mut self, lines: u64) {
        if self.untold == 0 {
            self.lost_after = self.put;
        }
        self.untold += lines;
    }

    /// The number of lines lost at this position.
    fn lost_here(&self) -> u64 {
        if self.taken >= self.lost_after { self.untold } else { 0 }
    }

    /// Takes lines up to the size of one write, or up to the position of a report.
    fn take(&mut self) -> Batch {
        let mut batch = Batch::default();
        let end = if self.lost_here() > 0 || self.untold == 0 { u64::MAX } else { self.lost_after };
        while batch.bytes.len() < BATCH_BYTES
            && self.taken < end
            && let Some(line) = self.queue.pop_front()
        {
            self.bytes = self.bytes.saturating_sub(line.len());
            self.taken += 1;
            batch.bytes.extend_from_slice(&line);
            batch.ends.push(batch.bytes.len());
        }
        self.writing = true;
        batch
    }
}

/// The thread. Only it waits for the sink.
struct Writer<S> {
    shared: Arc<Shared>,
    sink: S,
    notice: Option<Notice>,
    /// The last write ended within a line.
    torn: bool,
}

impl<S: AsFd> Writer<S> {
    fn run(mut self) {
        loop {
            let (batch, untold) = self.next();
            let mut front = Vec::new();
            if std::mem::take(&mut self.torn) {
                front.push(b'\n');
            }
            if let (Some(notice), 1..) = (&self.notice, untold) {
                front.extend(notice(untold));
            }
            let written = write_all(&self.sink, &front).and_then(|()| {
                write_all(&self.sink, &batch.bytes)
                    .map_err(|broken| Broken { written: broken.written + front.len(), ..broken })
            });
            let mut state = self.shared.state.lock();
            state.writing = false;
            state.stalled = false;
            state.failing = written.is_err();
            match written {
                Ok(()) => {
                    state.untold = state.untold.saturating_sub(untold);
                    if untold > 0 {
                        state.lost_after = state.put;
                    }
                }
                Err(Broken { written, .. }) => {
                    let of_lines = written.saturating_sub(front.len());
                    let lost = batch.ends.iter().filter(|end| **end > of_lines).count() as u64;
                    self.torn = written > 0 && !batch.ends.contains(&of_lines);
                    state.lose(lost);
                    self.shared.lost.fetch_add(lost, Ordering::Relaxed);
                }
            }
            drop(state);
            self.shared.changed.notify_all();
        }
    }

    /// Waits for lines or for a due report.
    fn next(&self) -> (Batch, u64) {
        let mut state = self.shared.state.lock();
        loop {
            // Reports of suppressed lines are log lines, which come through the queue.
            let report = limit::next_report();
            if report.is_some_and(|at| at <= Instant::now()) {
                drop(state);
                limit::report();
                state = self.shared.state.lock();
                continue;
            }
            let untold = if self.notice.is_some() { state.lost_here() } else { 0 };
            if !state.queue.is_empty() || (untold > 0 && !state.failing) {
                return (state.take(), untold);
            }
            match report {
                None => self.shared.changed.wait(&mut state),
                Some(at) => {
                    self.shared.changed.wait_until(&mut state, at);
                }
            }
        }
    }
}

/// The queue of standard error.
pub fn stderr() -> &'static Lines {
    LOG.get_or_init(|| Lines::to("log", io::stderr(), Some(Box::new(notice))))
}

/// Writes a message for people to standard error, as a line of its own.
pub fn tell(text: &str) {
    stderr().put(format!("{text}\n").as_bytes());
}

/// Lines for standard error lost since the start.
pub fn lines_lost() -> u64 {
    LOG.get().map_or(0, Lines::lost)
}

/// Waits at most a second until standard error has everything.
pub fn flush() {
    if let Some(log) = LOG.get() {
        log.flush(FLUSH_MAX);
    }
}

/// Uses the form of the log, if logging was started.
fn notice(lost: u64) -> Vec<u8> {
    if LevelFilter::current() == LevelFilter::OFF {
        return format!("{lost} lines were lost\n").into_bytes();
    }
    captured(|| tracing::warn!(lines = lost, "{lost} log lines were lost"))
}

/// Captures the lines that `log` writes on this thread.
fn captured(log: impl FnOnce()) -> Vec<u8> {
    CAPTURED.with_borrow_mut(|captured| *captured = Some(Vec::new()));
    log();
    CAPTURED.take().unwrap_or_default()
}

/// Passes the line to the capture on this thread, if there is one.
fn capture(line: &[u8]) -> bool {
    CAPTURED.with_borrow_mut(|captured| match captured {
        Some(captured) => {
            captured.extend_from_slice(line);
            true
        }
        None => false,
    })
}

/// The line, or the part of it that is written.
fn cut(line: &[u8]) -> Vec<u8> {
    match line.get(..LINE_BYTES_MAX) {
        Some(first) if line.len() > LINE_BYTES_MAX => {
            let more = line.len() - LINE_BYTES_MAX;
            [first, format!("… ({more} bytes more)\n").as_bytes()].concat()
        }
        _ => line.to_vec(),
    }
}

static LOG: OnceLock<Lines> = OnceLock::new();

thread_local! {
    static CAPTURED: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Lines that can wait: some seconds of a busy log.
const LINES_MAX: usize = 8_192;

/// Bytes that can wait, so that long lines do not use up memory.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// The longest line: a log line has some hundred bytes, the output of a hook some kilobytes.
const LINE_BYTES_MAX: usize = 16 * 1024;

/// Large enough that a write costs little per line.
const BATCH_BYTES: usize = 64 * 1024;

/// Drawings of progress bars that can wait; more would be outdated.
const PICTURES_MAX: usize = 8;

/// The longest wait at the end of a program: a stalled reader may never continue.
const FLUSH_MAX: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;

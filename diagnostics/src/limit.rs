//! Limits for log lines that strangers, or one fault again and again, can cause.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::lines;
use parking_lot::{Mutex, MutexGuard};

/// At most twenty lines of one kind in ten seconds; what was suppressed is counted, and said in one line when the ten seconds are over.
///
/// ```
/// static REFUSED: diagnostics::Limit = diagnostics::Limit::new("refused a handshake");
/// if REFUSED.admits() {
///     tracing::info!("refused a handshake");
/// }
/// ```
#[derive(Debug)]
pub struct Limit {
    what: &'static str,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When the interval began.
    began: Option<Instant>,
    admitted: u32,
    suppressed: u64,
}

impl Limit {
    /// A limit for lines of this kind; `what` begins the line that says how many were suppressed.
    pub const fn new(what: &'static str) -> Self {
        Self { what, state: Mutex::new(State { began: None, admitted: 0, suppressed: 0 }) }
    }

    /// Whether one more line may be written now.
    pub fn admits(&'static self) -> bool {
        let now = Instant::now();
        let mut state = self.state();
        if state.began.is_none_or(|began| now.duration_since(began) >= INTERVAL) {
            state.began = Some(now);
            state.admitted = 0;
        }
        if state.admitted < LINES_MAX {
            state.admitted += 1;
            return true;
        }
        state.suppressed += 1;
        let first = state.suppressed == 1;
        drop(state);
        SUPPRESSED.fetch_add(1, Ordering::Relaxed);
        if first {
            due().push((now + INTERVAL, self));
            lines::stderr().wake();
        }
        false
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// A limit for each of a bounded number of kinds, which are known by fixed names: many lines of one do not hide the others.
#[derive(Debug, Default)]
pub struct Limits {
    kinds: Mutex<BTreeMap<&'static str, &'static Limit>>,
}

impl Limits {
    /// No line of any kind was written yet.
    pub const fn new() -> Self {
        Self { kinds: Mutex::new(BTreeMap::new()) }
    }

    /// Whether one more line of this kind may be written now.
    pub fn admits(&self, kind: &'static str) -> bool {
        let mut kinds = self.kinds.lock();
        // Kept to the end of the process: there are as many as there are names in the code.
        let limit = *kinds.entry(kind).or_insert_with(|| Box::leak(Box::new(Limit::new(kind))));
        drop(kinds);
        limit.admits()
    }
}

/// Lines that were suppressed since the start.
pub fn lines_suppressed() -> u64 {
    SUPPRESSED.load(Ordering::Relaxed)
}

/// When something is to be said of what was suppressed.
pub(crate) fn next_report() -> Option<Instant> {
    due().iter().map(|(at, _)| *at).min()
}

/// Says what was suppressed.
pub(crate) fn report() {
    let now = Instant::now();
    let ready: Vec<_> = due().extract_if(.., |(at, _)| *at <= now).collect();
    for (_, limit) in ready {
        let suppressed = std::mem::take(&mut limit.state().suppressed);
        tracing::warn!(suppressed, "{}: {suppressed} more such lines were not logged", limit.what);
    }
}

fn due() -> MutexGuard<'static, Vec<(Instant, &'static Limit)>> {
    DUE.lock()
}

/// Limits that have something to say, and when. Each is here at most once.
static DUE: Mutex<Vec<(Instant, &'static Limit)>> = Mutex::new(Vec::new());

static SUPPRESSED: AtomicU64 = AtomicU64::new(0);

/// For how long lines are counted.
const INTERVAL: Duration = Duration::from_secs(10);

/// Lines in an interval: enough to see what goes on, and from where.
const LINES_MAX: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_lines_of_one_kind_some_are_written_and_the_others_counted() {
        static LIMIT: Limit = Limit::new("a stranger knocked");
        let written = (0..1_000).filter(|_| LIMIT.admits()).count();
        assert_eq!(written, LINES_MAX as usize);
        assert!(lines_suppressed() >= 980);
        assert_eq!(LIMIT.state().suppressed, 980);
        static LIMITS: Limits = Limits::new();
        assert_eq!((0..100).filter(|_| LIMITS.admits("one")).count(), LINES_MAX as usize);
        assert!(LIMITS.admits("another"));
        assert_eq!(due().iter().filter(|(_, limit)| std::ptr::eq(*limit, &LIMIT)).count(), 1, "said once");
    }
}

//! Rate limits for log lines that strangers or repeated faults can cause.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::lines;

/// Allows twenty lines of one kind in ten seconds; one line then reports how many were suppressed.
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
    /// The beginning of the interval.
    began: Option<Instant>,
    admitted: u32,
    suppressed: u64,
}

impl Limit {
    /// A limit for lines of one kind; `what` begins the line that reports the suppressed ones.
    pub const fn new(what: &'static str) -> Self {
        Self { what, state: Mutex::new(State { began: None, admitted: 0, suppressed: 0 }) }
    }

    /// Whether one more line may be written now.
    pub fn admits(&'static self) -> bool {
        let now = Instant::now();
        let mut state = self.state.lock();
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
            DUE.lock().push((now + INTERVAL, self));
            lines::stderr().wake();
        }
        false
    }
}

/// One limit for each of a bounded set of names, so that one kind of line does not hide the others.
#[derive(Debug, Default)]
pub struct Limits {
    kinds: Mutex<BTreeMap<&'static str, &'static Limit>>,
}

impl Limits {
    /// An empty set.
    pub const fn new() -> Self {
        Self { kinds: Mutex::new(BTreeMap::new()) }
    }

    /// Whether one more line of this kind may be written now.
    pub fn admits(&self, kind: &'static str) -> bool {
        let mut kinds = self.kinds.lock();
        // Never freed: there are as many as names in the code.
        let limit = *kinds.entry(kind).or_insert_with(|| Box::leak(Box::new(Limit::new(kind))));
        drop(kinds);
        limit.admits()
    }
}

/// The number of suppressed lines since the start.
pub fn lines_suppressed() -> u64 {
    SUPPRESSED.load(Ordering::Relaxed)
}

/// When a report about suppressed lines is due.
pub(crate) fn next_report() -> Option<Instant> {
    DUE.lock().iter().map(|(at, _)| *at).min()
}

/// Writes the report.
pub(crate) fn report() {
    let now = Instant::now();
    let ready: Vec<_> = DUE.lock().extract_if(.., |(at, _)| *at <= now).collect();
    for (_, limit) in ready {
        let suppressed = std::mem::take(&mut limit.state.lock().suppressed);
        tracing::warn!(suppressed, "{}: {suppressed} more such lines were not logged", limit.what);
    }
}

/// The limits with a report to write, and when. Each is here at most once.
static DUE: Mutex<Vec<(Instant, &'static Limit)>> = Mutex::new(Vec::new());

static SUPPRESSED: AtomicU64 = AtomicU64::new(0);

/// The length of an interval.
const INTERVAL: Duration = Duration::from_secs(10);

/// Lines in an interval: enough to see what happens and from where.
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
        assert_eq!(LIMIT.state.lock().suppressed, 980);
        static LIMITS: Limits = Limits::new();
        assert_eq!((0..100).filter(|_| LIMITS.admits("one")).count(), LINES_MAX as usize);
        assert!(LIMITS.admits("another"));
        assert_eq!(
            DUE.lock().iter().filter(|(_, limit)| std::ptr::eq(*limit, &LIMIT)).count(),
            1,
            "said once"
        );
    }
}

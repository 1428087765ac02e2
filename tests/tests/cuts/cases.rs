//! The cases of a phase, and the lanes that they run on.

use std::fmt;
use std::time::Instant;

use futures::StreamExt;

use crate::cut::Cut;
use crate::lane::Ran;

/// The cuts of consecutive runs; the run after the last one is not cut.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) cuts: Vec<Cut>,
    /// Whether every run has the piece at which the first one is cut.
    certain: bool,
}

impl Case {
    /// The cuts of each run: of the last one, none.
    pub(crate) fn runs(&self) -> impl Iterator<Item = Option<Cut>> {
        self.cuts.iter().copied().map(Some).chain([None])
    }

    /// The run with this number was cut as it was to be, or else came to its end. A second run is shorter
    /// where the first one has done something, so that its cut may be behind its end.
    pub(crate) fn judge(&self, run: usize, ran: &Ran) {
        match self.cuts.get(run) {
            Some(_) if ran.cut => {}
            Some(_) => assert!(run > 0 || !self.certain, "{self:?}: run {run} was not cut: {ran:?}"),
            None => assert!(!ran.cut && ran.status == Some(0), "{self:?}: run {run}: {ran:?}"),
        }
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.cuts)
    }
}

/// A case that is not cut, to measure a run.
pub(crate) fn uncut() -> Vec<Case> {
    vec![Case { cuts: Vec::new(), certain: true }]
}

/// Each cut alone, and all pairs, if all are wanted. A run may have fewer pieces, by at most `spread`.
pub(crate) fn cases(cuts: &[Cut], spread: usize) -> Vec<Case> {
    let last = cuts.last().expect("something crosses").at;
    let certain = |first: &Cut| first.at + spread <= last;
    let mut cases: Vec<_> = cuts.iter().map(|cut| Case { cuts: vec![*cut], certain: certain(cut) }).collect();
    if all_are_wanted() {
        let pairs = cuts.iter().flat_map(|first| cuts.iter().map(move |second| [*first, *second]));
        cases.extend(pairs.map(|cuts| Case { certain: certain(&cuts[0]), cuts: cuts.to_vec() }));
    }
    cases
}

/// Whether hours are spent, not a minute.
pub(crate) fn all_are_wanted() -> bool {
    std::env::var("TOUCHMARK_CUTS").is_ok_and(|wanted| wanted == "all")
}

/// Runs the cases on lanes of their own, a few lanes at a time.
pub(crate) async fn on_lanes<F>(what: &str, cases: Vec<Case>, lane: impl Fn(Vec<Case>) -> F)
where
    F: Future<Output: Send> + Send + 'static,
{
    let begun = Instant::now();
    let per_lane = cases.len().div_ceil(LANES).min(LANE_CASES_MAX);
    let lanes = cases.chunks(per_lane).map(|some| tokio::spawn(lane(some.to_vec())));
    let mut running = futures::stream::iter(lanes).buffer_unordered(LANES);
    while let Some(ended) = running.next().await {
        ended.unwrap();
    }
    let pieces = cases.iter().flat_map(|case| &case.cuts).map(|cut| cut.at + 1).max().unwrap_or_default();
    eprintln!("{what}: {} cases at {pieces} pieces in {:.1?}", cases.len(), begun.elapsed());
}

/// How many records a run may have less than another: HTTP/2 writes several frames as one record where they
/// come together, and a connection may end before its last ones are sent.
pub(crate) const RECORDS_SPREAD: usize = 6;

/// Lanes at a time.
const LANES: usize = 2;

/// What a bench has slots for, in one run.
const LANE_CASES_MAX: usize = 60;

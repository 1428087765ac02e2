//! Figures of a run for a monitoring system, in the OpenMetrics text format: names as the CA's, behind
//! `touchmark_station`.

mod exporter;
mod slots;
mod steps;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};
use proto::v1::Reason;

pub(crate) use exporter::{Exporter, MetricsAddress};
pub(crate) use steps::{CONFIRM, ISSUE, StepClock};

use crate::line::LineEvent;
use crate::report::{UnitOutcome, UnitReport};
use crate::stock::InHand;
use slots::Slots;

type ByStep = Family<StepLabels, Histogram, fn() -> Histogram>;

/// All figures of a station. Cheap to clone; all clones count together.
#[derive(Clone)]
pub(crate) struct Figures {
    registry: Arc<Registry>,
    units: Family<UnitLabels, Counter>,
    unit_seconds: Histogram,
    step_seconds: ByStep,
    slots: Arc<Mutex<Slots>>,
    reserved: Gauge,
    reservation_left: Gauge,
    in_hand: Arc<Mutex<Option<InHand>>>,
    pub(crate) ca: CaFigures,
    pub(crate) link: LinkFigures,
    /// Seconds of each sync of the journal.
    pub(crate) journal_syncs: Histogram,
}

/// What the CA costs the line.
#[derive(Clone)]
pub(crate) struct CaFigures {
    /// Seconds of calls that were answered, with a refusal too.
    pub(crate) answered: Histogram,
    pub(crate) unanswered: Counter,
    pub(crate) outages: Counter,
    pub(crate) reachable: Gauge,
}

/// Faults of the links.
#[derive(Clone, Default)]
pub(crate) struct LinkFigures {
    pub(crate) damaged: Counter,
    pub(crate) noise_bytes: Counter,
    pub(crate) resent: Counter,
    pub(crate) reopened: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UnitLabels {
    outcome: &'static str,
    reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StepLabels {
    step: &'static str,
}

impl Figures {
    /// The figures of a run.
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("touchmark_station");
        registry.register("build", "The program", Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]));
        let units = registered(&mut registry, "units", "Units that ended, by outcome and reason");
        let unit_seconds = seconds(
            &mut registry,
            "unit_duration",
            "Time from the opening of a unit's link to its end",
            of_people(),
        );
        let step_seconds: ByStep = Family::new_with_constructor(of_people as fn() -> Histogram);
        let help = "Time of a step of a unit, with what was sent again and recorded for it";
        registry.register_with_unit("step_duration", help, Unit::Seconds, step_seconds.clone());
        let slots = Slots::new(registered(&mut registry, "slots", "Slots, by what they do now"));
        let ca = CaFigures {
            answered: seconds(
                &mut registry,
                "ca_call_duration",
                "Time of a call that the CA answered",
                of_calls(),
            ),
            unanswered: registered(&mut registry, "ca_calls_unanswered", "Calls that the CA did not answer"),
            outages: registered(&mut registry, "ca_outages", "How often the CA stopped answering"),
            reachable: registered(&mut registry, "ca_reachable", "1 while the CA answers"),
        };
        let link = LinkFigures {
            damaged: registered(&mut registry, "link_damaged_frames", "Frames that came damaged"),
            noise_bytes: registered(
                &mut registry,
                "link_noise_bytes",
                "Bytes that came without a frame among them",
            ),
            resent: registered(&mut registry, "link_resends", "Requests to devices that were sent again"),
            reopened: registered(&mut registry, "link_reopened", "Links that broke and were opened again"),
        };
        let journal_syncs = seconds(
            &mut registry,
            "journal_sync_duration",
            "Time until records of the journal were on the disk",
            of_calls(),
        );
        let help = "Reserved units that no unit was told yet";
        let reserved = registered(&mut registry, "reserved_units", help);
        let help = "Until the first of the reserved units may not be begun any more; 0 without one";
        let reservation_left = registered(&mut registry, "reservation_left_seconds", help);
        Self {
            registry: Arc::new(registry),
            units,
            unit_seconds,
            step_seconds,
            slots: Arc::new(Mutex::new(slots)),
            reserved,
            reservation_left,
            in_hand: Arc::default(),
            ca,
            link,
            journal_syncs,
        }
    }

    /// The text for `/metrics`; `None`: it cannot be encoded.
    fn text(&self) -> Option<String> {
        let in_hand = self.in_hand.lock().as_ref().and_then(|in_hand| in_hand());
        let (units, left) = in_hand.unwrap_or_default();
        self.reserved.set(i64::try_from(units).unwrap_or(i64::MAX));
        self.reservation_left.set(i64::try_from(left.as_secs()).unwrap_or(i64::MAX));
        let mut text = String::new();
        encode(&mut text, &self.registry).ok()?;
        Some(text)
    }

    /// Asks for what is reserved when the figures are read.
    pub(crate) fn reserve(&self, in_hand: InHand) {
        *self.in_hand.lock() = Some(in_hand);
    }

    /// Counts the slots of a run as idle.
    pub(crate) fn begin(&self, slots: usize) {
        self.slots.lock().begin(slots);
    }

    /// Takes in what happened on the line.
    pub(crate) fn see(&self, event: &LineEvent) {
        self.slots.lock().see(event);
        if let LineEvent::Ended(report) = event {
            self.ended(report);
        }
    }

    fn ended(&self, report: &UnitReport) {
        let outcome = match report.outcome {
            UnitOutcome::Passed => "passed",
            UnitOutcome::Deferred => "deferred",
            UnitOutcome::Failed => "failed",
            UnitOutcome::Unfinished => "unfinished",
            UnitOutcome::Skipped => "skipped",
        };
        let labels = UnitLabels { outcome, reason: reason(report).to_owned() };
        self.units.get_or_create(&labels).inc();
        self.unit_seconds.observe(Duration::from_millis(report.duration_ms).as_secs_f64());
    }

    /// A clock for the steps of one unit.
    pub(crate) fn step_clock(&self) -> StepClock {
        StepClock::new(self.step_seconds.clone())
    }
}

/// The reason as a label: one of a closed set. Reasons of a newer CA count together.
fn reason(report: &UnitReport) -> &str {
    match report.cause {
        "refused" if Reason::from_str_name(&report.reason).is_none() => "other",
        _ => &report.reason,
    }
}

fn registered<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

fn seconds(registry: &mut Registry, name: &str, help: &str, histogram: Histogram) -> Histogram {
    registry.register_with_unit(name, help, Unit::Seconds, histogram.clone());
    histogram
}

/// From 10 ms, a step of a quick unit, to 3 minutes.
fn of_people() -> Histogram {
    Histogram::new(exponential_buckets(0.01, 2.0, 15))
}

/// From 0.5 ms, a sync of a good disk, to 16 s.
fn of_calls() -> Histogram {
    Histogram::new(exponential_buckets(0.000_5, 2.0, 16))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::session::{Outcome, Refusal};

    fn ended(outcome: &Outcome) -> LineEvent {
        let report = UnitReport::not_begun("cam-2/SN1".to_owned(), 1, UNIX_EPOCH, outcome);
        LineEvent::Ended(Box::new(report))
    }

    #[test]
    fn what_is_reserved_is_asked_for_when_the_figures_are_read() {
        let figures = Figures::new();
        assert!(figures.text().unwrap().contains("touchmark_station_reserved_units 0\n"));
        figures.reserve(Arc::new(|| Some((7, Duration::from_secs(90)))));
        let text = figures.text().unwrap();
        assert!(text.contains("touchmark_station_reserved_units 7\n"), "{text}");
        assert!(text.contains("touchmark_station_reservation_left_seconds 90\n"), "{text}");
    }

    #[test]
    fn units_are_counted_by_outcome_and_by_a_closed_set_of_reasons() {
        let figures = Figures::new();
        let refused =
            |reason: &str| ended(&Outcome::Refused(Refusal::new(reason.to_owned(), String::new(), false)));
        for event in [
            ended(&Outcome::Nameless),
            refused("KEY_WEAK"),
            refused("KEY_WEAK"),
            refused("A_REASON_OF_A_NEWER_CA"),
            refused("ANOTHER_ONE"),
        ] {
            figures.see(&event);
        }
        let text = figures.text().unwrap();
        for line in [
            "touchmark_station_units_total{outcome=\"failed\",reason=\"no-serial-number\"} 1",
            "touchmark_station_units_total{outcome=\"failed\",reason=\"KEY_WEAK\"} 2",
            "touchmark_station_units_total{outcome=\"failed\",reason=\"other\"} 2",
            "touchmark_station_unit_duration_seconds_count 5",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }
}

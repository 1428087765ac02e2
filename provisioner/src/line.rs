//! The line: so many slots that take units from one supply until it is empty, somebody stops them, or the CA does.

mod summary;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use identity::DeviceId;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use summary::{Stop, Summary};

use crate::journal::UnitRecord;
use crate::report::UnitReport;
use crate::session::Outcome;
use crate::slot::Bench;
use crate::units::{Supply, Unit};

/// A line that is ready to run.
pub struct Line {
    /// What its slots share.
    pub bench: Bench,
    /// Units to make.
    pub supply: Supply,
    /// How many at a time.
    pub slots: usize,
    /// What the journal knows of units.
    pub known: BTreeMap<DeviceId, UnitRecord>,
    /// No further unit is begun after this; those under way are finished.
    pub stop: CancellationToken,
}

/// What happens on a line, for whoever shows it.
#[derive(Debug)]
pub enum LineEvent {
    /// A unit is on a fixture.
    Begun {
        /// From 1.
        slot: usize,
        /// Which.
        device: DeviceId,
    },
    /// A unit is done.
    Ended(Box<UnitReport>),
}

/// What the slots share and change.
struct Floor {
    bench: Bench,
    supply: Mutex<Supply>,
    known: BTreeMap<DeviceId, UnitRecord>,
    stop: CancellationToken,
    stopped: Mutex<Option<Stop>>,
}

impl Line {
    /// Runs the line to its end. Each event is sent before the next unit of that slot is begun.
    pub async fn run(self, events: mpsc::Sender<LineEvent>) -> Summary {
        let begun = Instant::now();
        let slots = self.slots;
        let floor = Arc::new(Floor {
            bench: self.bench,
            supply: Mutex::new(self.supply),
            known: self.known,
            stop: self.stop,
            stopped: Mutex::new(None),
        });
        let mut running = JoinSet::new();
        for slot in 1..=slots {
            running.spawn(Arc::clone(&floor).run_slot(slot, events.clone()));
        }
        drop(events);
        let mut summary = Summary::default();
        while let Some(ended) = running.join_next().await {
            match ended {
                Ok(of_slot) => summary.add(of_slot),
                // A slot that panicked leaves its unit open in the journal.
                Err(error) => summary.count_failure("slot-lost", &error.to_string()),
            }
        }
        summary.duration = begun.elapsed();
        summary.left = floor.supply.lock().map(|supply| supply.left()).unwrap_or_default();
        summary.stop = floor.stopped.lock().ok().and_then(|mut stopped| stopped.take());
        if summary.stop.is_none() && floor.stop.is_cancelled() {
            summary.stop = Some(Stop::Interrupted);
        }
        summary
    }
}

impl Floor {
    async fn run_slot(self: Arc<Self>, slot: usize, events: mpsc::Sender<LineEvent>) -> Summary {
        let mut summary = Summary::default();
        while let Some(unit) = self.next_unit() {
            let device = unit.device.clone();
            // The receiver ends only after all slots: nobody is watching any more, and the unit is made all the same.
            events.send(LineEvent::Begun { slot, device }).await.ok();
            let report = self.make(unit, slot).await;
            summary.count(&report);
            events.send(LineEvent::Ended(Box::new(report))).await.ok();
        }
        summary
    }

    fn next_unit(&self) -> Option<Unit> {
        if self.stop.is_cancelled() { None } else { self.supply.lock().ok()?.next() }
    }

    async fn make(&self, unit: Unit, slot: usize) -> UnitReport {
        let known = self.known.get(&unit.device);
        let attempts = known.map_or(0, |known| known.attempts).saturating_add(1);
        let memory = known.map(|known| known.memory.clone()).unwrap_or_default();
        let made = self.bench.make(&unit, memory, slot).await;
        if let Some(stop) = stops_the_line(&made.outcome) {
            self.stop.cancel();
            if let Ok(mut stopped) = self.stopped.lock() {
                stopped.get_or_insert(stop);
            }
        }
        let made_elsewhere = known.is_none() && made.outcome.reason() == "DEVICE_ALREADY_ISSUED";
        let skipped = made_elsewhere
            && self.supply.lock().is_ok_and(|mut supply| {
                let skips = supply.passes_over_made_units();
                if skips {
                    supply.replace();
                }
                skips
            });
        UnitReport::new(unit, slot, attempts, skipped, self.bench.clock.now(), made)
    }
}

fn stops_the_line(outcome: &Outcome) -> Option<Stop> {
    match outcome {
        Outcome::Refused(refusal) if refusal.stops_the_line => {
            Some(Stop::Refused { reason: refusal.reason.clone(), message: refusal.message.clone() })
        }
        Outcome::CaUnreachable { detail } => {
            Some(Stop::Refused { reason: "CA_UNREACHABLE".to_owned(), message: detail.clone() })
        }
        Outcome::JournalLost { detail } => Some(Stop::JournalLost { detail: detail.clone() }),
        _ => None,
    }
}

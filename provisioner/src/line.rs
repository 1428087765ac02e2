//! The line: so many slots that take units from one supply until it is empty, somebody stops them, or the CA does.

mod hearing;
mod summary;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use identity::{DeviceId, DeviceSerial};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(crate) use hearing::{Hearing, Verdict};
pub(crate) use summary::{Stop, Summary};

use crate::journal::{ALREADY_ISSUED, UnitRecord};
use crate::report::UnitReport;
use crate::session::Outcome;
use crate::slot::{Bench, Made};
use crate::units::{Supply, Unit};

/// A line that is ready to run.
pub(crate) struct Line {
    /// What its slots share.
    pub(crate) bench: Bench,
    /// Units to make.
    pub(crate) supply: Supply,
    /// How many at a time.
    pub(crate) slots: usize,
    /// What the journal knows of units.
    pub(crate) known: BTreeMap<DeviceId, UnitRecord>,
    /// No further unit is begun after this; those under way are finished.
    pub(crate) stop: CancellationToken,
}

/// What happens on a line, for whoever shows it.
#[derive(Debug)]
pub(crate) enum LineEvent {
    /// A unit is on a fixture.
    Begun {
        /// From 1.
        slot: usize,
        /// Which.
        device: DeviceId,
    },
    /// The CA was asked about the unit on a fixture, or has answered.
    AskedCa {
        /// From 1.
        slot: usize,
        /// Which.
        device: DeviceId,
        /// Whether the answer is still to come.
        waiting: bool,
    },
    /// A unit is done.
    Ended(Box<UnitReport>),
    /// Nobody is there at a fixture: it takes no units in this run.
    Closed {
        /// From 1.
        slot: usize,
        /// Why.
        detail: String,
    },
}

/// What the slots share and change.
struct Floor {
    bench: Bench,
    supply: Mutex<Supply>,
    known: BTreeMap<DeviceId, UnitRecord>,
    stop: CancellationToken,
    stopped: Mutex<Option<Stop>>,
    withdrawn: Mutex<Vec<DeviceSerial>>,
    /// Fixtures that take units.
    open: Mutex<BTreeSet<usize>>,
}

impl Line {
    /// Runs the line to its end. Each event is sent before the next unit of that slot is begun. The first unit goes to the first slot, the
    /// second to the second, and so on; after that a slot takes the next unit as soon as it is free.
    pub(crate) async fn run(mut self, events: mpsc::Sender<LineEvent>) -> Summary {
        let begun = Instant::now();
        let slots = self.slots;
        let stopped_already = self.stop.is_cancelled();
        let first: Vec<(usize, Unit)> =
            (1..=slots).map_while(|slot| Some((slot, self.supply.next()?))).collect();
        let withdrawn = withdrawn(&self.known);
        self.bench.events = Some(events.clone());
        let floor = Arc::new(Floor {
            bench: self.bench,
            supply: Mutex::new(self.supply),
            known: self.known,
            stop: self.stop,
            stopped: Mutex::new(None),
            withdrawn: Mutex::new(withdrawn),
            open: Mutex::new((1..=slots).collect()),
        });
        let mut running = JoinSet::new();
        for (slot, unit) in first {
            if stopped_already {
                floor.put_back(unit);
            } else {
                running.spawn(Arc::clone(&floor).run_slot(slot, unit, events.clone()));
            }
        }
        let mut summary = Summary::default();
        while let Some(ended) = running.join_next().await {
            match ended {
                Ok(of_slot) => summary.add(of_slot),
                // A slot that panicked leaves its unit open in the journal.
                Err(error) => summary.count_failure("slot-lost", &error.to_string()),
            }
            // What a fixture gave back after the others had found nothing more to do.
            if running.is_empty()
                && let Some((slot, unit)) = floor.given_back()
            {
                running.spawn(Arc::clone(&floor).run_slot(slot, unit, events.clone()));
            }
        }
        drop(events);
        summary.duration = begun.elapsed();
        {
            let supply = floor.supply.lock();
            (summary.left, summary.short) = (supply.left(), supply.short());
        }
        let stopped = floor.stopped.lock().take();
        let closed = summary.closed.first().filter(|_| summary.left > 0);
        let closed =
            closed.map(|(slot, detail)| Stop::LinkUnusable { detail: format!("slot {slot}: {detail}") });
        summary.stop = stopped.or_else(|| floor.stop.is_cancelled().then_some(Stop::Interrupted)).or(closed);
        summary
    }
}

impl Floor {
    async fn run_slot(self: Arc<Self>, slot: usize, first: Unit, events: mpsc::Sender<LineEvent>) -> Summary {
        let mut summary = Summary::default();
        let mut next = Some(first);
        while let Some(unit) = next {
            let device = unit.device.clone();
            // The receiver ends only after all slots: nobody is watching any more, and the unit is made all the same.
            events.send(LineEvent::Begun { slot, device }).await.ok();
            let Ended { report, begun, verdict, not_connected } = self.make(unit.clone(), slot).await;
            // Nobody is there, and nothing was done to the unit: another fixture makes it.
            if let Some(detail) = not_connected.filter(|_| !begun) {
                self.put_back(unit);
                self.close(slot, detail, &mut summary, &events).await;
                return summary;
            }
            let last = report.message.clone();
            summary.count(&report);
            events.send(LineEvent::Ended(Box::new(report))).await.ok();
            match verdict {
                Verdict::SlotIsSilent(units) => {
                    let detail = format!("the last {units} units there said nothing; the last: {last}");
                    self.close(slot, detail, &mut summary, &events).await;
                    return summary;
                }
                Verdict::LineIsSilent(units) => {
                    let detail = format!(
                        "the first {units} units said nothing, at any slot; the last, at slot {slot}: {last}"
                    );
                    self.stop_for(Stop::LinkUnusable { detail });
                }
                Verdict::Nothing | Verdict::LineWasSilent => {}
            }
            next = self.next_unit();
        }
        summary
    }

    fn next_unit(&self) -> Option<Unit> {
        if self.stop.is_cancelled() { None } else { self.supply.lock().next() }
    }

    /// The fixture takes no units any more in this run.
    async fn close(
        &self,
        slot: usize,
        detail: String,
        summary: &mut Summary,
        events: &mpsc::Sender<LineEvent>,
    ) {
        self.open.lock().remove(&slot);
        events.send(LineEvent::Closed { slot, detail: detail.clone() }).await.ok();
        summary.closed.push((slot, detail));
    }

    fn stop_for(&self, stop: Stop) {
        self.stop.cancel();
        self.stopped.lock().get_or_insert(stop);
    }

    /// A unit that is left over and a fixture that can take it, when all fixtures are idle.
    fn given_back(&self) -> Option<(usize, Unit)> {
        let slot = self.open.lock().first().copied()?;
        Some((slot, self.next_unit()?))
    }

    fn put_back(&self, unit: Unit) {
        self.supply.lock().put_back(unit);
    }

    async fn make(&self, unit: Unit, slot: usize) -> Ended {
        let known = self.known.get(&unit.device);
        let attempts = known.map_or(0, |known| known.attempts).saturating_add(1);
        let made = match known.and_then(UnitRecord::is_over) {
            // It is in a list all the same: no unit gets this serial number.
            Some(taken) => {
                let memory = known.map(|known| known.memory.clone()).unwrap_or_default();
                Made::without_session(Outcome::SerialTaken(taken), memory)
            }
            None => {
                let history = known.map(UnitRecord::history).unwrap_or_default();
                let mut withdrawn = self.withdrawn.lock().clone();
                withdrawn.retain(|serial| *serial != unit.device.serial);
                self.bench.make(&unit, history, slot, withdrawn).await
            }
        };
        if let Some(stop) = stops_the_line(&made.outcome) {
            self.stop_for(stop);
        }
        let skipped = self.is_skipped(&unit, known, &made);
        let not_connected = match &made.outcome {
            Outcome::NotConnected { detail } => Some(detail.clone()),
            _ => None,
        };
        let (begun, verdict) = (made.begun, made.verdict);
        let report = UnitReport::new(unit, slot, attempts, skipped, self.bench.clock.now(), made);
        Ended { report, begun, verdict, not_connected }
    }

    /// Whether the serial number is another unit's, and the line may take the next one in place of it. What the unit on the bench was told
    /// is remembered.
    fn is_skipped(&self, unit: &Unit, known: Option<&UnitRecord>, made: &Made) -> bool {
        // A unit that was asked for before may be on another fixture now, with a certificate on its way: that one keeps its number.
        let is_new =
            made.memory.certificate.is_none() && known.is_none_or(|known| known.memory.asked.is_none());
        let collided = is_new && made.outcome.reason() == ALREADY_ISSUED;
        // Others have made the last units of the order: nothing is wrong with this one.
        let came_late = is_new && made.outcome.reason() == EXHAUSTED;
        if (collided || came_late) && made.heard {
            let mut withdrawn = self.withdrawn.lock();
            withdrawn.push(unit.device.serial.clone());
            let surplus = withdrawn.len().saturating_sub(WITHDRAWN_MAX);
            withdrawn.drain(..surplus);
        }
        let is_anothers = collided || matches!(made.outcome, Outcome::SerialTaken(_));
        (is_anothers || came_late) && {
            let mut supply = self.supply.lock();
            let skips = supply.passes_over_made_units();
            if skips && is_anothers {
                supply.replace();
            }
            skips
        }
    }
}

/// What became of a unit on a fixture.
struct Ended {
    report: UnitReport,
    /// Whether its link was opened.
    begun: bool,
    verdict: Verdict,
    /// Why nobody was there, if nobody was.
    not_connected: Option<String>,
}

/// Serial numbers that were told to units of this station before another station was faster: those units may still have them.
fn withdrawn(known: &BTreeMap<DeviceId, UnitRecord>) -> Vec<DeviceSerial> {
    let in_vain = known.iter().filter(|(_, unit)| unit.memory.told_in_vain);
    let serials: Vec<DeviceSerial> = in_vain.map(|(device, _)| device.serial.clone()).collect();
    let surplus = serials.len().saturating_sub(WITHDRAWN_MAX);
    serials.into_iter().skip(surplus).collect()
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
        Outcome::LinkUnusable { detail } => Some(Stop::LinkUnusable { detail: detail.clone() }),
        Outcome::Echo => Some(Stop::LinkUnusable { detail: outcome.to_string() }),
        Outcome::ClockWrong { detail } => Some(Stop::ClockWrong { detail: detail.clone() }),
        _ => None,
    }
}

/// What the CA says when all units of the order are made.
const EXHAUSTED: &str = "WORK_ORDER_EXHAUSTED";

/// `Hello.withdrawn_serials` in factory_link.proto.
const WITHDRAWN_MAX: usize = 64;

//! The line: slots that take units from one supply until it is empty, an operator stops them, or the CA does.

mod silence;
mod summary;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use identity::{DeviceId, DeviceSerial};
use parking_lot::Mutex;
use proto::v1::Reason;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(crate) use silence::{SilenceMonitor, SilenceVerdict};
pub(crate) use summary::{Stop, Summary};

use crate::ca::CA_UNREACHABLE;
use crate::journal::UnitRecord;
use crate::report::UnitReport;
use crate::session::Outcome;
use crate::slot::{LineContext, UnitResult};
use crate::units::{Supply, Unit};

pub(crate) struct Line {
    pub(crate) context: LineContext,
    pub(crate) supply: Supply,
    pub(crate) slots: usize,
    pub(crate) known: BTreeMap<DeviceId, UnitRecord>,
    /// Once cancelled, no further unit is begun; those under way are finished.
    pub(crate) stop: CancellationToken,
}

/// What happens on a line. Slots count from 1.
#[derive(Debug)]
pub(crate) enum LineEvent {
    Begun {
        slot: usize,
        device: DeviceId,
    },
    /// A call to the CA about a unit began (`waiting`) or ended.
    AskedCa {
        slot: usize,
        device: DeviceId,
        waiting: bool,
    },
    Ended(Box<UnitReport>),
    /// No device is connected at a slot: it takes no further units in this run.
    Closed {
        slot: usize,
        detail: String,
    },
}

struct LineShared {
    context: LineContext,
    supply: Mutex<Supply>,
    known: BTreeMap<DeviceId, UnitRecord>,
    stop: CancellationToken,
    summary: Mutex<Summary>,
    withdrawn: Mutex<Vec<DeviceSerial>>,
    /// Slots that still take units.
    open: Mutex<BTreeSet<usize>>,
}

impl Line {
    /// Runs the line to its end. Each event is sent before the next unit of that slot is begun. At first the
    /// units go to the slots in order; after that each slot takes the next unit as soon as it is free.
    pub(crate) async fn run(mut self, events: mpsc::Sender<LineEvent>) -> Summary {
        let begun = Instant::now();
        let slots = self.slots;
        let stopped_already = self.stop.is_cancelled();
        let first: Vec<(usize, Unit)> =
            (1..=slots).map_while(|slot| Some((slot, self.supply.next()?))).collect();
        let withdrawn = withdrawn(&self.known);
        self.context.events = Some(events.clone());
        let shared = Arc::new(LineShared {
            context: self.context,
            supply: Mutex::new(self.supply),
            known: self.known,
            stop: self.stop,
            summary: Mutex::default(),
            withdrawn: Mutex::new(withdrawn),
            open: Mutex::new((1..=slots).collect()),
        });
        let mut running = JoinSet::new();
        for (slot, unit) in first {
            if stopped_already {
                shared.put_back(unit);
            } else {
                running.spawn(Arc::clone(&shared).run_slot(slot, unit, events.clone()));
            }
        }
        while let Some(ended) = running.join_next().await {
            // The journal still has the unit of a slot that panicked as unfinished.
            if let Err(error) = ended {
                shared.summary.lock().count_failure("slot-lost", &error.to_string());
            }
            // A slot gave a unit back after the others had found nothing more to do.
            if running.is_empty()
                && let Some((slot, unit)) = shared.given_back()
            {
                running.spawn(Arc::clone(&shared).run_slot(slot, unit, events.clone()));
            }
        }
        let mut summary = std::mem::take(&mut *shared.summary.lock());
        summary.duration = begun.elapsed();
        let supply = shared.supply.lock();
        (summary.left, summary.short) = (supply.left, supply.short);
        let closed = summary.closed.first().filter(|_| summary.left > 0);
        let closed = closed.map(|(slot, detail)| Stop::LinkUnusable(format!("slot {slot}: {detail}")));
        let interrupted = shared.stop.is_cancelled().then_some(Stop::Interrupted);
        summary.stop = summary.stop.take().or(interrupted).or(closed);
        summary
    }
}

impl LineShared {
    async fn run_slot(self: Arc<Self>, slot: usize, first: Unit, events: mpsc::Sender<LineEvent>) {
        let mut next = Some(first);
        while let Some(unit) = next {
            let device = unit.device.clone();
            // The unit is made even if nobody receives the events.
            events.send(LineEvent::Begun { slot, device }).await.ok();
            let known = self.known.get(&unit.device);
            let result = self.make(&unit, known, slot).await;
            // The unit was not changed: another slot makes it.
            if let (Outcome::NotConnected(detail), false) = (&result.outcome, result.begun) {
                self.put_back(unit);
                return self.close(slot, detail.clone(), &events).await;
            }
            let attempts = known.map_or(0, |known| known.attempts).saturating_add(1);
            let (skipped, verdict) = (self.is_skipped(&unit, known, &result), result.verdict);
            let report = UnitReport::new(unit, slot, attempts, skipped, self.context.clock.now(), result);
            let last = report.message.clone();
            self.summary.lock().count(&report);
            events.send(LineEvent::Ended(Box::new(report))).await.ok();
            match verdict {
                SilenceVerdict::SlotIsSilent(units) => {
                    let detail = format!("the last {units} units there said nothing; the last: {last}");
                    return self.close(slot, detail, &events).await;
                }
                SilenceVerdict::LineIsSilent(units) => self.stop_for(Stop::LinkUnusable(format!(
                    "the first {units} units said nothing, at any slot; the last, at slot {slot}: {last}"
                ))),
                SilenceVerdict::Nothing | SilenceVerdict::LineWasSilent => {}
            }
            next = self.next_unit();
        }
    }

    fn next_unit(&self) -> Option<Unit> {
        if self.stop.is_cancelled() { None } else { self.supply.lock().next() }
    }

    /// Closes a slot for the rest of the run.
    async fn close(&self, slot: usize, detail: String, events: &mpsc::Sender<LineEvent>) {
        self.open.lock().remove(&slot);
        events.send(LineEvent::Closed { slot, detail: detail.clone() }).await.ok();
        self.summary.lock().closed.push((slot, detail));
    }

    fn stop_for(&self, stop: Stop) {
        self.stop.cancel();
        self.summary.lock().stop.get_or_insert(stop);
    }

    /// A unit that is left over and a slot that can take it, when all slots are idle.
    fn given_back(&self) -> Option<(usize, Unit)> {
        let slot = self.open.lock().first().copied()?;
        Some((slot, self.next_unit()?))
    }

    fn put_back(&self, unit: Unit) {
        self.supply.lock().put_back(unit);
    }

    async fn make(&self, unit: &Unit, known: Option<&UnitRecord>, slot: usize) -> UnitResult {
        let result = match known.and_then(UnitRecord::unavailable) {
            // The line's list names a serial number that no unit gets any more.
            Some(taken) => {
                let progress = known.map(|known| known.progress.clone()).unwrap_or_default();
                UnitResult::without_session(Outcome::SerialTaken(taken), progress)
            }
            None => {
                let mut withdrawn = self.withdrawn.lock().clone();
                withdrawn.retain(|serial| *serial != unit.device.serial);
                self.context.make(unit, known, slot, withdrawn).await
            }
        };
        if let Some(stop) = stops_the_line(&result.outcome) {
            self.stop_for(stop);
        }
        result
    }

    /// Whether the line takes the next serial number instead. Remembers what the unit on the bench was told.
    fn is_skipped(&self, unit: &Unit, known: Option<&UnitRecord>, result: &UnitResult) -> bool {
        // If the CA was asked before, a certificate may be on its way to another slot.
        let is_new =
            result.progress.certificate.is_none() && known.is_none_or(|known| known.progress.asked.is_none());
        let collided = is_new && result.outcome.reason() == Reason::DeviceAlreadyIssued.as_str_name();
        // Other stations made the last units of the order: this unit has no fault.
        let came_late = is_new && result.outcome.reason() == Reason::WorkOrderExhausted.as_str_name();
        if (collided || came_late) && result.heard {
            let mut withdrawn = self.withdrawn.lock();
            withdrawn.push(unit.device.serial.clone());
            let surplus = withdrawn.len().saturating_sub(WITHDRAWN_MAX);
            withdrawn.drain(..surplus);
        }
        let is_anothers = collided || matches!(result.outcome, Outcome::SerialTaken(_));
        (is_anothers || came_late) && {
            let mut supply = self.supply.lock();
            let skips = supply.skips;
            if skips && is_anothers {
                supply.replace();
            }
            skips
        }
    }
}

/// Serial numbers that units of this station were given before another station was faster.
fn withdrawn(known: &BTreeMap<DeviceId, UnitRecord>) -> Vec<DeviceSerial> {
    let in_vain = known.iter().filter(|(_, unit)| unit.progress.assigned_in_vain);
    let serials: Vec<DeviceSerial> = in_vain.map(|(device, _)| device.serial.clone()).collect();
    let surplus = serials.len().saturating_sub(WITHDRAWN_MAX);
    serials.into_iter().skip(surplus).collect()
}

fn stops_the_line(outcome: &Outcome) -> Option<Stop> {
    match outcome {
        Outcome::Refused(refusal) if refusal.stops_the_line => Some(refusal.clone().into()),
        Outcome::CaUnreachable(detail) => {
            Some(Stop::Refused { reason: CA_UNREACHABLE.to_owned(), message: detail.clone() })
        }
        Outcome::JournalLost(detail) => Some(Stop::JournalLost(detail.clone())),
        Outcome::LinkUnusable(detail) => Some(Stop::LinkUnusable(detail.clone())),
        Outcome::Echo => Some(Stop::LinkUnusable(outcome.to_string())),
        Outcome::ClockWrong(detail) => Some(Stop::ClockWrong(detail.clone())),
        _ => None,
    }
}

/// `Hello.withdrawn_serials` in factory_link.proto.
const WITHDRAWN_MAX: usize = 64;

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

use crate::journal::UnitRecord;
use crate::report::UnitReport;
use crate::session::Outcome;
use crate::slot::{LineContext, UnitResult};
use crate::units::{Supply, Unit};

/// A line that is ready to run.
pub(crate) struct Line {
    pub(crate) context: LineContext,
    pub(crate) supply: Supply,
    /// How many units are made at a time.
    pub(crate) slots: usize,
    pub(crate) known: BTreeMap<DeviceId, UnitRecord>,
    /// Once cancelled, no further unit is begun; those under way are finished.
    pub(crate) stop: CancellationToken,
}

/// What happens on a line. Slots count from 1.
#[derive(Debug)]
pub(crate) enum LineEvent {
    /// A unit was put on a slot.
    Begun { slot: usize, device: DeviceId },
    /// A call to the CA about a unit began (`waiting`) or ended.
    AskedCa { slot: usize, device: DeviceId, waiting: bool },
    /// A unit ended.
    Ended(Box<UnitReport>),
    /// No device is connected at a slot: it takes no further units in this run.
    Closed { slot: usize, detail: String },
}

/// The state that the slots share.
struct LineShared {
    context: LineContext,
    supply: Mutex<Supply>,
    known: BTreeMap<DeviceId, UnitRecord>,
    stop: CancellationToken,
    stopped: Mutex<Option<Stop>>,
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
            stopped: Mutex::new(None),
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
        let mut summary = Summary::default();
        while let Some(ended) = running.join_next().await {
            match ended {
                Ok(of_slot) => summary.add(of_slot),
                // The journal still has the unit of a slot that panicked as unfinished.
                Err(error) => summary.count_failure("slot-lost", &error.to_string()),
            }
            // A slot gave a unit back after the others had found nothing more to do.
            if running.is_empty()
                && let Some((slot, unit)) = shared.given_back()
            {
                running.spawn(Arc::clone(&shared).run_slot(slot, unit, events.clone()));
            }
        }
        drop(events);
        summary.duration = begun.elapsed();
        {
            let supply = shared.supply.lock();
            (summary.left, summary.short) = (supply.left(), supply.short());
        }
        let stopped = shared.stopped.lock().take();
        let closed = summary.closed.first().filter(|_| summary.left > 0);
        let closed = closed.map(|(slot, detail)| Stop::LinkUnusable(format!("slot {slot}: {detail}")));
        summary.stop = stopped.or_else(|| shared.stop.is_cancelled().then_some(Stop::Interrupted)).or(closed);
        summary
    }
}

impl LineShared {
    async fn run_slot(self: Arc<Self>, slot: usize, first: Unit, events: mpsc::Sender<LineEvent>) -> Summary {
        let mut summary = Summary::default();
        let mut next = Some(first);
        while let Some(unit) = next {
            let device = unit.device.clone();
            // The unit is made even if nobody receives the events.
            events.send(LineEvent::Begun { slot, device }).await.ok();
            let Ended { report, begun, verdict, not_connected } = self.make(unit.clone(), slot).await;
            // No device was connected and the unit was not changed: another slot makes it.
            if let Some(detail) = not_connected.filter(|_| !begun) {
                self.put_back(unit);
                self.close(slot, detail, &mut summary, &events).await;
                return summary;
            }
            let last = report.message.clone();
            summary.count(&report);
            events.send(LineEvent::Ended(Box::new(report))).await.ok();
            match verdict {
                SilenceVerdict::SlotIsSilent(units) => {
                    let detail = format!("the last {units} units there said nothing; the last: {last}");
                    self.close(slot, detail, &mut summary, &events).await;
                    return summary;
                }
                SilenceVerdict::LineIsSilent(units) => {
                    let detail = format!(
                        "the first {units} units said nothing, at any slot; the last, at slot {slot}: {last}"
                    );
                    self.stop_for(Stop::LinkUnusable(detail));
                }
                SilenceVerdict::Nothing | SilenceVerdict::LineWasSilent => {}
            }
            next = self.next_unit();
        }
        summary
    }

    fn next_unit(&self) -> Option<Unit> {
        if self.stop.is_cancelled() { None } else { self.supply.lock().next() }
    }

    /// Closes a slot for the rest of the run.
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

    /// A unit that is left over and a slot that can take it, when all slots are idle.
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
        let result = match known.and_then(UnitRecord::unavailable) {
            // The line's list names a serial number that no unit gets any more.
            Some(taken) => {
                let progress = known.map(|known| known.progress.clone()).unwrap_or_default();
                UnitResult::without_session(Outcome::SerialTaken(taken), progress)
            }
            None => {
                let history = known.map(UnitRecord::history).unwrap_or_default();
                let mut withdrawn = self.withdrawn.lock().clone();
                withdrawn.retain(|serial| *serial != unit.device.serial);
                self.context.make(&unit, history, slot, withdrawn).await
            }
        };
        if let Some(stop) = stops_the_line(&result.outcome) {
            self.stop_for(stop);
        }
        let skipped = self.is_skipped(&unit, known, &result);
        let not_connected = match &result.outcome {
            Outcome::NotConnected(detail) => Some(detail.clone()),
            _ => None,
        };
        let (begun, verdict) = (result.begun, result.verdict);
        let report = UnitReport::new(unit, slot, attempts, skipped, self.context.clock.now(), result);
        Ended { report, begun, verdict, not_connected }
    }

    /// Whether the serial number is another unit's, so that the line takes the next one instead. Remembers
    /// what the unit on the bench was told.
    fn is_skipped(&self, unit: &Unit, known: Option<&UnitRecord>, result: &UnitResult) -> bool {
        // If the CA was asked for this unit before, a certificate may be on its way to another slot: that
        // unit keeps its number.
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
            let skips = supply.passes_over_made_units();
            if skips && is_anothers {
                supply.replace();
            }
            skips
        }
    }
}

/// What became of a unit on a slot.
struct Ended {
    report: UnitReport,
    /// Whether its link was opened.
    begun: bool,
    verdict: SilenceVerdict,
    /// Why no device was connected.
    not_connected: Option<String>,
}

/// Serial numbers that were given to units of this station before another station was faster. Those units may
/// still have them.
fn withdrawn(known: &BTreeMap<DeviceId, UnitRecord>) -> Vec<DeviceSerial> {
    let in_vain = known.iter().filter(|(_, unit)| unit.progress.assigned_in_vain);
    let serials: Vec<DeviceSerial> = in_vain.map(|(device, _)| device.serial.clone()).collect();
    let surplus = serials.len().saturating_sub(WITHDRAWN_MAX);
    serials.into_iter().skip(surplus).collect()
}

fn stops_the_line(outcome: &Outcome) -> Option<Stop> {
    match outcome {
        Outcome::Refused(refusal) if refusal.stops_the_line => {
            Some(Stop::Refused { reason: refusal.reason.clone(), message: refusal.message.clone() })
        }
        Outcome::CaUnreachable(detail) => {
            Some(Stop::Refused { reason: "CA_UNREACHABLE".to_owned(), message: detail.clone() })
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

//! The line: slots that take units from one supply until it is empty, an operator stops them, or the CA does.

mod admission;
mod aside;
mod making;
mod offline;
mod pause;
mod people;
mod repeats;
mod requests;
mod reserved;
mod restock;
mod rows;
mod scans;
mod silence;
mod summary;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use identity::DeviceId;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(crate) use pause::Pausing;
pub(crate) use requests::{Operator, Request};
pub(crate) use rows::RowIntake;
pub(crate) use scans::ScanIntake;
pub(crate) use silence::{SilenceMonitor, SilenceVerdict};
pub(crate) use summary::{Stop, Summary};

use crate::journal::UnitRecord;
use crate::report::UnitReport;
use crate::scan::Bench;
use crate::screen::Key;
use crate::slot::LineContext;
use crate::units::{Next, Supply, Unit};
use repeats::Repeats;
use requests::Requests;

pub(crate) struct Line {
    pub(crate) context: LineContext,
    pub(crate) supply: Supply,
    pub(crate) intake: Intake,
    pub(crate) slots: usize,
    pub(crate) known: BTreeMap<DeviceId, UnitRecord>,
    /// Once cancelled, no further unit is begun; those under way are finished.
    pub(crate) stop: CancellationToken,
    pub(crate) pausing: Pausing,
    /// Somebody at the screen.
    pub(crate) operator: Option<Operator>,
}

/// How units come to the supply.
pub(crate) enum Intake {
    /// All are there.
    Supply,
    /// From the work order, in blocks that the CA reserves.
    Order,
    /// As rows of a list that may have no end yet.
    Rows(RowIntake),
    /// As scans of people.
    Scans(ScanIntake),
    /// By themselves: a unit says its serial number on its slot. `stand_in` fills the link's `{product}`.
    Devices { stand_in: DeviceId },
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
    /// What a unit does now, in words.
    Step {
        slot: usize,
        doing: &'static str,
    },
    Ended(Box<UnitReport>),
    /// No device is connected at a slot: it takes no further units in this run.
    Closed {
        slot: usize,
        detail: String,
    },
    /// What a slot waits for, in words for the operator.
    Waiting {
        slot: usize,
        what: String,
        wait: Wait,
    },
    /// The unit that ended last at a slot was scrapped.
    Scrapped {
        slot: usize,
    },
    /// How many reserved units are in hand, and for how long the first of them still are.
    Reserved(Option<(usize, Duration)>),
    /// Whether the line is paused.
    Paused(bool),
    /// Whether the line works without the CA.
    Away(bool),
    /// What the operator must answer; `None`: it is answered.
    Question(Option<String>),
    /// A key of the screen.
    Key(Key),
    /// A message for the operator.
    Said(String),
    /// What was typed since the last Enter.
    Typed(String),
}

/// What a slot waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// The unit that has ended may still be there, and no other one was named.
    Next,
    /// A unit.
    Unit,
}

struct LineShared {
    context: LineContext,
    supply: Mutex<Supply>,
    known: Mutex<BTreeMap<DeviceId, UnitRecord>>,
    stop: CancellationToken,
    summary: Mutex<Summary>,
    /// What people put on the slots; used where units are scanned.
    bench: Mutex<Bench>,
    repeats: Mutex<Repeats>,
    /// Whether somebody can end a pause.
    can_pause: bool,
    is_paused: AtomicBool,
    /// Whether keys of the screen are read.
    reads_keys: bool,
    requests: Requests,
    /// Supply, bench or pause changed.
    changed: Notify,
    events: mpsc::Sender<LineEvent>,
}

impl Line {
    /// Runs the line to its end. Each event is sent before the next unit of that slot is begun. At first the
    /// units go to the slots in order; after that each slot takes the next unit as soon as it is free.
    pub(crate) async fn run(mut self, events: mpsc::Sender<LineEvent>) -> Summary {
        let begun = Instant::now();
        let slots = self.slots;
        self.context.events = Some(events.clone());
        if !self.stop.is_cancelled() {
            self.supply.begin(slots);
        }
        let shared = Arc::new(LineShared {
            context: self.context,
            supply: Mutex::new(self.supply),
            known: Mutex::new(self.known),
            stop: self.stop,
            summary: Mutex::default(),
            bench: Mutex::new(Bench::new(slots)),
            repeats: Mutex::new(Repeats::new(self.pausing.after_failures)),
            can_pause: self.pausing.can_pause,
            is_paused: AtomicBool::new(false),
            reads_keys: self.operator.as_ref().is_some_and(|operator| operator.reads_keys),
            requests: Requests::new(&self.intake),
            changed: Notify::new(),
            events,
        });
        shared.tell_reserved().await;
        let mut feeding = JoinSet::new();
        let mut stand_in = None;
        let mut enter_is_free = self.pausing.can_pause;
        match self.intake {
            Intake::Supply => {}
            Intake::Order => {
                feeding.spawn(reserved::feed(Arc::clone(&shared)));
            }
            Intake::Rows(rows) => {
                feeding.spawn(rows::feed(Arc::clone(&shared), rows));
            }
            Intake::Scans(scans) => {
                enter_is_free = false;
                feeding.spawn(scans::feed(Arc::clone(&shared), scans));
            }
            Intake::Devices { stand_in: device } => stand_in = Some(device),
        }
        if shared.context.mode.waits_for_units() && !shared.context.finishes {
            feeding.spawn(restock::feed(Arc::clone(&shared)));
        }
        if let Some(operator) = self.operator {
            if operator.reads_keys && enter_is_free {
                enter_is_free = false;
                feeding.spawn(requests::read_keys(Arc::clone(&shared)));
            }
            feeding.spawn(requests::carry_out(Arc::clone(&shared), operator.requests));
        }
        if enter_is_free {
            feeding.spawn(pause::end_on_enter(Arc::clone(&shared)));
        }
        if shared.context.deferrals.are_allowed() {
            feeding.spawn(offline::watch(Arc::clone(&shared)));
        }
        shared.run_slots(slots, stand_in).await;
        feeding.shutdown().await;
        if shared.context.deferrals.are_allowed() && !shared.context.ca.is_away() {
            // Units that were under way when the CA came back.
            shared.reconcile(&shared.context.ca).await;
        }
        let summary = shared.summarize(begun);
        shared.give_back(&summary).await;
        summary
    }
}

impl LineShared {
    /// Runs every slot to its end. `stand_in`: the units say themselves which ones they are.
    async fn run_slots(self: &Arc<Self>, slots: usize, stand_in: Option<DeviceId>) {
        let mut running = JoinSet::new();
        for slot in 1..=slots {
            let shared = Arc::clone(self);
            match stand_in.clone() {
                Some(stand_in) => running.spawn(shared.run_device_slot(slot, stand_in)),
                None => running.spawn(shared.run_slot(slot)),
            };
        }
        while let Some(ended) = running.join_next().await {
            // The journal still has the unit of a slot that panicked as unfinished.
            if let Err(error) = ended {
                self.summary.lock().count_failure("slot-lost", &error.to_string());
                self.with_supply(|supply| supply.ended(false));
            }
        }
    }

    /// Changes the supply and wakes the slots that wait for it.
    fn with_supply<T>(&self, change: impl FnOnce(&mut Supply) -> T) -> T {
        let changed = change(&mut self.supply.lock());
        self.changed.notify_waiters();
        changed
    }

    /// The next unit of a slot; waits for it where one may come. `None`: the slot is done, or the line stops.
    async fn next_unit(&self, slot: usize) -> Option<Unit> {
        loop {
            let changed = self.changed.notified();
            if self.stop.is_cancelled() {
                return None;
            }
            if !self.is_paused() {
                let (next, others_got_units) = {
                    let mut supply = self.supply.lock();
                    let before = supply.assigned_to_others(slot);
                    (supply.next_for(slot), supply.assigned_to_others(slot) > before)
                };
                // Only then: this also wakes this slot, which would otherwise never yield.
                if others_got_units {
                    self.changed.notify_waiters();
                }
                match next {
                    Next::Unit(unit) => return Some(unit),
                    Next::Over => return None,
                    Next::Wait => {}
                }
            }
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = changed => {}
            }
        }
    }

    fn stop_for(&self, stop: Stop) {
        self.stop.cancel();
        self.summary.lock().stop.get_or_insert(stop);
    }

    /// Tells the operator something, now.
    async fn say(&self, text: String) {
        self.events.send(LineEvent::Said(text)).await.ok();
    }

    async fn tell_reserved(&self) {
        self.events.send(LineEvent::Reserved(self.context.stock.in_hand())).await.ok();
    }

    /// Shows what a slot waits for, if it differs from what is shown.
    async fn show(&self, slot: usize, shown: &mut String, (what, wait): (String, Wait)) {
        if *shown != what {
            shown.clone_from(&what);
            self.events.send(LineEvent::Waiting { slot, what, wait }).await.ok();
        }
    }

    fn summarize(&self, begun: Instant) -> Summary {
        let mut summary = std::mem::take(&mut *self.summary.lock());
        summary.duration = begun.elapsed();
        let supply = self.supply.lock();
        (summary.left, summary.short) = (supply.not_begun(), supply.short);
        let closed = summary.closed.first().filter(|_| summary.left > 0);
        let closed = closed.map(|(slot, detail)| Stop::LinkUnusable(format!("slot {slot}: {detail}")));
        let interrupted = self.stop.is_cancelled().then_some(Stop::Interrupted);
        summary.stop = summary.stop.take().or(interrupted).or(closed);
        summary
    }
}

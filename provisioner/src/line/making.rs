//! Makes the units of a slot, one after another, and judges what their ends say about the line.

use std::sync::Arc;

use identity::{DeviceId, DeviceSerial};
use proto::v1::Reason;

use super::{LineEvent, LineShared, SilenceVerdict, Stop, Wait};
use crate::ca::CA_UNREACHABLE;
use crate::journal::{UnitEnd, UnitRecord};
use crate::link::Link;
use crate::mode::Mode;
use crate::report::{UnitOutcome, UnitReport};
use crate::session::Outcome;
use crate::slot::UnitResult;
use crate::units::Unit;

impl LineShared {
    /// Runs a slot whose units come from the supply.
    pub(super) async fn run_slot(self: Arc<Self>, slot: usize) {
        let scans = self.context.mode == Mode::Scan;
        let mut before: Option<DeviceId> = None;
        loop {
            if scans {
                let what = "scan the serial number of the next unit".to_owned();
                self.show(slot, &mut String::new(), (what, Wait::Next)).await;
            }
            let Some(unit) = self.next_unit(slot).await else { return };
            if self.needs_the_ca(&unit.device) {
                self.set_aside(unit).await;
                continue;
            }
            let present = if scans {
                let Some(link) = self.scanned_unit(slot, &unit, before.as_ref()).await else {
                    self.not_begun(unit);
                    continue;
                };
                Some(link)
            } else {
                None
            };
            let device = unit.device.clone();
            let goes_on = self.make_and_report(slot, unit, present).await;
            self.bench.lock().free(slot);
            if !goes_on {
                return;
            }
            before = Some(device);
        }
    }

    /// Makes a unit and reports it. Returns whether the slot takes further units.
    pub(super) async fn make_and_report(&self, slot: usize, unit: Unit, present: Option<Link>) -> bool {
        // The unit is made even if nobody receives the events.
        let device = unit.device.clone();
        self.requests.begun(slot);
        self.events.send(LineEvent::Begun { slot, device: device.clone() }).await.ok();
        let known = self.known.lock().get(&device).cloned();
        let result = self.make(&unit, known.as_ref(), slot, present).await;
        // The unit was not changed: another slot makes it.
        if let (Outcome::NotConnected(detail), false) = (&result.outcome, result.begun) {
            let detail = detail.clone();
            self.with_supply(|supply| {
                supply.leave(slot);
                supply.put_back(unit);
            });
            self.close(slot, detail).await;
            return false;
        }
        if self.waits_for_the_ca(&result) {
            let what = "the CA cannot be asked about the next unit".to_owned();
            self.show(slot, &mut String::new(), (what, Wait::Next)).await;
            self.set_aside(unit).await;
            return true;
        }
        let attempts = known.as_ref().map_or(0, |known| known.attempts).saturating_add(1);
        let (skipped, verdict) = (self.is_skipped(known.as_ref(), &result), result.verdict);
        self.remember(&unit, &result);
        let was_on_the_bench = result.begun && verdict == SilenceVerdict::Nothing;
        let ended = unit.clone();
        let report = UnitReport::new(unit, slot, attempts, skipped, self.context.clock.now(), result);
        let last = report.message.clone();
        let passed = report.outcome.is_good();
        self.requests.ended(slot, ended, &report);
        self.report(report, was_on_the_bench).await;
        self.with_supply(|supply| supply.ended(passed));
        match verdict {
            SilenceVerdict::SlotIsSilent(units) => {
                self.with_supply(|supply| supply.leave(slot));
                self.close(slot, format!("the last {units} units there said nothing; the last: {last}"))
                    .await;
                return false;
            }
            SilenceVerdict::LineIsSilent(units) => self.stop_for(Stop::LinkUnusable(format!(
                "the first {units} units said nothing, at any slot; the last, at slot {slot}: {last}"
            ))),
            SilenceVerdict::Nothing | SilenceVerdict::LineWasSilent => {}
        }
        true
    }

    /// Reports the end of a unit. `was_on_the_bench`: what failed may be the line, not the unit.
    pub(super) async fn report(&self, report: UnitReport, was_on_the_bench: bool) {
        self.summary.lock().count(&report);
        let cause = format!("{} {}", report.cause, report.reason);
        let failure = match report.outcome {
            UnitOutcome::Failed if was_on_the_bench => Some(Some(cause.as_str())),
            UnitOutcome::Passed | UnitOutcome::Deferred => Some(None),
            _ => None,
        };
        let too_many = failure.and_then(|failure| self.repeats.lock().count(failure));
        let message = report.message.clone();
        self.events.send(LineEvent::Ended(Box::new(report))).await.ok();
        self.tell_reserved().await;
        if let Some(times) = too_many {
            self.pause(times, &cause, &message).await;
        }
    }

    /// Takes back a unit that was not begun: it is made another time, or another one was scanned in its
    /// place.
    fn not_begun(&self, unit: Unit) {
        let stops = self.stop.is_cancelled();
        self.with_supply(|supply| if stops { supply.put_back(unit) } else { supply.ended(false) });
    }

    /// Closes a slot for the rest of the run.
    async fn close(&self, slot: usize, detail: String) {
        self.events.send(LineEvent::Closed { slot, detail: detail.clone() }).await.ok();
        self.summary.lock().closed.push((slot, detail));
    }

    /// Keeps what an attempt changed, for a further attempt in this run.
    fn remember(&self, unit: &Unit, result: &UnitResult) {
        let mut known = self.known.lock();
        if result.begun {
            let passed = result.outcome.is_good();
            let end = (!passed).then(|| UnitEnd::new(&result.outcome, result.open));
            let record = known.entry(unit.device.clone()).or_default();
            record.attempted(unit.columns.clone(), result.progress.clone(), end);
        } else if let Some(record) = known.get_mut(&unit.device) {
            record.progress = result.progress.clone();
        }
    }

    async fn make(
        &self,
        unit: &Unit,
        known: Option<&UnitRecord>,
        slot: usize,
        present: Option<Link>,
    ) -> UnitResult {
        let result = match known.and_then(UnitRecord::unavailable) {
            // The line's list names a serial number that no unit gets any more.
            Some(taken) => {
                let progress = known.map(|known| known.progress.clone()).unwrap_or_default();
                UnitResult::without_session(Outcome::SerialTaken(taken), progress)
            }
            None => {
                let reserved = self.reserve(unit, known).await;
                match reserved {
                    Ok(()) => self.context.make(unit, known, (slot, present)).await,
                    Err(outcome) => {
                        let progress = known.map(|known| known.progress.clone()).unwrap_or_default();
                        let open = known.is_some_and(UnitRecord::is_open);
                        UnitResult { open, ..UnitResult::without_session(outcome, progress) }
                    }
                }
            }
        };
        let stop = stops_the_line(&result.outcome).filter(|_| !self.goes_on_without_the_ca(&result));
        if let Some(stop) = stop {
            self.stop_for(stop);
        }
        if result.outcome.reason() == Reason::ReservationWithdrawn.as_str_name()
            && let Err(error) = self.context.stock.withdrawn(&unit.device.serial).await
        {
            tracing::error!(%error, "cannot record that a reservation was withdrawn");
        }
        result
    }

    /// Whether a unit that only waits for the CA does not stop a line that works without it.
    fn goes_on_without_the_ca(&self, result: &UnitResult) -> bool {
        let has_its_certificate = result.progress.certificate.is_some();
        matches!(result.outcome, Outcome::CaUnreachable(_))
            && self.context.deferrals.are_allowed()
            && (has_its_certificate || self.context.mode.waits_for_units() || self.waits_for_the_ca(result))
    }

    /// Reserves the unit's serial number, and those of units that wait, before the unit is told it.
    async fn reserve(&self, unit: &Unit, known: Option<&UnitRecord>) -> Result<(), Outcome> {
        let stock = &self.context.stock;
        let is_new = |known: Option<&UnitRecord>| known.is_none_or(|known| !known.progress.is_on_record());
        if !is_new(known) || stock.is_in_force(&unit.device.serial) || self.context.ca.is_away() {
            return Ok(());
        }
        let mut ahead: Vec<DeviceSerial> = vec![unit.device.serial.clone()];
        {
            let (supply, known) = (self.supply.lock(), self.known.lock());
            let waiting = supply.ahead(stock.names_max()).map(|unit| &unit.device);
            ahead.extend(waiting.filter(|it| is_new(known.get(*it))).map(|it| it.serial.clone()));
        }
        ahead.truncate(stock.names_max());
        self.context.reserve_ahead(ahead).await
    }

    /// Whether the line takes the next serial number instead.
    fn is_skipped(&self, known: Option<&UnitRecord>, result: &UnitResult) -> bool {
        // If the CA was asked before, a certificate may be on its way to another slot.
        let is_new =
            result.progress.certificate.is_none() && known.is_none_or(|known| known.progress.asked.is_none());
        // Other stations made the last units of the order: this unit has no fault.
        let came_late = is_new && result.outcome.reason() == Reason::WorkOrderExhausted.as_str_name();
        let is_anothers = matches!(result.outcome, Outcome::SerialTaken(_));
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

/// Why an outcome stops the line: no unit can have caused it.
pub(super) fn stops_the_line(outcome: &Outcome) -> Option<Stop> {
    match outcome {
        Outcome::Refused(refusal) if refusal.stops_the_line => Some(refusal.clone().into()),
        Outcome::CannotDefer => {
            Some(Stop::Refused { reason: CA_UNREACHABLE.to_owned(), message: outcome.to_string() })
        }
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

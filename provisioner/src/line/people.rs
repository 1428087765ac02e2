//! Slots whose units people insert: an empty fixture waits, and a unit that has ended stays until it is taken
//! away.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use identity::DeviceId;

use super::admission::Admission;
use super::making::stops_the_line;
use super::{LineShared, Stop, Wait};
use crate::journal::UnitRecord;
use crate::link::Link;
use crate::report::UnitReport;
use crate::session::{Outcome, Presence};
use crate::slot::{Look, Probe};
use crate::units::Unit;

impl LineShared {
    /// Waits until a scanned unit is on its slot, and begins it. `None`: another one was scanned in its
    /// place, or the line stops.
    pub(super) async fn scanned_unit(
        &self,
        slot: usize,
        unit: &Unit,
        before: Option<&DeviceId>,
    ) -> Option<Link> {
        let mut probe = Probe::new(&self.context, &unit.device, slot);
        let mut shown = String::new();
        let is_wanted = || self.bench.lock().is_waiting_for(slot, &unit.device);
        loop {
            let what = match self.look(&mut probe, is_wanted).await? {
                Look::Absent(why) => insert(&unit.device.to_string(), &why),
                Look::Present(found) => match Self::is_another(slot, unit, &found, before) {
                    Some(what) => what,
                    None if self.is_paused() => {
                        self.goes_on().await;
                        continue;
                    }
                    None if self.bench.lock().begin(slot, &unit.device) => return probe.into_link(),
                    None => return None,
                },
                Look::Unusable(outcome) => return self.unusable(&outcome),
            };
            self.show(slot, &mut shown, (what, Wait::Unit)).await;
        }
    }

    /// Runs a slot whose units name themselves.
    pub(super) async fn run_device_slot(self: Arc<Self>, slot: usize, stand_in: DeviceId) {
        let mut before = None;
        while let Some((link, found)) = self.arrival(slot, &stand_in, &mut before).await {
            if !self.judge(slot, link, &found).await {
                return;
            }
            before = Some(found);
        }
    }

    /// Waits for a unit other than the one before. `None`: all units have been made, or the line stops.
    async fn arrival(
        &self,
        slot: usize,
        stand_in: &DeviceId,
        before: &mut Option<Presence>,
    ) -> Option<(Option<Link>, Presence)> {
        let mut probe = Probe::new(&self.context, stand_in, slot);
        let (mut shown, mut absent) = (String::new(), 0);
        let is_wanted = || !self.supply.lock().is_over();
        loop {
            let look = self.look(&mut probe, is_wanted).await?;
            if self.requests.is_again(slot) {
                *before = None;
            }
            let what = match look {
                Look::Absent(why) => {
                    absent += 1;
                    if absent >= ABSENT_MIN {
                        *before = None;
                    }
                    if before.is_none() { insert("a unit", &why) } else { shown.clone() }
                }
                Look::Present(found) if before.as_ref().is_some_and(|before| found.may_be(before)) => {
                    absent = 0;
                    format!("take {} away, it has ended", name(&found))
                }
                Look::Present(_) if self.is_paused() => {
                    self.goes_on().await;
                    continue;
                }
                Look::Present(found) => return Some((probe.into_link(), found)),
                Look::Unusable(outcome) => return self.unusable(&outcome),
            };
            let wait = if before.is_some() { Wait::Next } else { Wait::Unit };
            self.show(slot, &mut shown, (what, wait)).await;
        }
    }

    /// Makes a unit that has named itself, or says why not. Returns whether the slot goes on.
    async fn judge(&self, slot: usize, link: Option<Link>, found: &Presence) -> bool {
        let product = &self.context.product;
        let (name, outcome) = match found {
            Presence::Named(device) if device.product == *product => {
                return self.make_named(slot, link, device).await;
            }
            Presence::Named(device) => {
                let found = format!("{device}, and this order is for product {product}");
                (device.to_string(), Outcome::WrongDevice { found, other_product: true })
            }
            Presence::Nameless => (format!("{product}/"), Outcome::Nameless),
            Presence::Garbled { damaged, noise_bytes } => {
                let (damaged, noise_bytes) = (*damaged, *noise_bytes);
                (format!("{product}/"), Outcome::TimedOut { doing: "saying hello", damaged, noise_bytes })
            }
        };
        if let Some(link) = link {
            link.close().await;
        }
        self.requests.begun(slot);
        self.report(UnitReport::not_begun(name, slot, self.context.clock.now(), &outcome), true).await;
        true
    }

    async fn make_named(&self, slot: usize, link: Option<Link>, device: &DeviceId) -> bool {
        if self.context.finishes
            && let Some(why) = self.is_nothing_to_finish(device)
        {
            self.say(format!("slot {slot}: nothing was begun for {device}: {why}")).await;
            return true;
        }
        // What this station has as done is asked about first: it is no failure, unless it is made again.
        let is_done =
            !self.context.finishes && self.known.lock().get(device).is_some_and(UnitRecord::is_done);
        if is_done {
            match self.admission(device).await {
                Admission::Welcome => {}
                Admission::Refused(why) => {
                    self.requests.begun(slot);
                    self.say(format!("slot {slot}: nothing was begun for {device}: {why}")).await;
                    return true;
                }
                Admission::Stopped => return false,
            }
        }
        loop {
            let changed = self.changed.notified();
            if self.stop.is_cancelled() || self.supply.lock().is_over() {
                return false;
            }
            if self.supply.lock().permit() {
                break;
            }
            tokio::select! {
                () = self.stop.cancelled() => return false,
                () = changed => {}
            }
        }
        let unit = Unit { device: device.clone(), columns: BTreeMap::new(), slot: Some(slot) };
        self.make_and_report(slot, unit, link).await
    }

    /// Why a unit does not get a deferred certificate here.
    fn is_nothing_to_finish(&self, device: &DeviceId) -> Option<&'static str> {
        match self.known.lock().get(device) {
            None => Some("this station did not make it under this order"),
            Some(unit) if unit.scrapped => Some("it was scrapped"),
            Some(unit) if unit.progress.passed => Some("it has its certificate"),
            Some(unit) if unit.progress.deferred.is_none() => Some("its certificate is not deferred"),
            Some(_) => None,
        }
    }

    /// Asks once whether a unit is there. `None`: nobody wants to know any more.
    async fn look(&self, probe: &mut Probe<'_>, is_wanted: impl Fn() -> bool) -> Option<Look> {
        let look = probe.look();
        tokio::pin!(look);
        loop {
            let changed = self.changed.notified();
            if self.stop.is_cancelled() || !is_wanted() {
                return None;
            }
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = changed => {}
                look = &mut look => return Some(look),
            }
        }
    }

    /// Why the unit that is there is not the one that was scanned. A unit without a name is taken for it.
    fn is_another(slot: usize, unit: &Unit, found: &Presence, before: Option<&DeviceId>) -> Option<String> {
        let Presence::Named(found) = found else { return None };
        let wanted = &unit.device;
        if found == wanted {
            None
        } else if before == Some(found) {
            Some(format!("insert {wanted}: take {found} away, it has ended"))
        } else {
            Some(format!(
                "insert {wanted}, which was scanned, or scan the code of slot {slot} and the right number: the unit says that it is \
                 {found}"
            ))
        }
    }

    fn unusable<T>(&self, outcome: &Outcome) -> Option<T> {
        let stop = stops_the_line(outcome);
        self.stop_for(stop.unwrap_or_else(|| Stop::LinkUnusable(outcome.to_string())));
        None
    }
}

fn insert(what: &str, why: &str) -> String {
    let mut text = format!("insert {what}");
    if !why.is_empty() {
        write!(text, " ({why})").ok();
    }
    text
}

fn name(presence: &Presence) -> String {
    match presence {
        Presence::Named(device) => device.to_string(),
        Presence::Nameless | Presence::Garbled { .. } => "the unit".to_owned(),
    }
}

/// A unit is away after so many questions without a byte: one may be lost on the line.
const ABSENT_MIN: u32 = 2;

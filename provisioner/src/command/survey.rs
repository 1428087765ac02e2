//! Asks the CA about many units before a line runs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use identity::{DeviceId, DeviceSerial, Product, SerialNumber, SerialPattern};
use proto::v1;
use proto::v1::work_order::Serials;

use super::Failure;
use crate::ca::{Ca, UNITS_MAX};
use crate::journal::{JournalState, Record, UnitEnd, Writer};
use crate::session::{Outcome, SerialStatus, Step, Taken};
use crate::slot::order_refusal;
use crate::units::Unit;
use crate::wire::{birth_serial_number, serial_status};

/// What is left to make of an order.
pub(super) struct Candidates {
    /// Units that are to be made again or were begun. The others are those that the CA reserves.
    pub(super) first: Vec<Unit>,
    /// How many are wanted, those included.
    pub(super) wanted: u64,
    /// How many of them exist, if the serial numbers end before.
    pub(super) found: Option<u64>,
    /// Serial numbers of other units, by reason.
    pub(super) taken: BTreeMap<&'static str, u64>,
}

/// Asks about the units that the journal has as passed. Those that may be reworked, or that another station
/// has reworked, count as not done; this is recorded in `journal` if there is one. Those that are scrapped,
/// retired or revoked are marked in `known`. Returns the number of reworks.
pub(super) async fn clear_superseded(
    ca: &Ca,
    work_order: &str,
    journal: Option<&Writer>,
    known: &mut JournalState,
) -> Result<u64, Failure> {
    let made: Vec<(DeviceId, Option<SerialNumber>)> = known
        .units
        .iter()
        .filter(|(_, unit)| !unit.scrapped && (unit.progress.passed || unit.is_superseded()))
        .map(|(device, unit)| (device.clone(), unit.certificate()))
        .collect();
    let mut reworks = 0;
    for chunk in made.chunks(UNITS_MAX) {
        let serials = chunk.iter().map(|(device, _)| device.serial.to_string()).collect();
        let answer = ca.units(work_order, serials, String::new()).await?;
        for ((device, had), unit) in chunk.iter().zip(&answer.units) {
            let serial_status = serial_status(unit);
            let is_rework = serial_status == SerialStatus::Rework;
            reworks += u64::from(is_rework);
            if let SerialStatus::Taken(taken, _) = serial_status
                && taken.is_spent()
                && let Some(unit) = known.units.get_mut(device)
            {
                unit.taken = Some(taken);
            }
            let Some(serial_number) = *had else { continue };
            let is_another = birth_serial_number(unit).is_some_and(|now| now != serial_number);
            if is_rework || is_another {
                let record =
                    Record::Step { device: device.clone(), step: Step::Superseded { serial_number } };
                if let Some(journal) = journal {
                    journal.record(&record).await?;
                }
                known.add(record);
            }
        }
    }
    Ok(reworks)
}

/// If the order has ended, records unfinished units without a certificate as ended, and returns them.
pub(super) async fn end_units_without_certificate(
    ca: &Ca,
    order: &v1::WorkOrder,
    now: Option<SystemTime>,
    journal: &Writer,
    known: &mut JournalState,
) -> Result<Vec<DeviceId>, Failure> {
    let over = order_refusal(order, now).map(Outcome::Refused).filter(Outcome::ends_the_order);
    let Some(over) = over else { return Ok(Vec::new()) };
    let open: Vec<DeviceId> = known
        .open_units()
        .filter(|(_, unit)| unit.certificate().is_none())
        .map(|(device, _)| device.clone())
        .collect();
    let mut ended = Vec::new();
    for chunk in open.chunks(UNITS_MAX) {
        let serials = chunk.iter().map(|device| device.serial.to_string()).collect();
        let answer = ca.units(&order.id, serials, String::new()).await?;
        for (device, unit) in chunk.iter().zip(&answer.units) {
            // What is reserved gets its certificate also after the end of the order.
            if serial_status(unit) != SerialStatus::Free || !unit.reservation.is_empty() {
                continue;
            }
            let record = Record::Ended { device: device.clone(), end: UnitEnd::new(&over, false) };
            journal.record(&record).await?;
            known.add(record);
            ended.push(device.clone());
        }
    }
    Ok(ended)
}

/// What is left to make, as far as the journal knows.
pub(super) fn without_the_ca(
    product: &Product,
    known: &JournalState,
    allowed: u64,
    limit: Option<u64>,
) -> Candidates {
    let first: Vec<Unit> = begun(known)
        .into_iter()
        .map(|serial| DeviceId { product: product.clone(), serial })
        .map(|device| Unit { device, columns: BTreeMap::new(), slot: None })
        .collect();
    let wanted = limit.map_or(allowed, |limit| limit.min(allowed));
    Candidates { first, wanted, found: None, taken: BTreeMap::new() }
}

/// Units that were requested or are to be made again.
fn begun(known: &JournalState) -> Vec<DeviceSerial> {
    known
        .units
        .iter()
        .filter(|(_, unit)| !unit.is_done() && (unit.progress.asked.is_some() || unit.is_superseded()))
        .map(|(device, _)| device.serial.clone())
        .collect()
}

/// Looks through an order's range or manifest for units to rework, and for serial numbers that no unit can
/// get, until enough others are found.
pub(super) async fn candidates(
    ca: &Ca,
    order: &v1::WorkOrder,
    product: &Product,
    known: &JournalState,
    allowed: u64,
    limit: Option<u64>,
) -> Result<Candidates, Failure> {
    let of_product = product.clone();
    let unit = move |serial| Unit {
        device: DeviceId { product: of_product.clone(), serial },
        columns: BTreeMap::new(),
        slot: None,
    };
    // They come first.
    let begun = begun(known);
    let mut done: BTreeSet<DeviceSerial> = begun.iter().cloned().collect();
    done.extend(
        known.units.iter().filter(|(_, unit)| unit.is_done()).map(|(device, _)| device.serial.clone()),
    );
    let issued = order.counts.as_ref().map_or(0, |counts| counts.issued);
    let made_here = known.units.values().filter(|unit| unit.has_been_issued()).count() as u64;
    let mut survey = Survey {
        ca,
        work_order: &order.id,
        allowed,
        limit,
        reworks: Vec::new(),
        made_elsewhere: issued.saturating_sub(made_here),
        found: begun.clone(),
        taken: BTreeMap::new(),
        ended: false,
    };
    match &order.serials {
        Some(Serials::Pattern(pattern)) => {
            let pattern: SerialPattern = pattern.parse()?;
            let all = (0..pattern.len()).filter_map(|position| pattern.nth(position));
            survey.of_range(&mut all.filter(|serial| !done.contains(serial))).await?;
        }
        _ => survey.of_manifest(&done).await?,
    }
    let wanted = survey.wanted();
    let Survey { reworks, found, taken, ended, .. } = survey;
    let number = reworks.len().saturating_add(found.len()) as u64;
    let first = reworks.into_iter().chain(begun).map(unit).collect();
    let found = (ended && number < wanted).then_some(number);
    Ok(Candidates { first, wanted, found, taken })
}

struct Survey<'a> {
    ca: &'a Ca,
    work_order: &'a str,
    /// Units that the order still allows, and those that the journal has to make again.
    allowed: u64,
    limit: Option<u64>,
    /// Units to rework that another station made.
    reworks: Vec<DeviceSerial>,
    /// How many units that others made were not seen yet.
    made_elsewhere: u64,
    found: Vec<DeviceSerial>,
    taken: BTreeMap<&'static str, u64>,
    /// Whether all serial numbers were asked about.
    ended: bool,
}

impl Survey<'_> {
    async fn of_range(
        &mut self,
        serials: &mut (impl Iterator<Item = DeviceSerial> + Send),
    ) -> Result<(), Failure> {
        let mut surveyed = 0;
        while self.goes_on(surveyed) {
            surveyed += UNITS_MAX;
            let chunk: Vec<DeviceSerial> = serials.by_ref().take(UNITS_MAX).collect();
            if chunk.is_empty() {
                self.ended = true;
                break;
            }
            let asked = chunk.iter().map(ToString::to_string).collect();
            let answer = self.ca.units(self.work_order, asked, String::new()).await?;
            for (serial, unit) in chunk.into_iter().zip(&answer.units) {
                self.sort(serial, unit);
            }
        }
        Ok(())
    }

    async fn of_manifest(&mut self, done: &BTreeSet<DeviceSerial>) -> Result<(), Failure> {
        let (mut after, mut surveyed) = (String::new(), 0);
        while self.goes_on(surveyed) {
            surveyed += UNITS_MAX;
            let answer = self.ca.units(self.work_order, Vec::new(), after).await?;
            for unit in &answer.units {
                let serial: DeviceSerial = unit.serial.parse().map_err(|_| {
                    Failure::WorkOrder(format!("the CA lists {:?}, which is no serial number", unit.serial))
                })?;
                if !done.contains(&serial) {
                    self.sort(serial, unit);
                }
            }
            match answer.units.last() {
                Some(last) if answer.more => after = last.serial.clone(),
                _ => {
                    self.ended = true;
                    break;
                }
            }
        }
        Ok(())
    }

    /// Whether more serial numbers are looked at. The rest is the CA's to say when it reserves: a range may
    /// have ten million, a manifest a million.
    fn goes_on(&self, surveyed: usize) -> bool {
        let more = surveyed < SURVEYED_MAX || (!self.has_units() && self.found.len() < SURVEYED_MAX);
        more && !self.has_enough()
    }

    fn sort(&mut self, serial: DeviceSerial, unit: &v1::Unit) {
        let serial_status = serial_status(unit);
        let is_made = birth_serial_number(unit).is_some() && !unit.other_order;
        self.made_elsewhere = self.made_elsewhere.saturating_sub(u64::from(is_made));
        match serial_status {
            SerialStatus::Taken(taken, is_over)
                if taken.is_spent()
                    || taken == Taken::OtherOrder
                    || (taken == Taken::OtherStation && is_over) =>
            {
                *self.taken.entry(taken.name()).or_default() += 1;
            }
            SerialStatus::Rework => self.reworks.push(serial),
            SerialStatus::Free | SerialStatus::Taken(..) => self.found.push(serial),
        }
    }

    fn wanted(&self) -> u64 {
        let wanted = self.allowed.saturating_add(self.reworks.len() as u64);
        self.limit.map_or(wanted, |limit| limit.min(wanted))
    }

    fn has_units(&self) -> bool {
        self.reworks.len().saturating_add(self.found.len()) as u64 >= self.wanted()
    }

    /// Whether enough units are found, and no further rework can be among those of other stations.
    fn has_enough(&self) -> bool {
        self.has_units() && self.made_elsewhere == 0
    }
}

/// Units that are asked about before the line runs: a day's work, in some megabytes.
const SURVEYED_MAX: usize = 50_000;

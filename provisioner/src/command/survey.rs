//! What the CA has on record of units, asked for many at a time before a line runs.

use std::collections::{BTreeMap, BTreeSet};

use identity::{DeviceId, DeviceSerial, Product, SerialNumber};
use proto::v1;
use proto::v1::work_order::Serials;

use super::Failure;
use crate::ca::{Ca, UNITS_MAX};
use crate::journal::{Known, Record, Writer};
use crate::session::{Standing, Step, Taken};
use crate::units::{SerialPattern, Unit};
use crate::wire::{birth_serial_number, standing};

/// Units that can be made, in the order in which they are given out, and what was passed over on the way.
pub(super) struct Candidates {
    pub(super) units: Box<dyn Iterator<Item = Unit> + Send>,
    /// Serial numbers that are other units', by whose they are.
    pub(super) taken: BTreeMap<&'static str, u64>,
    /// Whether the serial numbers end before as many units as wanted were found.
    pub(super) short: bool,
}

/// Asks about the units that the journal has as passed: those that the CA lets be made again, or that another station has made again, are
/// not done any more. Records that before anything is done about it, or only looks when there is no journal. Returns how many are to be made
/// again.
pub(super) async fn clear_superseded(
    ca: &Ca,
    work_order: &str,
    journal: Option<&Writer>,
    known: &mut Known,
) -> Result<u64, Failure> {
    let made: Vec<(DeviceId, Option<SerialNumber>)> = known
        .units
        .iter()
        .filter(|(_, unit)| !unit.scrapped && (unit.memory.passed || unit.is_superseded()))
        .map(|(device, unit)| (device.clone(), unit.certificate()))
        .collect();
    let mut again = 0;
    for chunk in made.chunks(UNITS_MAX) {
        let serials = chunk.iter().map(|(device, _)| device.serial.to_string()).collect();
        let answer = ca.units(work_order, serials, String::new()).await?;
        for ((device, had), unit) in chunk.iter().zip(&answer.units) {
            let is_rework = standing(unit) == Standing::Rework;
            again += u64::from(is_rework);
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
    Ok(again)
}

/// The units of an order that is worked to without a list of the line's own: its range or its manifest, without what is done here, and
/// without what is other units' as far as `wanted` units are concerned. Behind them each is asked about when it is its turn.
pub(super) async fn candidates(
    ca: &Ca,
    order: &v1::WorkOrder,
    product: &Product,
    known: &Known,
    wanted: u64,
) -> Result<Candidates, Failure> {
    let of_product = product.clone();
    let unit = move |serial| Unit {
        device: DeviceId { product: of_product.clone(), serial },
        columns: BTreeMap::new(),
    };
    // What was asked for, or is to be made again, comes first.
    let begun: Vec<DeviceSerial> = known
        .units
        .iter()
        .filter(|(_, unit)| !unit.is_done() && (unit.memory.asked.is_some() || unit.is_superseded()))
        .map(|(device, _)| device.serial.clone())
        .collect();
    let mut done: BTreeSet<DeviceSerial> = begun.iter().cloned().collect();
    done.extend(
        known.units.iter().filter(|(_, unit)| unit.is_done()).map(|(device, _)| device.serial.clone()),
    );
    let mut survey = Survey { ca, work_order: &order.id, wanted, found: begun, taken: BTreeMap::new() };
    let rest: Box<dyn Iterator<Item = DeviceSerial> + Send> = match &order.serials {
        Some(Serials::Pattern(pattern)) => {
            let pattern: SerialPattern = pattern.parse()?;
            let mut serials = pattern
                .shared(order.quantity, survey.share(&order.stations).await?)
                .filter(move |serial| !done.contains(serial));
            survey.of_range(&mut serials).await?;
            Box::new(serials)
        }
        _ => {
            survey.of_manifest(&done).await?;
            Box::new(std::iter::empty())
        }
    };
    let Survey { found, taken, .. } = survey;
    let short = (found.len() as u64) < wanted;
    Ok(Candidates { units: Box::new(found.into_iter().chain(rest).map(unit)), taken, short })
}

struct Survey<'a> {
    ca: &'a Ca,
    work_order: &'a str,
    wanted: u64,
    found: Vec<DeviceSerial>,
    taken: BTreeMap<&'static str, u64>,
}

impl Survey<'_> {
    /// Which of the order's stations this one is, and how many there are.
    async fn share(&self, stations: &[String]) -> Result<(u64, u64), Failure> {
        if stations.len() < 2 {
            return Ok((0, 1));
        }
        // About no unit in particular: the answer says who asks.
        let answer = self.ca.units(self.work_order, Vec::new(), String::new()).await?;
        let place = stations.iter().position(|station| *station == answer.station).unwrap_or_default();
        Ok((place as u64, stations.len() as u64))
    }

    async fn of_range(
        &mut self,
        serials: &mut (impl Iterator<Item = DeviceSerial> + Send),
    ) -> Result<(), Failure> {
        // Beyond this each is asked about when it is its turn; a range of ten million is not walked to its end first.
        while !self.has_enough() && self.found.len() < SURVEYED_MAX {
            let chunk: Vec<DeviceSerial> = serials.by_ref().take(UNITS_MAX).collect();
            if chunk.is_empty() {
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
        let mut after = String::new();
        loop {
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
                _ => return Ok(()),
            }
        }
    }

    fn sort(&mut self, serial: DeviceSerial, unit: &v1::Unit) {
        match standing(unit) {
            Standing::Taken(taken @ (Taken::OtherOrder | Taken::Gone), _)
            | Standing::Taken(taken @ Taken::OtherStation, true) => {
                *self.taken.entry(taken.name()).or_default() += 1;
            }
            Standing::Free | Standing::Rework | Standing::Taken(..) => self.found.push(serial),
        }
    }

    fn has_enough(&self) -> bool {
        self.found.len() as u64 >= self.wanted
    }
}

/// Units that are looked for before the line runs: a day's work, in some megabytes.
const SURVEYED_MAX: usize = 50_000;

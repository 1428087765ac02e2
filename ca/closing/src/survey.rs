//! The first reading of the ledger: what became of every unit.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use identity::{DeviceId, Principal};
use ledger::{Entry, Event, Holder, ReservationId, Serials, WorkOrderId, WorkOrderTerms};

use crate::facts::DUPLICATES_LISTED_MAX;
use crate::units::Units;
use crate::{Duplicate, Facts, Gaps, Group, Outcome, Period, Place, Totals};

/// Counts the units of one order.
#[derive(Debug)]
pub struct Survey {
    work_order: WorkOrderId,
    terms: WorkOrderTerms,
    organization: String,
    created_by: Option<Principal>,
    period: Option<Period>,
    closed_by: Option<Principal>,
    pub(crate) units: Units,
    groups: Groups,
    /// The group of each reservation of the order.
    reservations: HashMap<ReservationId, u16>,
    duplicates: Vec<Duplicate>,
    duplicates_count: u64,
}

impl Survey {
    /// Begins with the entry that made the order; `None`: it is another entry.
    pub fn begin(created: &Entry, organization: &str) -> Option<Self> {
        let Event::WorkOrderCreated { work_order, terms } = &created.event else { return None };
        let period = Period {
            created: created.number,
            created_at: created.at,
            closed: created.number,
            closed_at: created.at,
        };
        Some(Self {
            work_order: *work_order,
            terms: terms.clone(),
            organization: organization.to_owned(),
            created_by: created.principal.clone(),
            period: Some(period),
            closed_by: None,
            units: Units::default(),
            groups: Groups::default(),
            reservations: HashMap::new(),
            duplicates: Vec::new(),
            duplicates_count: 0,
        })
    }

    /// Enters the next entry of the ledger, of whatever order.
    pub fn enter(&mut self, entry: &Entry) {
        match &entry.event {
            Event::BirthIssued { work_order, device, shift, made_at, .. }
                if *work_order == self.work_order =>
            {
                let group = self.groups.of(Place::of(entry), shift);
                let outcome = if made_at.is_some() { Outcome::Deferred } else { Outcome::Unaccounted };
                self.units.bear(device.serial.as_str(), outcome, group, entry.number);
            }
            Event::UnitConfirmed { work_order, device, .. } if *work_order == self.work_order => {
                self.finish_unit(device, Outcome::Passed, entry);
            }
            Event::UnitScrapped { work_order, device, .. } if *work_order == self.work_order => {
                self.finish_unit(device, Outcome::Scrapped, entry);
            }
            Event::ManifestPart { work_order, serials, .. } if *work_order == self.work_order => {
                if let Serials::Manifest(list) = &mut self.terms.serials {
                    list.push(Arc::clone(serials));
                }
            }
            Event::UnitGivenUp { work_order, device, .. } if *work_order == self.work_order => {
                let group = self.groups.of(Place::of(entry), "");
                self.units.bear(device.serial.as_str(), Outcome::GivenUp, group, entry.number);
                self.finish_unit(device, Outcome::GivenUp, entry);
            }
            Event::DeferralRefused { work_order, device, .. } if *work_order == self.work_order => {
                let group = self.groups.of(Place::of(entry), "");
                self.units.bear(device.serial.as_str(), Outcome::Refused, group, entry.number);
                self.finish_unit(device, Outcome::Refused, entry);
            }
            Event::UnitsReserved { work_order, reservation, .. } if *work_order == self.work_order => {
                let group = self.groups.of(Place::of(entry), "");
                self.reservations.insert(*reservation, group);
            }
            Event::ReservationWithdrawn { reservation, serials } => {
                let Some(group) = self.reservations.get(reservation).copied() else { return };
                for serial in serials {
                    self.units.bear(serial.as_str(), Outcome::Withdrawn, group, entry.number);
                    let device = DeviceId { product: self.terms.product.clone(), serial: serial.clone() };
                    self.finish_unit(&device, Outcome::Withdrawn, entry);
                }
            }
            Event::DuplicateRefused { device, other, what, .. } => {
                let ours =
                    device.product == self.terms.product && self.terms.serials.contains(&device.serial);
                if ours {
                    let other = holder(other);
                    self.note_duplicate(Duplicate {
                        device: device.clone(),
                        what: *what,
                        other,
                        at: entry.at,
                    });
                }
            }
            Event::WorkOrderClosed(work_order) if *work_order == self.work_order => {
                self.closed_by = entry.principal.clone();
                if let Some(period) = &mut self.period {
                    (period.closed, period.closed_at) = (entry.number, entry.at);
                }
            }
            _ => {}
        }
    }

    /// What the report says of the whole order, and its units; `None`: the order was not closed.
    pub(crate) fn finish(self) -> Option<(Facts, Units)> {
        let period = self.period.filter(|period| period.closed > period.created)?;
        let (mut totals, mut reworks, mut taken) = (Totals::default(), 0, 0);
        let mut groups = self.groups;
        for unit in self.units.iter() {
            totals.add(unit.outcome, 1);
            groups.add(unit.group, unit.outcome);
            reworks += u64::from(unit.reworks);
            taken += 1;
        }
        let gaps = Gaps::between(self.terms.serials.behind(None), taken, |serial| {
            self.units.find(serial.as_str()).is_some()
        });
        let facts = Facts {
            work_order: self.work_order,
            terms: self.terms,
            organization: self.organization,
            period,
            created_by: self.created_by,
            closed_by: self.closed_by,
            totals,
            reworks,
            groups: groups.sorted(),
            gaps,
            duplicates: self.duplicates,
            duplicates_count: self.duplicates_count,
        };
        Some((facts, self.units))
    }

    fn finish_unit(&mut self, device: &DeviceId, outcome: Outcome, entry: &Entry) {
        if let Some(unit) = self.units.find_mut(device.serial.as_str()) {
            unit.outcome = outcome;
            unit.changed = Some(entry.number);
            unit.changed_ms = milliseconds(entry.at);
        }
    }

    fn note_duplicate(&mut self, duplicate: Duplicate) {
        self.duplicates_count += 1;
        if self.duplicates.len() < DUPLICATES_LISTED_MAX {
            self.duplicates.push(duplicate);
        }
    }
}

/// Stations and shifts, each with an index.
#[derive(Debug, Default)]
struct Groups {
    indexes: BTreeMap<(Place, String), u16>,
    groups: Vec<Group>,
}

impl Groups {
    fn of(&mut self, station: Place, shift: &str) -> u16 {
        let key = (station, shift.to_owned());
        if let Some(index) = self.indexes.get(&key) {
            return *index;
        }
        // A station says what it likes: more shifts than a factory has share a line without a name.
        let (station, shift) =
            if self.groups.len() < GROUPS_MAX { key } else { (Place::Others, String::new()) };
        let index = u16::try_from(self.groups.len()).unwrap_or(u16::MAX);
        let index = *self.indexes.entry((station.clone(), shift.clone())).or_insert(index);
        if usize::from(index) == self.groups.len() {
            self.groups.push(Group { station, shift, totals: Totals::default() });
        }
        index
    }

    fn add(&mut self, group: u16, outcome: Outcome) {
        if let Some(group) = self.groups.get_mut(usize::from(group)) {
            group.totals.add(outcome, 1);
        }
    }

    /// Without those that all units left, by a rework elsewhere.
    fn sorted(self) -> Vec<Group> {
        let mut groups = self.groups;
        groups.retain(|group| group.totals.sum() > 0);
        groups.sort_by(|one, other| (&one.station, &one.shift).cmp(&(&other.station, &other.shift)));
        groups
    }
}

fn holder(holder: &Holder) -> String {
    match holder {
        Holder::Principal(principal) => principal.to_string(),
        Holder::Issuer(issuer) => format!("issuer:{issuer}"),
        Holder::DocumentSigner => "document-signer".to_owned(),
    }
}

fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Stations and shifts of one order: 64 stations with fifteen shifts each.
const GROUPS_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_station_that_names_a_new_shift_for_each_unit_does_not_fill_the_report() {
        let mut groups = Groups::default();
        let station = Place::Station("line-1".parse().unwrap());
        for number in 0..3 * GROUPS_MAX {
            let group = groups.of(station.clone(), &number.to_string());
            groups.add(group, Outcome::Passed);
        }
        let groups = groups.sorted();
        assert_eq!(groups.len(), GROUPS_MAX + 1);
        assert_eq!(groups.iter().map(|group| group.totals.sum()).sum::<u64>(), 3 * GROUPS_MAX as u64);
        let rest = groups.last().unwrap();
        assert_eq!((&rest.station, rest.totals.sum()), (&Place::Others, 2 * GROUPS_MAX as u64));
    }
}

//! What entries did to reservations, over the rows of a base.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use identity::{DeviceId, DeviceSerial, PrincipalName};

use super::Overlay;
use crate::{
    Entry, EntryNumber, ReservationChange, ReservationFacts, ReservationId, ReservedUnit, ReservedUnitState,
    View, WorkOrderId,
};

/// Rows of reservations that differ from those of the base.
#[derive(Debug, Default)]
pub(super) struct Reservations {
    pub(super) facts: BTreeMap<ReservationId, ReservationFacts>,
    /// Units that are out, withdrawn or refused; `None`: they are none of that any longer.
    units: HashMap<DeviceId, Option<ReservedUnit>>,
    /// Units out, by station.
    pub(super) out: HashMap<PrincipalName, u64>,
    /// Where the last search of an order ended.
    pub(super) passed: HashMap<WorkOrderId, DeviceSerial>,
    /// Units whose serial numbers were given up, and the entries that did.
    pub(super) given_up: HashMap<DeviceId, EntryNumber>,
    /// Whether a serial number is among those that were returned.
    returned: BTreeMap<(WorkOrderId, DeviceSerial), bool>,
}

impl Reservations {
    /// What is known here of the unit.
    pub(super) fn unit(&self, device: &DeviceId) -> Option<Option<ReservedUnit>> {
        if self.units.is_empty() { None } else { self.units.get(device).copied() }
    }
}

impl<B: View> Overlay<B> {
    pub(super) fn change_reservations(
        &mut self,
        entry: &Entry,
        change: ReservationChange<'_>,
    ) -> Result<(), B::Fault> {
        match change {
            ReservationChange::Made { facts, serials, passed } => self.reserve(*facts, serials, passed),
            ReservationChange::Returned { reservation, serials } => {
                self.return_units(entry, reservation, serials)
            }
            ReservationChange::Withdrawn { reservation, serials } => {
                self.withdraw(entry, reservation, serials)
            }
            ReservationChange::Refused { reservation, serial } => self.refuse(entry, reservation, serial),
        }
    }

    fn reserve(
        &mut self,
        facts: ReservationFacts,
        serials: &[DeviceSerial],
        passed: Option<&DeviceSerial>,
    ) -> Result<(), B::Fault> {
        let (reservation, work_order) = (facts.id, facts.work_order);
        let unit = ReservedUnit { reservation, state: ReservedUnitState::Out };
        self.set_units(work_order, serials, Some(unit))?;
        for serial in serials {
            self.reservations.returned.insert((work_order, serial.clone()), false);
        }
        if let Some(passed) = passed {
            self.reservations.passed.insert(work_order, passed.clone());
        }
        self.change_out(&facts.station, |out| out + facts.units)?;
        self.change_order(work_order, |order| order.counts.count_reserved(facts.units))?;
        self.reservations.facts.insert(reservation, facts);
        Ok(())
    }

    fn return_units(
        &mut self,
        entry: &Entry,
        reservation: ReservationId,
        serials: &[DeviceSerial],
    ) -> Result<(), B::Fault> {
        let units = serials.len() as u64;
        let changed = self.change_reservation(reservation, units, |known| {
            known.returned += units;
            known.changed = entry.number;
        })?;
        let Some(work_order) = changed else { return Ok(()) };
        self.set_units(work_order, serials, None)?;
        for serial in serials {
            self.reservations.returned.insert((work_order, serial.clone()), true);
        }
        self.change_order(work_order, |order| order.counts.count_home(units))
    }

    fn withdraw(
        &mut self,
        entry: &Entry,
        reservation: ReservationId,
        serials: &[DeviceSerial],
    ) -> Result<(), B::Fault> {
        let units = serials.len() as u64;
        let changed = self.change_reservation(reservation, units, |known| {
            known.withdrawn += units;
            known.changed = entry.number;
        })?;
        let Some(work_order) = changed else { return Ok(()) };
        let unit = ReservedUnit { reservation, state: ReservedUnitState::Withdrawn };
        self.set_units(work_order, serials, Some(unit))?;
        self.change_order(work_order, |order| order.counts.count_withdrawn(units))
    }

    fn refuse(
        &mut self,
        entry: &Entry,
        reservation: ReservationId,
        serial: &DeviceSerial,
    ) -> Result<(), B::Fault> {
        let changed = self.change_reservation(reservation, 1, |known| {
            known.refused += 1;
            known.changed = entry.number;
        })?;
        let Some(work_order) = changed else { return Ok(()) };
        let unit = ReservedUnit { reservation, state: ReservedUnitState::Refused };
        self.set_units(work_order, std::slice::from_ref(serial), Some(unit))?;
        self.change_order(work_order, |order| order.counts.count_refused_after_deferral())
    }

    /// The unit has a birth certificate under this order: it is neither out nor free.
    pub(super) fn take_reserved(
        &mut self,
        device: &DeviceId,
        work_order: WorkOrderId,
    ) -> Result<(), B::Fault> {
        self.take_out(device, work_order, |known| known.issued += 1)
    }

    /// The serial number of the unit is given up: it is neither out nor free.
    pub(super) fn give_up(
        &mut self,
        entry: &Entry,
        work_order: WorkOrderId,
        device: &DeviceId,
    ) -> Result<(), B::Fault> {
        self.take_out(device, work_order, |known| known.given_up += 1)?;
        self.reservations.returned.insert((work_order, device.serial.clone()), false);
        self.reservations.given_up.insert(device.clone(), entry.number);
        self.change_order(work_order, |order| order.counts.count_given_up())
    }

    fn take_out(
        &mut self,
        device: &DeviceId,
        work_order: WorkOrderId,
        count: impl FnOnce(&mut ReservationFacts),
    ) -> Result<(), B::Fault> {
        if let Some(unit) = self.reserved_unit(device)? {
            self.reservations.units.insert(device.clone(), None);
            self.change_reservation(unit.reservation, 1, count)?;
            self.change_order(work_order, |order| order.counts.count_home(1))?;
        }
        if let Some(returned) = self.reservations.returned.get_mut(&(work_order, device.serial.clone())) {
            *returned = false;
        }
        Ok(())
    }

    /// The serial numbers of a reservation that are out.
    pub(super) fn units_out_here(&self, reservation: ReservationId) -> Result<Vec<DeviceSerial>, B::Fault> {
        let mut out = self.base.units_out(reservation)?;
        if self.reservations.units.is_empty() {
            return Ok(out);
        }
        let Some(known) = self.reservation(reservation)? else { return Ok(out) };
        let Some(order) = self.work_order(known.work_order)? else { return Ok(out) };
        let is_out = |unit: Option<ReservedUnit>| {
            unit.is_some_and(|unit| unit.reservation == reservation && unit.state == ReservedUnitState::Out)
        };
        let product = &order.terms.product;
        out.retain(|serial| {
            let device = DeviceId { product: product.clone(), serial: serial.clone() };
            self.reservations.unit(&device).is_none_or(is_out)
        });
        let here = self.reservations.units.iter().filter(|(_, unit)| is_out(**unit));
        out.extend(here.map(|(device, _)| device.serial.clone()));
        out.sort();
        out.dedup();
        Ok(out)
    }

    /// The next serial number that was returned, here or in the base, and was not taken here.
    pub(super) fn next_returned(
        &self,
        work_order: WorkOrderId,
        after: Option<&DeviceSerial>,
    ) -> Result<Option<DeviceSerial>, B::Fault> {
        let from = match after {
            Some(serial) => Bound::Excluded((work_order, serial.clone())),
            None => Bound::Unbounded,
        };
        let mut here = self.reservations.returned.range((from, Bound::Unbounded));
        let here = here.find(|((of, _), returned)| *of == work_order && **returned);
        let here = here.map(|((_, serial), _)| serial.clone());
        let mut base = self.base.returned(work_order, after)?;
        while let Some(serial) = &base
            && self.reservations.returned.contains_key(&(work_order, serial.clone()))
        {
            base = self.base.returned(work_order, Some(serial))?;
        }
        Ok(match (here, base) {
            (Some(here), Some(base)) => Some(here.min(base)),
            (here, base) => here.or(base),
        })
    }

    fn set_units(
        &mut self,
        work_order: WorkOrderId,
        serials: &[DeviceSerial],
        unit: Option<ReservedUnit>,
    ) -> Result<(), B::Fault> {
        let Some(order) = self.work_order(work_order)? else { return Ok(()) };
        for serial in serials {
            let device = DeviceId { product: order.terms.product.clone(), serial: serial.clone() };
            self.reservations.units.insert(device, unit);
        }
        Ok(())
    }

    /// Changes a reservation, of which so many units are out no longer. Returns its order; `None`: there is
    /// no such reservation.
    fn change_reservation(
        &mut self,
        reservation: ReservationId,
        home: u64,
        change: impl FnOnce(&mut ReservationFacts),
    ) -> Result<Option<WorkOrderId>, B::Fault> {
        let Some(mut known) = self.reservation(reservation)? else { return Ok(None) };
        change(&mut known);
        self.change_out(&known.station, |out| out.saturating_sub(home))?;
        let work_order = known.work_order;
        self.reservations.facts.insert(reservation, known);
        Ok(Some(work_order))
    }

    fn change_out(
        &mut self,
        station: &PrincipalName,
        change: impl FnOnce(u64) -> u64,
    ) -> Result<(), B::Fault> {
        let out = self.units_out_for(station)?;
        self.reservations.out.insert(station.clone(), change(out));
        Ok(())
    }
}

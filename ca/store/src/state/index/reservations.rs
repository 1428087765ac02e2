//! Reservations, and the serial numbers that are out, withdrawn, refused or returned: kept whole, for at
//! most some ten thousand units a station are out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use identity::{DeviceId, DeviceSerial, PrincipalName};
use ledger::{
    EntryNumber, ReservationChange, ReservationFacts, ReservationId, ReservedUnit, ReservedUnitState,
    WorkOrderCounts, WorkOrderId,
};
use ledger_log::format::DeviceName;

use super::administration::Administration;

#[derive(Default)]
pub(crate) struct Reservations {
    /// By their numbers, from 1.
    facts: Vec<ReservationFacts>,
    /// Units that are out, and for ever those that were withdrawn or refused.
    units: HashMap<DeviceId, ReservedUnit>,
    /// The units of reservations that are out. A reservation without any has no row.
    out: BTreeMap<ReservationId, BTreeSet<DeviceSerial>>,
    /// How many are out, by station.
    out_for: BTreeMap<PrincipalName, u64>,
    /// Of orders that had a reservation.
    searches: BTreeMap<WorkOrderId, Search>,
    /// Units whose serial numbers were given up, and the entries that did.
    given_up: HashMap<DeviceId, EntryNumber>,
}

/// What a search for free serial numbers of an order need not look at again.
#[derive(Default)]
struct Search {
    /// It and all before it are taken or returned.
    passed: Option<DeviceSerial>,
    returned: BTreeSet<DeviceSerial>,
}

impl Reservations {
    pub(crate) fn get(&self, reservation: ReservationId) -> Option<&ReservationFacts> {
        self.facts.get(usize::try_from(reservation.0.checked_sub(1)?).ok()?)
    }

    /// How many there are; their numbers are 1 to this.
    pub(crate) fn count(&self) -> u64 {
        self.facts.len() as u64
    }

    pub(super) fn unit(&self, device: &DeviceId) -> Option<ReservedUnit> {
        self.units.get(device).copied()
    }

    pub(super) fn given_up(&self, device: &DeviceId) -> Option<EntryNumber> {
        // Asked for each birth: most ledgers have none.
        if self.given_up.is_empty() { None } else { self.given_up.get(device).copied() }
    }

    pub(super) fn units_out(&self, reservation: ReservationId) -> Vec<DeviceSerial> {
        self.out.get(&reservation).into_iter().flatten().cloned().collect()
    }

    pub(super) fn units_out_for(&self, station: &PrincipalName) -> u64 {
        self.out_for.get(station).copied().unwrap_or_default()
    }

    pub(super) fn passed(&self, work_order: WorkOrderId) -> Option<DeviceSerial> {
        self.searches.get(&work_order)?.passed.clone()
    }

    pub(super) fn returned(
        &self,
        work_order: WorkOrderId,
        after: Option<&DeviceSerial>,
    ) -> Option<DeviceSerial> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.searches
            .get(&work_order)?
            .returned
            .range::<DeviceSerial, _>((from, Bound::Unbounded))
            .next()
            .cloned()
    }

    fn change(
        &mut self,
        reservation: ReservationId,
        change: impl FnOnce(&mut ReservationFacts),
    ) -> Option<WorkOrderId> {
        let position = usize::try_from(reservation.0.checked_sub(1)?).ok()?;
        let known = self.facts.get_mut(position)?;
        change(known);
        Some(known.work_order)
    }

    /// Serial numbers of a reservation are out no longer.
    fn take_home(&mut self, reservation: ReservationId, serials: &[DeviceSerial]) {
        let mut home = 0;
        if let Some(out) = self.out.get_mut(&reservation) {
            home = serials.iter().filter(|serial| out.remove(*serial)).count() as u64;
            if out.is_empty() {
                self.out.remove(&reservation);
            }
        }
        if let Some(station) = self.get(reservation).map(|known| known.station.clone())
            && let Some(units) = self.out_for.get_mut(&station)
        {
            *units = units.saturating_sub(home);
        }
    }
}

impl Administration {
    pub(super) fn change_reservations(&mut self, entry: EntryNumber, change: ReservationChange<'_>) {
        match change {
            ReservationChange::Made { facts, serials, passed } => self.reserve(*facts, serials, passed),
            ReservationChange::Returned { reservation, serials } => {
                self.return_units(entry, reservation, serials);
            }
            ReservationChange::Withdrawn { reservation, serials } => {
                self.withdraw(entry, reservation, serials);
            }
            ReservationChange::Refused { reservation, serial } => self.refuse(entry, reservation, serial),
        }
    }

    fn reserve(&mut self, facts: ReservationFacts, serials: &[DeviceSerial], passed: Option<&DeviceSerial>) {
        let (reservation, work_order, units) = (facts.id, facts.work_order, facts.units);
        let unit = ReservedUnit { reservation, state: ReservedUnitState::Out };
        for device in self.devices_of_order(work_order, serials) {
            self.reservations.units.insert(device, unit);
        }
        self.reservations.out.insert(reservation, serials.iter().cloned().collect());
        *self.reservations.out_for.entry(facts.station.clone()).or_default() += units;
        self.reservations.facts.push(facts);
        let search = self.reservations.searches.entry(work_order).or_default();
        for serial in serials {
            search.returned.remove(serial);
        }
        if let Some(passed) = passed {
            search.passed = Some(passed.clone());
        }
        self.count(work_order, |counts| counts.count_reserved(units));
    }

    fn return_units(&mut self, entry: EntryNumber, reservation: ReservationId, serials: &[DeviceSerial]) {
        let units = serials.len() as u64;
        let changed = self.reservations.change(reservation, |known| {
            known.returned += units;
            known.changed = entry;
        });
        let Some(work_order) = changed else { return };
        self.reservations.take_home(reservation, serials);
        for device in self.devices_of_order(work_order, serials) {
            self.reservations.units.remove(&device);
        }
        self.reservations.searches.entry(work_order).or_default().returned.extend(serials.iter().cloned());
        self.count(work_order, |counts| counts.count_home(units));
    }

    fn withdraw(&mut self, entry: EntryNumber, reservation: ReservationId, serials: &[DeviceSerial]) {
        let units = serials.len() as u64;
        let changed = self.reservations.change(reservation, |known| {
            known.withdrawn += units;
            known.changed = entry;
        });
        let Some(work_order) = changed else { return };
        self.reservations.take_home(reservation, serials);
        let unit = ReservedUnit { reservation, state: ReservedUnitState::Withdrawn };
        for device in self.devices_of_order(work_order, serials) {
            self.reservations.units.insert(device, unit);
        }
        self.count(work_order, |counts| counts.count_withdrawn(units));
    }

    fn refuse(&mut self, entry: EntryNumber, reservation: ReservationId, serial: &DeviceSerial) {
        let changed = self.reservations.change(reservation, |known| {
            known.refused += 1;
            known.changed = entry;
        });
        let Some(work_order) = changed else { return };
        let serials = std::slice::from_ref(serial);
        self.reservations.take_home(reservation, serials);
        let unit = ReservedUnit { reservation, state: ReservedUnitState::Refused };
        for device in self.devices_of_order(work_order, serials) {
            self.reservations.units.insert(device, unit);
        }
        self.count(work_order, WorkOrderCounts::count_refused_after_deferral);
    }

    /// A unit has a birth certificate: it is neither out nor free. Returns whether it was out or returned.
    /// Every birth of the ledger passes here; without reservations it costs nothing.
    pub(super) fn take_reserved(&mut self, name: DeviceName<'_>, work_order: WorkOrderId) -> bool {
        if self.reservations.searches.is_empty() {
            return false;
        }
        let (Ok(product), Ok(serial)) = (name.product.parse(), name.serial.parse()) else { return false };
        self.take_out(&DeviceId { product, serial }, work_order, |known| known.issued += 1)
    }

    /// The serial number of a unit is given up: it is neither out nor free.
    pub(super) fn give_up(&mut self, device: &DeviceId, work_order: WorkOrderId, entry: EntryNumber) {
        self.take_out(device, work_order, |known| known.given_up += 1);
        self.reservations.given_up.insert(device.clone(), entry);
        self.count(work_order, WorkOrderCounts::count_given_up);
    }

    fn take_out(
        &mut self,
        device: &DeviceId,
        work_order: WorkOrderId,
        count: impl FnOnce(&mut ReservationFacts),
    ) -> bool {
        let mut taken = false;
        if let Some(unit) = self.reservations.units.remove(device) {
            self.reservations.take_home(unit.reservation, std::slice::from_ref(&device.serial));
            self.reservations.change(unit.reservation, count);
            self.count(work_order, |counts| counts.count_home(1));
            taken = true;
        }
        if let Some(search) = self.reservations.searches.get_mut(&work_order) {
            taken |= search.returned.remove(&device.serial);
        }
        taken
    }

    fn devices_of_order(&self, work_order: WorkOrderId, serials: &[DeviceSerial]) -> Vec<DeviceId> {
        let Some(order) = self.work_order(work_order) else { return Vec::new() };
        let device =
            |serial: &DeviceSerial| DeviceId { product: order.terms.product.clone(), serial: serial.clone() };
        serials.iter().map(device).collect()
    }
}

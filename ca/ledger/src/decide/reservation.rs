//! Units that stations take before they make them (ADR 0065). What is reserved is spent: it comes home
//! unused, gets its certificate, or is withdrawn and never given to another unit.

use std::collections::BTreeSet;
use std::time::Duration;

use identity::{DeviceId, DeviceSerial, Principal, PrincipalName, Role};

use super::{Outcome, Rules, record};
use crate::deferral::may_have_made;
use crate::{
    Conflict, Decision, Event, RESERVED_UNITS_MAX, RefusedDeferral, ReservationFacts, ReservationId,
    ReservedUnitState, UnitsWanted, View, WorkOrderFacts, WorkOrderId,
};

/// Serial numbers, and where the search for them ended.
type Found = (Vec<DeviceSerial>, Option<DeviceSerial>);

impl<V: View> Rules<'_, V> {
    pub(super) fn reserve_units(
        &self,
        caller: Option<&Principal>,
        work_order: WorkOrderId,
        wanted: &UnitsWanted,
        duration: Duration,
        station_units_max: u64,
    ) -> Outcome<Decision, V> {
        let order = self.order_of_station(caller, work_order)?;
        let station = station_of(caller).ok_or(Conflict::NoSuchWorkOrder(work_order))?;
        self.order_is_open(&order)?;
        self.product_goes_on(&order.terms.product)?;
        let room = self.room(&order, station, station_units_max)?;
        let (serials, passed) = match wanted {
            UnitsWanted::Next(count) => self.next_free(&order, room.min(*count))?,
            UnitsWanted::Named(serials) => (self.free_of(&order, serials, room)?, None),
        };
        let end = self.now.checked_add(duration).unwrap_or(self.now);
        let ends_at = order.terms.closes_at.map_or(end, |closes_at| closes_at.min(end));
        let reservation = ReservationId(self.view.reservations()? + 1);
        Ok(record(Event::UnitsReserved { work_order, reservation, serials, ends_at, passed }))
    }

    /// How many units the station may have more: at least one (R-CA-09).
    fn room(
        &self,
        order: &WorkOrderFacts,
        station: &PrincipalName,
        station_units_max: u64,
    ) -> Outcome<u64, V> {
        let quantity = order.terms.quantity;
        let left = quantity.saturating_sub(order.counts.spent());
        if left == 0 {
            return Err(Conflict::WorkOrderExhausted { work_order: order.id, quantity }.into());
        }
        let of_station = station_units_max.saturating_sub(self.view.units_out_for(station)?);
        if of_station == 0 {
            return Err(Conflict::TooManyReserved { units_max: station_units_max }.into());
        }
        Ok(left.min(of_station).min(RESERVED_UNITS_MAX))
    }

    /// The next free serial numbers, and where the search for them ended: first those that were returned,
    /// then those that were never taken. It begins where the search before ended, so an order is walked once.
    fn next_free(&self, order: &WorkOrderFacts, count: u64) -> Outcome<Found, V> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let mut found = BTreeSet::new();
        let mut last = None;
        while found.len() < count
            && let Some(serial) = self.view.returned(order.id, last.as_ref())?
        {
            if self.why_taken(order, &serial)?.is_none() {
                found.insert(serial.clone());
            }
            last = Some(serial);
        }
        let mut passed = self.view.passed(order.id)?;
        for serial in order.terms.serials.behind(passed.clone().as_ref()) {
            if found.len() >= count {
                break;
            }
            if !found.contains(&serial) && self.why_taken(order, &serial)?.is_none() {
                found.insert(serial.clone());
            }
            passed = Some(serial);
        }
        match found.is_empty() {
            true => Err(Conflict::NoFreeSerial(order.id).into()),
            false => Ok((found.into_iter().collect(), passed)),
        }
    }

    /// Those that are free. If none is, the conflict says why the first is not.
    fn free_of(
        &self,
        order: &WorkOrderFacts,
        serials: &BTreeSet<DeviceSerial>,
        units_max: u64,
    ) -> Outcome<Vec<DeviceSerial>, V> {
        let (mut free, mut taken) = (Vec::new(), None);
        for serial in serials {
            if !order.terms.serials.contains(serial) {
                let device = device(order, serial);
                return Err(Conflict::SerialNotInWorkOrder { work_order: order.id, device }.into());
            }
            match self.why_taken(order, serial)? {
                None => free.push(serial.clone()),
                Some(why) => taken = taken.or(Some(why)),
            }
        }
        free.truncate(usize::try_from(units_max).unwrap_or(usize::MAX));
        match free.is_empty() {
            true => Err(taken.unwrap_or(Conflict::NoFreeSerial(order.id)).into()),
            false => Ok(free),
        }
    }

    /// Why a serial number of the order cannot be reserved; `None`: it is free.
    fn why_taken(&self, order: &WorkOrderFacts, serial: &DeviceSerial) -> Outcome<Option<Conflict>, V> {
        let device = device(order, serial);
        Ok(match self.view.reserved_unit(&device)? {
            Some(unit) => Some(why_not_free(unit.state, device)),
            None if self.view.is_born(&device)? => Some(Conflict::UnitMade(device)),
            None if self.view.given_up(&device)?.is_some() => Some(Conflict::UnitGivenUp(device)),
            None => None,
        })
    }

    pub(super) fn return_units(
        &self,
        caller: Option<&Principal>,
        reservation: ReservationId,
        serials: &BTreeSet<DeviceSerial>,
    ) -> Outcome<Decision, V> {
        let known = self.reservation_of_station(caller, reservation)?;
        if known.withdrawn > 0 {
            return Err(Conflict::ReservationWithdrawn(reservation).into());
        }
        let mut out = self.view.units_out(reservation)?;
        out.retain(|serial| serials.is_empty() || serials.contains(serial));
        // What has a certificate by now, or came home before, is nothing to return.
        Ok(match out.is_empty() {
            true => Decision::Replay(known.changed),
            false => record(Event::UnitsReturned { reservation, serials: out }),
        })
    }

    pub(super) fn withdraw_reservation(&self, reservation: ReservationId) -> Outcome<Decision, V> {
        let known = self.view.reservation(reservation)?;
        let known = known.ok_or(Conflict::NoSuchReservation(reservation))?;
        let serials = self.view.units_out(reservation)?;
        Ok(match serials.is_empty() {
            true => Decision::Replay(known.changed),
            false => record(Event::ReservationWithdrawn { reservation, serials }),
        })
    }

    /// The reservation that the unit is out for, if it is the caller's under this order: then its quota is
    /// spent already.
    pub(super) fn reserved_for(
        &self,
        caller: Option<&Principal>,
        order: &WorkOrderFacts,
        device: &DeviceId,
    ) -> Outcome<Option<ReservationFacts>, V> {
        let Some(unit) = self.view.reserved_unit(device)? else { return Ok(None) };
        if unit.state != ReservedUnitState::Out {
            return Err(why_not_free(unit.state, device.clone()).into());
        }
        let reservation = self.view.reservation(unit.reservation)?;
        let own = |known: &ReservationFacts| {
            known.work_order == order.id && station_of(caller) == Some(&known.station)
        };
        match reservation.filter(own) {
            Some(known) => Ok(Some(known)),
            None => Err(Conflict::UnitReserved(device.clone()).into()),
        }
    }

    /// The unit is locked and cannot get another key: its serial number comes off the reservation and stays
    /// spent. Only the station that holds it says so, by its own request.
    pub(super) fn refuse_deferral(
        &self,
        caller: Option<&Principal>,
        work_order: WorkOrderId,
        device: &DeviceId,
        refused: RefusedDeferral,
    ) -> Outcome<Decision, V> {
        let order = self.order_of_station(caller, work_order)?;
        let reservation = self.reserved_for(caller, &order, device)?;
        let reservation = reservation.ok_or_else(|| Conflict::NotReserved(device.clone()))?;
        if !may_have_made(&reservation, refused.made_at, self.now) {
            return Err(Conflict::NotMadeThen(device.clone()).into());
        }
        let (reservation, device) = (reservation.id, device.clone());
        Ok(record(Event::DeferralRefused { work_order, reservation, device, refused }))
    }

    /// The reservation, if the caller holds it. Others are not told that it exists.
    fn reservation_of_station(
        &self,
        caller: Option<&Principal>,
        reservation: ReservationId,
    ) -> Outcome<ReservationFacts, V> {
        let known = self.view.reservation(reservation)?;
        known
            .filter(|known| station_of(caller) == Some(&known.station))
            .ok_or_else(|| Conflict::NoSuchReservation(reservation).into())
    }
}

/// Why nobody reserves or makes a unit that is, or was, in a reservation.
pub(super) fn why_not_free(state: ReservedUnitState, device: DeviceId) -> Conflict {
    match state {
        ReservedUnitState::Out => Conflict::UnitReserved(device),
        ReservedUnitState::Withdrawn => Conflict::UnitWithdrawn(device),
        ReservedUnitState::Refused => Conflict::UnitRefused(device),
    }
}

pub(super) fn station_of(caller: Option<&Principal>) -> Option<&PrincipalName> {
    match caller {
        Some(Principal::Named { role: Role::Station, name }) => Some(name),
        _ => None,
    }
}

fn device(order: &WorkOrderFacts, serial: &DeviceSerial) -> DeviceId {
    DeviceId { product: order.terms.product.clone(), serial: serial.clone() }
}

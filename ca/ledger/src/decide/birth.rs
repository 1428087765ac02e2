//! Birth certificates, and what becomes of the units.

use std::time::SystemTime;

use identity::{DeviceId, GeneratorTraces, KeyFingerprint, Principal, Role, SerialNumber};

use super::{Outcome, Rules, Stop, Words, record};
use crate::deferral::may_have_made;
use crate::{
    CertificateStatus, Clash, Conflict, Decision, DeviceFacts, EntryNumber, Event, RevokedCertificate, View,
    WorkOrderFacts, WorkOrderId, WorkOrderState,
};

impl<V: View> Rules<'_, V> {
    /// Whether the unit may have a birth certificate for this key: the entry that gave it the same one
    /// before, or `None` if nothing is in the way.
    ///
    /// What was issued is looked at before what may be issued, so that a unit whose answer was lost gets it
    /// from an order that is exhausted, paused or closed by now.
    pub(super) fn may_be_born(
        &self,
        caller: Option<&Principal>,
        work_order: WorkOrderId,
        device: &DeviceId,
        key: &KeyFingerprint,
        (made_at, traces): (Option<SystemTime>, &GeneratorTraces),
    ) -> Outcome<Option<EntryNumber>, V> {
        let order = self.order_of_station(caller, work_order)?;
        if let Some(known) = self.view.device(device)? {
            return self.born_before(caller, &known, &order, key, (made_at, traces));
        }
        let allowed = self.order_allows(caller, &order, device, made_at);
        self.may_be_new(device, key, traces, allowed)
    }

    pub(super) fn replaced(&self, device: &DeviceId) -> Outcome<Vec<RevokedCertificate>, V> {
        match self.view.device(device)? {
            Some(_) => self.not_yet_revoked(device),
            None => Ok(Vec::new()),
        }
    }

    pub(super) fn confirm_unit(
        &self,
        caller: Option<&Principal>,
        work_order: WorkOrderId,
        device: &DeviceId,
        serial_number: SerialNumber,
    ) -> Outcome<Decision, V> {
        let known = self.unit_of_order(caller, work_order, device)?;
        known.still_lives()?;
        if known.birth != serial_number {
            return Err(Conflict::NoSuchCertificate(device.clone()).into());
        }
        if self.view.certificate_status(&serial_number)? == Some(CertificateStatus::Revoked) {
            return Err(Conflict::CertificateRevoked.into());
        }
        match known.changed {
            Some(entry) if known.flags.confirmed => Ok(Decision::Replay(entry)),
            _ => Ok(record(Event::UnitConfirmed { work_order, device: device.clone(), serial_number })),
        }
    }

    pub(super) fn scrap_unit(
        &self,
        caller: Option<&Principal>,
        work_order: WorkOrderId,
        device: &DeviceId,
        words: Words<'_>,
    ) -> Outcome<Decision, V> {
        let known = self.unit_of_order(caller, work_order, device)?;
        if let (true, Some(entry)) = (known.flags.scrapped, known.changed) {
            return Ok(Decision::Replay(entry));
        }
        if known.flags.retired {
            return Err(Conflict::DeviceRetired(device.clone()).into());
        }
        // A unit that enrolled is its owner's, whatever the order says.
        if known.operational.is_some() {
            return Err(Conflict::DeviceInUse(device.clone()).into());
        }
        // A unit that passed, of an order that ended, has left the factory: a stolen station does not revoke
        // the fleet that it once made.
        let state = self.order_of_caller(caller, work_order)?.state;
        if state == WorkOrderState::Closed && known.flags.confirmed {
            return Err(Conflict::WorkOrderNotOpen { work_order, state }.into());
        }
        let revoked = self.not_yet_revoked(device)?;
        let (reason, operator) = (words.reason.to_owned(), words.operator.to_owned());
        Ok(record(Event::UnitScrapped { work_order, device: device.clone(), reason, revoked, operator }))
    }

    /// Those of the device's certificates that a revocation still has to name, each with the date that it
    /// keeps.
    pub(super) fn not_yet_revoked(&self, device: &DeviceId) -> Outcome<Vec<RevokedCertificate>, V> {
        self.unrevoked_of(&self.view.certificates(device)?)
    }

    pub(super) fn unrevoked_of(&self, certificates: &[SerialNumber]) -> Outcome<Vec<RevokedCertificate>, V> {
        let mut revoked = Vec::new();
        for serial_number in certificates {
            revoked.extend(self.to_revoke(*serial_number)?);
        }
        Ok(revoked)
    }

    /// The unit has a birth certificate: the same request, a rework, or another request.
    fn born_before(
        &self,
        caller: Option<&Principal>,
        known: &DeviceFacts,
        order: &WorkOrderFacts,
        key: &KeyFingerprint,
        (made_at, traces): (Option<SystemTime>, &GeneratorTraces),
    ) -> Outcome<Option<EntryNumber>, V> {
        known.still_lives()?;
        let birth = self.view.certificate(&known.birth)?;
        let same_order = known.work_order == order.id;
        if !same_order && birth.as_ref().is_some_and(|birth| birth.key == *key) {
            return Err(self.of_another_order(caller, known)?.into());
        }
        if let Some(birth) = birth.as_ref().filter(|birth| birth.key == *key && same_order) {
            self.may_be_handed_out(birth)?;
            return Ok(Some(birth.entry));
        }
        if known.flags.rework && same_order {
            let allowed = match made_at {
                // A rework is asked for before it is done: nobody reserves a number that a unit has.
                Some(_) => Err(Conflict::NotReserved(known.id.clone())),
                None => self.order_is_open(order),
            };
            let allowed = allowed.map_err(Stop::from);
            return self.may_be_new(&known.id, key, traces, allowed);
        }
        let refusal = Conflict::DeviceAlreadyIssued(known.id.clone());
        match birth.filter(|birth| birth.key != *key && caller.is_some()) {
            Some(birth) => Err(self.duplicate(&known.id, &birth, Clash::Serial, false, refusal)?),
            None => Err(refusal.into()),
        }
    }

    /// The unit, if it was made under this order and the caller may use the order.
    pub(super) fn unit_of_order(
        &self,
        caller: Option<&Principal>,
        work_order: WorkOrderId,
        device: &DeviceId,
    ) -> Outcome<DeviceFacts, V> {
        self.order_of_caller(caller, work_order)?;
        match self.view.device(device)? {
            Some(known) if known.work_order == work_order => Ok(known),
            Some(known) => Err(self.of_another_order(caller, &known)?.into()),
            None => Err(Conflict::NoSuchDevice(device.clone()).into()),
        }
    }

    /// The refusal for a unit of another order. A station is told which one only if that order names it.
    fn of_another_order(&self, caller: Option<&Principal>, known: &DeviceFacts) -> Outcome<Conflict, V> {
        let work_order = match self.order_of_caller(caller, known.work_order) {
            Ok(order) => Some(order.id),
            Err(Stop::Conflict(_)) => None,
            Err(stop) => return Err(stop),
        };
        Ok(Conflict::DeviceOfAnotherWorkOrder { device: known.id.clone(), work_order })
    }

    /// The order, if the caller is an operator, or a station that it names.
    pub(super) fn order_of_caller(
        &self,
        caller: Option<&Principal>,
        work_order: WorkOrderId,
    ) -> Outcome<WorkOrderFacts, V> {
        match caller {
            Some(Principal::Named { role: Role::Operator, .. }) => {
                self.view.work_order(work_order)?.ok_or_else(|| Conflict::NoSuchWorkOrder(work_order).into())
            }
            _ => self.order_of_station(caller, work_order),
        }
    }

    /// The order, if it names the caller. Others are not told that it exists.
    pub(super) fn order_of_station(
        &self,
        caller: Option<&Principal>,
        work_order: WorkOrderId,
    ) -> Outcome<WorkOrderFacts, V> {
        let named = |order: &WorkOrderFacts| match caller {
            Some(Principal::Named { role: Role::Station, name }) => order.terms.stations.contains(name),
            _ => false,
        };
        self.view
            .work_order(work_order)?
            .filter(named)
            .ok_or_else(|| Conflict::NoSuchWorkOrder(work_order).into())
    }

    pub(super) fn order_is_open(&self, order: &WorkOrderFacts) -> Result<(), Conflict> {
        let (work_order, terms) = (order.id, &order.terms);
        order_is_not_stopped(order)?;
        if terms.opens_at.is_some_and(|opens_at| self.now < opens_at) {
            return Err(Conflict::WorkOrderNotYetOpen(work_order));
        }
        if terms.closes_at.is_some_and(|closes_at| self.now >= closes_at) {
            return Err(Conflict::WorkOrderExpired(work_order));
        }
        Ok(())
    }

    /// Whether the order has room for the device now (R-CA-09). A reserved unit has its room, and may have
    /// been made before the window ended, or the reservation did (ADR 0065).
    fn order_allows(
        &self,
        caller: Option<&Principal>,
        order: &WorkOrderFacts,
        device: &DeviceId,
        made_at: Option<SystemTime>,
    ) -> Outcome<(), V> {
        let (work_order, terms) = (order.id, &order.terms);
        if self.view.given_up(device)?.is_some() {
            return Err(Conflict::UnitGivenUp(device.clone()).into());
        }
        let reservation = self.reserved_for(caller, order, device)?;
        if let Some(made_at) = made_at {
            let reservation = reservation.as_ref().ok_or_else(|| Conflict::NotReserved(device.clone()))?;
            if !may_have_made(reservation, made_at, self.now) {
                return Err(Conflict::NotMadeThen(device.clone()).into());
            }
        }
        let is_reserved = reservation.is_some();
        match is_reserved {
            true => order_is_not_stopped(order)?,
            false => self.order_is_open(order)?,
        }
        if terms.product != device.product {
            return Err(Conflict::ProductNotInWorkOrder { work_order, device: device.clone() }.into());
        }
        if !terms.serials.contains(&device.serial) {
            return Err(Conflict::SerialNotInWorkOrder { work_order, device: device.clone() }.into());
        }
        if !is_reserved && order.counts.spent() >= terms.quantity {
            return Err(Conflict::WorkOrderExhausted { work_order, quantity: terms.quantity }.into());
        }
        Ok(())
    }
}

pub(super) fn order_is_not_stopped(order: &WorkOrderFacts) -> Result<(), Conflict> {
    match order.state {
        WorkOrderState::Open => Ok(()),
        state => Err(Conflict::WorkOrderNotOpen { work_order: order.id, state }),
    }
}

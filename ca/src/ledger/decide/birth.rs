//! Birth certificates, and what becomes of the units.

use identity::{DeviceId, KeyFingerprint, Principal, Role, SerialNumber};

use super::{Outcome, Rules, Stop, record};
use crate::ledger::{
    Conflict, Decision, DeviceFacts, EntryNumber, Event, Standing, View, WorkOrderFacts, WorkOrderId,
    WorkOrderState,
};

impl<V: View> Rules<'_, V> {
    /// Whether the unit may have a birth certificate for this key: the entry that gave it the same one before, or `None` if nothing is in the way.
    ///
    /// What was issued is looked at before what may be issued, so that a unit whose answer was lost gets it from an order that is exhausted,
    /// paused or closed by now.
    pub(super) fn may_be_born(
        &self,
        caller: Option<&Principal>,
        work_order: WorkOrderId,
        device: &DeviceId,
        key: &KeyFingerprint,
    ) -> Outcome<Option<EntryNumber>, V::Fault> {
        let order = self.order_of_station(caller, work_order)?;
        if let Some(known) = self.view.device(device).map_err(Stop::Fault)? {
            return self.born_before(&known, work_order, key).map(Some);
        }
        if self.view.key(key).map_err(Stop::Fault)?.is_some() {
            return Err(Conflict::KeyAlreadyUsed.into());
        }
        self.order_allows(&order, device)?;
        Ok(None)
    }

    pub(super) fn confirm_unit(
        &self,
        caller: Option<&Principal>,
        work_order: WorkOrderId,
        device: &DeviceId,
        serial_number: SerialNumber,
    ) -> Outcome<Decision, V::Fault> {
        let known = self.unit_of_order(caller, work_order, device)?;
        if known.scrapped {
            return Err(Conflict::DeviceScrapped(device.clone()).into());
        }
        if known.certificates.first() != Some(&serial_number) {
            return Err(Conflict::NoSuchCertificate(device.clone()).into());
        }
        match known.changed {
            Some(entry) => Ok(Decision::Replay(entry)),
            None => Ok(record(Event::UnitConfirmed { work_order, device: device.clone(), serial_number })),
        }
    }

    pub(super) fn scrap_unit(
        &self,
        caller: Option<&Principal>,
        work_order: WorkOrderId,
        device: &DeviceId,
        reason: &str,
    ) -> Outcome<Decision, V::Fault> {
        let known = self.unit_of_order(caller, work_order, device)?;
        if let (true, Some(entry)) = (known.scrapped, known.changed) {
            return Ok(Decision::Replay(entry));
        }
        // A unit that passed, of an order that ended, has left the factory: a stolen station does not withdraw the fleet that it once made.
        let state = self.order_of_station(caller, work_order)?.state;
        if state == WorkOrderState::Closed && known.confirmed {
            return Err(Conflict::WorkOrderNotOpen { work_order, state }.into());
        }
        let revoked = self.not_yet_revoked(&known.certificates)?;
        let reason = reason.to_owned();
        Ok(record(Event::UnitScrapped { work_order, device: device.clone(), reason, revoked }))
    }

    /// Those of the certificates that a withdrawal still has to name.
    pub(super) fn not_yet_revoked(
        &self,
        certificates: &[SerialNumber],
    ) -> Outcome<Vec<SerialNumber>, V::Fault> {
        let mut revoked = Vec::new();
        for serial_number in certificates {
            let facts = self.view.certificate(serial_number).map_err(Stop::Fault)?;
            if facts.is_some_and(|facts| facts.standing != Standing::Revoked) {
                revoked.push(*serial_number);
            }
        }
        Ok(revoked)
    }

    /// The unit has a birth certificate: the same question, or another one.
    fn born_before(
        &self,
        known: &DeviceFacts,
        work_order: WorkOrderId,
        key: &KeyFingerprint,
    ) -> Outcome<EntryNumber, V::Fault> {
        if known.scrapped {
            return Err(Conflict::DeviceScrapped(known.id.clone()).into());
        }
        let birth = match known.certificates.first() {
            Some(serial_number) => self.view.certificate(serial_number).map_err(Stop::Fault)?,
            None => None,
        };
        match birth {
            Some(birth) if birth.key == *key && known.work_order == work_order => {
                self.may_be_handed_out(&birth)?;
                Ok(birth.entry)
            }
            _ => Err(Conflict::DeviceAlreadyIssued(known.id.clone()).into()),
        }
    }

    /// The unit, if it was made under this order and the caller may use the order.
    fn unit_of_order(
        &self,
        caller: Option<&Principal>,
        work_order: WorkOrderId,
        device: &DeviceId,
    ) -> Outcome<DeviceFacts, V::Fault> {
        self.order_of_station(caller, work_order)?;
        self.view
            .device(device)
            .map_err(Stop::Fault)?
            .filter(|known| known.work_order == work_order)
            .ok_or_else(|| Conflict::NoSuchDevice(device.clone()).into())
    }

    /// The order, if it names the caller. Others are not told that it exists.
    fn order_of_station(
        &self,
        caller: Option<&Principal>,
        work_order: WorkOrderId,
    ) -> Outcome<WorkOrderFacts, V::Fault> {
        let named = |order: &WorkOrderFacts| match caller {
            Some(Principal::Named { role: Role::Station, name }) => order.terms.stations.contains(name),
            _ => false,
        };
        self.view
            .work_order(work_order)
            .map_err(Stop::Fault)?
            .filter(named)
            .ok_or_else(|| Conflict::NoSuchWorkOrder(work_order).into())
    }

    /// Whether the order has room for the device now (R-CA-09).
    fn order_allows(&self, order: &WorkOrderFacts, device: &DeviceId) -> Result<(), Conflict> {
        let (work_order, terms) = (order.id, &order.terms);
        if order.state != WorkOrderState::Open {
            return Err(Conflict::WorkOrderNotOpen { work_order, state: order.state });
        }
        if terms.opens_at.is_some_and(|opens_at| self.now < opens_at) {
            return Err(Conflict::WorkOrderNotYetOpen(work_order));
        }
        if terms.closes_at.is_some_and(|closes_at| self.now >= closes_at) {
            return Err(Conflict::WorkOrderExpired(work_order));
        }
        if terms.product != device.product {
            return Err(Conflict::ProductNotInWorkOrder { work_order, device: device.clone() });
        }
        if !terms.serials.contains(&device.serial) {
            return Err(Conflict::SerialNotInWorkOrder { work_order, device: device.clone() });
        }
        if order.counts.issued >= terms.quantity {
            return Err(Conflict::WorkOrderExhausted { work_order, quantity: terms.quantity });
        }
        Ok(())
    }
}

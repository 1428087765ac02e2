//! Holding, releasing, retiring and reworking devices. Who may do so is settled before (roles); here is what
//! may follow what.

use identity::{DeviceId, Principal, Role};

use super::{Outcome, Rules, Words, record};
use crate::{CertificateStatus, Conflict, Decision, DeviceFacts, DeviceFlags, Event, View, WorkOrderId};

impl<V: View> Rules<'_, V> {
    pub(super) fn hold(&self, device: &DeviceId, note: &str) -> Outcome<Decision, V> {
        let known = self.known(device)?;
        known.is_not_gone()?;
        if let (true, Some(entry)) = (known.flags.held, known.changed) {
            return Ok(Decision::Replay(entry));
        }
        let certificates = self.with_status(&known, CertificateStatus::is_good)?;
        // A hold also refuses the next birth certificate, so it is of use where there is nothing to suspend
        // but a rework is allowed.
        if certificates.is_empty() && !known.flags.rework {
            return Err(Conflict::DeviceRevoked(device.clone()).into());
        }
        Ok(record(Event::DeviceHeld { device: device.clone(), note: note.to_owned(), certificates }))
    }

    pub(super) fn release(&self, device: &DeviceId) -> Outcome<Decision, V> {
        let known = self.known(device)?;
        known.is_not_gone()?;
        if !known.flags.held {
            return Err(Conflict::DeviceNotHeld(device.clone()).into());
        }
        let certificates = self.with_status(&known, |status| status == CertificateStatus::Held)?;
        Ok(record(Event::DeviceReleased { device: device.clone(), certificates }))
    }

    pub(super) fn retire(&self, device: &DeviceId, note: &str) -> Outcome<Decision, V> {
        let known = self.known(device)?;
        if let (true, Some(entry)) = (known.flags.retired, known.changed) {
            return Ok(Decision::Replay(entry));
        }
        known.is_not_gone()?;
        let revoked = self.not_yet_revoked(device)?;
        Ok(record(Event::DeviceRetired { device: device.clone(), note: note.to_owned(), revoked }))
    }

    /// R-LIFE-12: within the order's window, so that nobody can wait for a factory that is long closed.
    pub(super) fn allow_rework(
        &self,
        caller: Option<&Principal>,
        work_order: Option<WorkOrderId>,
        device: &DeviceId,
        words: Words<'_>,
    ) -> Outcome<Decision, V> {
        let known = match (caller, work_order) {
            (Some(Principal::Named { role: Role::Operator, .. }), None) => self.known(device)?,
            (_, Some(work_order)) => self.unit_of_order(caller, work_order, device)?,
            (_, None) => return Err(Conflict::NoSuchDevice(device.clone()).into()),
        };
        known.still_lives()?;
        // A unit that enrolled is its owner's: a stolen station does not take it out of the field.
        if work_order.is_some() && known.operational.is_some() {
            return Err(Conflict::DeviceInUse(device.clone()).into());
        }
        if let (true, Some(entry)) = (known.flags.rework, known.changed) {
            return Ok(Decision::Replay(entry));
        }
        let order = self.view.work_order(known.work_order)?;
        let order = order.ok_or(Conflict::NoSuchWorkOrder(known.work_order))?;
        self.order_is_open(&order)?;
        let (reason, operator) = (words.reason.to_owned(), words.operator.to_owned());
        Ok(record(Event::ReworkAllowed { device: device.clone(), reason, operator }))
    }

    /// Those of the device's certificates that are worth this.
    pub(super) fn with_status(
        &self,
        known: &DeviceFacts,
        wanted: impl Fn(CertificateStatus) -> bool,
    ) -> Outcome<Vec<identity::SerialNumber>, V> {
        let mut certificates = Vec::new();
        for serial_number in &self.view.certificates(&known.id)? {
            if self.view.certificate_status(serial_number)?.is_some_and(&wanted) {
                certificates.push(*serial_number);
            }
        }
        Ok(certificates)
    }

    fn known(&self, device: &DeviceId) -> Outcome<DeviceFacts, V> {
        let known = self.view.device(device)?;
        known.ok_or_else(|| Conflict::NoSuchDevice(device.clone()).into())
    }
}

impl DeviceFacts {
    /// Whether it is neither scrapped, nor retired, nor on hold.
    ///
    /// # Errors
    /// Which of them it is.
    pub fn still_lives(&self) -> Result<(), Conflict> {
        self.is_not_gone()?;
        if self.flags.held { Err(Conflict::DeviceHeld(self.id.clone())) } else { Ok(()) }
    }

    /// Neither scrapped nor retired: both are for ever.
    pub(super) fn is_not_gone(&self) -> Result<(), Conflict> {
        match self.flags {
            DeviceFlags { scrapped: true, .. } => Err(Conflict::DeviceScrapped(self.id.clone())),
            DeviceFlags { retired: true, .. } => Err(Conflict::DeviceRetired(self.id.clone())),
            _ => Ok(()),
        }
    }
}

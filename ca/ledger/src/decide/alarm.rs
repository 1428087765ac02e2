//! What is refused and recorded all the same: forks, duplicates, and random generators that repeat
//! themselves.

use std::time::Duration;

use identity::{DeviceId, SerialNumber};

use super::{Outcome, Rules, Stop};
use crate::{
    ALARMS_A_DAY_MAX, AlarmPair, CertificateFacts, CertificateStatus, Clash, Conflict, Decision, Event, View,
};

impl<V: View> Rules<'_, V> {
    /// A key or a device serial is another's: refused, and once for a pair recorded. `pauses`: with this the
    /// product of the device is paused.
    pub(super) fn duplicate(
        &self,
        device: &DeviceId,
        first: &CertificateFacts,
        what: Clash,
        pauses: bool,
        conflict: Conflict,
    ) -> Outcome<Stop<V::Fault>, V> {
        // A device that comes with a key that it had before has made a mistake, and nobody copied anything.
        if first.holder.device() == Some(device) && what == Clash::Key {
            return Ok(conflict.into());
        }
        let (device, certificate) = (device.clone(), first.serial_number);
        let event =
            Event::DuplicateRefused { device, other: first.holder.clone(), certificate, what, pauses };
        self.once(event, conflict)
    }

    /// A prime of an RSA key is another's: as for a whole key, but also between two keys of one device.
    pub(super) fn shared_prime(
        &self,
        device: &DeviceId,
        certificate: SerialNumber,
        at_birth: bool,
    ) -> Outcome<Decision, V> {
        let Some(first) = self.view.certificate(&certificate)? else {
            return Err(Conflict::NoCertificate(certificate).into());
        };
        let pauses = at_birth && self.pause_of(&device.product)?.is_none();
        Err(self.duplicate(device, &first, Clash::Prime, pauses, Conflict::SharedPrime)?)
    }

    /// Whoever shows a certificate that was revoked unused has it, and its key: another one than the device
    /// that used its sibling. Once: the certificate opens nothing, so a hold is not repeated after an
    /// operator ended it.
    pub(super) fn revoked_sibling(
        &self,
        device: &DeviceId,
        certificate: SerialNumber,
        used: SerialNumber,
        hold_on_fork: bool,
    ) -> Outcome<Decision, V> {
        let refusal = Conflict::LineageForked(device.clone());
        let known = self.view.device(device)?;
        let known = known.ok_or_else(|| Conflict::NoSuchDevice(device.clone()))?;
        let revoked = self.view.certificate_status(&certificate)? == Some(CertificateStatus::Revoked);
        if !revoked || known.is_not_gone().is_err() {
            return Err(refusal.into());
        }
        let held = hold_on_fork && !known.flags.held;
        let certificates = match held {
            true => self.with_status(&known, CertificateStatus::is_good)?,
            false => Vec::new(),
        };
        let (device, parent, child) = (device.clone(), certificate, used);
        Err(self.once(Event::ForkDetected { device, parent, child, held, certificates }, refusal)?)
    }

    /// The conflict, with the alarm if it is not on record yet.
    pub(super) fn once(&self, event: Event, conflict: Conflict) -> Outcome<Stop<V::Fault>, V> {
        let Some(pair) = AlarmPair::of(&event) else { return Ok(conflict.into()) };
        if self.view.alarm(&pair)? {
            return Ok(conflict.into());
        }
        match pair {
            // It is the first of a pause, which an operator has to end before there is another one: so many
            // alarms of a day do not keep it away.
            AlarmPair::Pause(..) => return Ok(Stop::Alarm(Box::new(event), conflict)),
            AlarmPair::Duplicate(device, certificate, what) => {
                if self.view.alarm(&AlarmPair::Pause(device, certificate, what))? {
                    return Ok(conflict.into());
                }
            }
            AlarmPair::Fork(..) => {}
        }
        let since = self.now.checked_sub(DAY).unwrap_or(self.now);
        let raised = self.view.alarms_since(since, ALARMS_A_DAY_MAX)?;
        if raised >= ALARMS_A_DAY_MAX {
            return Ok(conflict.into());
        }
        Ok(Stop::Alarm(Box::new(event), conflict))
    }
}

const DAY: Duration = Duration::from_secs(86_400);

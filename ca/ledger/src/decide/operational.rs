//! Operational certificates: enrolment, renewal, and which of them is the one in use.

use identity::{DeviceId, KeyFingerprint, Principal, ProfileName, SerialNumber};

use super::{Outcome, Rules, Stop, record};
use crate::{
    AfterRenewal, CertificateFacts, CertificateStatus, Clash, Conflict, Decision, DeviceFacts, EntryNumber,
    Event, Holder, RevokedCertificate, View,
};

impl<V: View> Rules<'_, V> {
    /// Whether the device may have an operational certificate for this key: the entry that gave it one
    /// before, or `None` if nothing is in the way.
    ///
    /// While its certificate is only *issued*, the device may come with another key: it may have lost the
    /// first before it could install it. Once one is *in use*, only that one has children. A second one on
    /// the birth certificate's word alone is refused while the first has not expired, and one that was
    /// superseded has none any more: both are what cloned flash looks like (ADR 0019). An operator revokes
    /// the first, or it expires (R-LIFE-05).
    pub(super) fn may_have_operational(
        &self,
        caller: Option<&Principal>,
        device: &DeviceId,
        parent: SerialNumber,
        hold_on_fork: bool,
        key: &KeyFingerprint,
    ) -> Outcome<Option<EntryNumber>, V::Fault> {
        let known = self.device_itself(caller, device)?;
        let Some(asking) = self.own(device, parent)? else {
            return Err(Conflict::NoSuchCertificate(device.clone()).into());
        };
        if matches!(asking.status, CertificateStatus::Revoked | CertificateStatus::Held) {
            return Err(Conflict::CertificateRevoked.into());
        }
        if let Some(first) = self.view.key(key).map_err(Stop::Fault)? {
            return self.same_key_of(&first, device, parent).map(Some);
        }
        if asking.status == CertificateStatus::Superseded {
            return Err(self.fork(&known, parent, hold_on_fork)?);
        }
        if parent == known.birth && self.is_enrolled(&known)? {
            return Err(self.enrolled_twice(&known)?);
        }
        if self.unconfirmed(&known)?.len() >= UNCONFIRMED_MAX {
            return Err(Conflict::TooManyUnconfirmed(device.clone()).into());
        }
        Ok(None)
    }

    pub(super) fn confirm_installed(
        &self,
        caller: Option<&Principal>,
        device: &DeviceId,
        serial_number: SerialNumber,
        after_renewal: AfterRenewal,
    ) -> Outcome<Decision, V::Fault> {
        let known = self.device_itself(caller, device)?;
        let Some(facts) =
            self.own(device, serial_number)?.filter(|facts| facts.profile == ProfileName::Ldevid)
        else {
            return Err(Conflict::NoSuchCertificate(device.clone()).into());
        };
        match facts.status {
            CertificateStatus::Issued => self.first_use(&known, serial_number, after_renewal),
            CertificateStatus::InUse => Ok(Decision::Replay(facts.changed.unwrap_or(facts.entry))),
            CertificateStatus::Revoked | CertificateStatus::Held => Err(Conflict::CertificateRevoked.into()),
            CertificateStatus::Superseded => Err(Conflict::AlreadyEnrolled(device.clone()).into()),
        }
    }

    /// The device is seen using this one: no other operational certificate of it will be used again, older or
    /// younger.
    fn first_use(
        &self,
        known: &DeviceFacts,
        serial_number: SerialNumber,
        after_renewal: AfterRenewal,
    ) -> Outcome<Decision, V::Fault> {
        let unused = self.unconfirmed(known)?.into_iter().filter(|unused| *unused != serial_number);
        let mut revoked: Vec<_> =
            unused.map(|serial_number| RevokedCertificate { serial_number, since: None }).collect();
        let mut parent_ends = None;
        if let Some(before) = known.operational
            && let Some(before) = self.view.certificate(&before).map_err(Stop::Fault)?
            && before.not_after >= self.now
        {
            match after_renewal {
                AfterRenewal::Revoke => {
                    revoked.push(RevokedCertificate { serial_number: before.serial_number, since: None });
                }
                AfterRenewal::Grace(grace) => {
                    parent_ends = self.now.checked_add(grace).filter(|ends| *ends < before.not_after);
                }
                AfterRenewal::Expire => {}
            }
        }
        let device = known.id.clone();
        Ok(record(Event::InstallConfirmed { device, serial_number, revoked, parent_ends }))
    }

    /// The key is on record: the same question again, or a key that is somebody's.
    fn same_key_of(
        &self,
        first: &CertificateFacts,
        device: &DeviceId,
        parent: SerialNumber,
    ) -> Outcome<EntryNumber, V::Fault> {
        let own = matches!(&first.holder, Holder::Principal(Principal::Device(holder)) if holder == device);
        // A renewal is a new key: the certificate that asks is no answer to itself.
        if !own || first.profile != ProfileName::Ldevid || first.serial_number == parent {
            return Err(self.duplicate(device, first, Clash::Key, Conflict::KeyAlreadyUsed)?);
        }
        self.may_be_handed_out(first)?;
        self.is_of_use(first)?;
        Ok(first.entry)
    }

    /// The certificate, if it is the device's.
    fn own(
        &self,
        device: &DeviceId,
        serial_number: SerialNumber,
    ) -> Outcome<Option<CertificateFacts>, V::Fault> {
        let facts = self.view.certificate(&serial_number).map_err(Stop::Fault)?;
        Ok(facts.filter(
            |facts| matches!(&facts.holder, Holder::Principal(Principal::Device(holder)) if holder == device),
        ))
    }

    /// Whether an operational certificate is in use that has not expired.
    fn is_enrolled(&self, known: &DeviceFacts) -> Outcome<bool, V::Fault> {
        let Some(operational) = known.operational else { return Ok(false) };
        let facts = self.view.certificate(&operational).map_err(Stop::Fault)?;
        Ok(facts.is_some_and(|facts| facts.not_after >= self.now))
    }

    /// The unexpired operational certificates that were never used.
    fn unconfirmed(&self, known: &DeviceFacts) -> Outcome<Vec<SerialNumber>, V::Fault> {
        let mut unconfirmed = Vec::new();
        for other in known.live.iter().filter(|other| **other != known.birth) {
            if self.view.certificate_status(other).map_err(Stop::Fault)? == Some(CertificateStatus::Issued)
                && let Some(facts) = self.view.certificate(other).map_err(Stop::Fault)?
                && facts.not_after >= self.now
            {
                unconfirmed.push(*other);
            }
        }
        Ok(unconfirmed)
    }

    /// A certificate that was superseded asks for another child.
    fn fork(
        &self,
        known: &DeviceFacts,
        parent: SerialNumber,
        held: bool,
    ) -> Outcome<Stop<V::Fault>, V::Fault> {
        let device = known.id.clone();
        let child = known.operational.or_else(|| known.live.last().copied()).unwrap_or(parent);
        let refusal = Conflict::LineageForked(device.clone());
        if !held {
            let event = Event::ForkDetected { device, parent, child, held, certificates: Vec::new() };
            return self.once(event, refusal);
        }
        // Also when this fork is on record: somebody released the device, and the clone is still there.
        let certificates = self.with_status(known, |status| {
            matches!(
                status,
                CertificateStatus::Issued | CertificateStatus::InUse | CertificateStatus::Superseded
            )
        })?;
        let event = Event::ForkDetected { device, parent, child, held, certificates };
        Ok(Stop::Alarm(Box::new(event), refusal))
    }

    /// The birth certificate asks for another child while one is in use: a factory reset, or cloned flash.
    /// Never held for it: the operator has to act in either case, and the device works.
    fn enrolled_twice(&self, known: &DeviceFacts) -> Outcome<Stop<V::Fault>, V::Fault> {
        let (device, parent) = (known.id.clone(), known.birth);
        let child = known.operational.unwrap_or(parent);
        let refusal = Conflict::AlreadyEnrolled(device.clone());
        let event = Event::ForkDetected { device, parent, child, held: false, certificates: Vec::new() };
        self.once(event, refusal)
    }

    /// The device, if it is the one that asks and still one of ours.
    fn device_itself(&self, caller: Option<&Principal>, device: &DeviceId) -> Outcome<DeviceFacts, V::Fault> {
        let known = match caller {
            Some(Principal::Device(caller)) if caller == device => {
                self.view.device(device).map_err(Stop::Fault)?
            }
            _ => None,
        };
        let Some(known) = known else { return Err(Conflict::NoSuchDevice(device.clone()).into()) };
        known.still_lives()?;
        Ok(known)
    }
}

/// Most unexpired operational certificates that a device has and never used. A device loses its state between
/// asking and installing once in a while; one that does so this often is broken or hostile, and every attempt
/// is an entry for ever.
pub const UNCONFIRMED_MAX: usize = 32;

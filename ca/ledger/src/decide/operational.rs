//! Operational certificates: enrolment, renewal, and which of them is the one in use.

use identity::{DeviceId, KeyFingerprint, Principal, ProfileName, SerialNumber};

use super::{Outcome, Rules, Stop, record};
use crate::{
    AfterRenewal, CertificateFacts, CertificateStatus, Clash, Conflict, Decision, DeviceFacts, EntryNumber,
    Event, RevokedCertificate, View,
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
    ) -> Outcome<Option<EntryNumber>, V> {
        let known = self.device_itself(caller, device)?;
        let Some(asking) = self.own(device, parent)? else {
            return Err(Conflict::NoSuchCertificate(device.clone()).into());
        };
        if !asking.status.is_good() {
            return Err(Conflict::CertificateRevoked.into());
        }
        if let Some(first) = self.view.key(key)? {
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
    ) -> Outcome<Decision, V> {
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
    ) -> Outcome<Decision, V> {
        let unused = self.unconfirmed(known)?.into_iter().filter(|unused| *unused != serial_number);
        let mut revoked: Vec<_> =
            unused.map(|serial_number| RevokedCertificate { serial_number, since: None }).collect();
        let mut parent_ends = None;
        if let Some(before) = known.operational
            && let Some(before) = self.view.certificate(&before)?
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

    /// The key is on record: the same request again, or a key of somebody else.
    fn same_key_of(
        &self,
        first: &CertificateFacts,
        device: &DeviceId,
        parent: SerialNumber,
    ) -> Outcome<EntryNumber, V> {
        let own = first.holder.device() == Some(device);
        // A renewal is a new key: the certificate that asks is no answer to itself.
        if !own || first.profile != ProfileName::Ldevid || first.serial_number == parent {
            return Err(self.duplicate(device, first, Clash::Key, false, Conflict::KeyAlreadyUsed)?);
        }
        self.may_be_handed_out(first)?;
        self.is_of_use(first)?;
        Ok(first.entry)
    }

    /// The certificate, if it is the device's.
    fn own(&self, device: &DeviceId, serial_number: SerialNumber) -> Outcome<Option<CertificateFacts>, V> {
        let facts = self.view.certificate(&serial_number)?;
        Ok(facts.filter(|facts| facts.holder.device() == Some(device)))
    }

    /// Whether an operational certificate is in use that has not expired.
    fn is_enrolled(&self, known: &DeviceFacts) -> Outcome<bool, V> {
        let Some(operational) = known.operational else { return Ok(false) };
        let facts = self.view.certificate(&operational)?;
        Ok(facts.is_some_and(|facts| facts.not_after >= self.now))
    }

    /// The unexpired operational certificates that were never used.
    fn unconfirmed(&self, known: &DeviceFacts) -> Outcome<Vec<SerialNumber>, V> {
        let mut unconfirmed = Vec::new();
        for other in known.live.iter().filter(|other| **other != known.birth) {
            if self.view.certificate_status(other)? == Some(CertificateStatus::Issued)
                && let Some(facts) = self.view.certificate(other)?
                && facts.not_after >= self.now
            {
                unconfirmed.push(*other);
            }
        }
        Ok(unconfirmed)
    }

    /// A fork: a superseded certificate requests a successor.
    fn fork(&self, known: &DeviceFacts, parent: SerialNumber, held: bool) -> Outcome<Stop<V::Fault>, V> {
        let device = known.id.clone();
        let child = known.operational.or_else(|| known.live.last().copied()).unwrap_or(parent);
        let refusal = Conflict::LineageForked(device.clone());
        if !held {
            let event = Event::ForkDetected { device, parent, child, held, certificates: Vec::new() };
            return self.once(event, refusal);
        }
        // Also when this fork is on record: somebody released the device, and the clone is still there.
        let certificates = self.with_status(known, CertificateStatus::is_good)?;
        let event = Event::ForkDetected { device, parent, child, held, certificates };
        Ok(Stop::Alarm(Box::new(event), refusal))
    }

    /// The birth certificate asks for another child while one is in use: a factory reset, or cloned flash.
    /// Never held for it: the operator has to act in either case, and the device works.
    fn enrolled_twice(&self, known: &DeviceFacts) -> Outcome<Stop<V::Fault>, V> {
        let (device, parent) = (known.id.clone(), known.birth);
        let child = known.operational.unwrap_or(parent);
        let refusal = Conflict::AlreadyEnrolled(device.clone());
        let event = Event::ForkDetected { device, parent, child, held: false, certificates: Vec::new() };
        self.once(event, refusal)
    }

    /// The device, if it is the one that asks and still one of ours.
    fn device_itself(&self, caller: Option<&Principal>, device: &DeviceId) -> Outcome<DeviceFacts, V> {
        let known = match caller {
            Some(Principal::Device(caller)) if caller == device => self.view.device(device)?,
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

//! Operational certificates.

use identity::{DeviceId, KeyFingerprint, Principal, SerialNumber};
use issuance::ProfileName;

use super::{Outcome, Rules, Stop, record};
use crate::ledger::{
    CertificateFacts, Conflict, Decision, DeviceFacts, EntryNumber, Event, Holder, Standing, View,
};

impl<V: View> Rules<'_, V> {
    /// Whether the device may have an operational certificate for this key: the entry that gave it one before, or `None` if nothing is in the way.
    ///
    /// While its certificate is only *issued*, the device may come with another key: it may have lost the first before it could install it.
    /// Once one is *in use* and has not expired, a second one on the birth certificate's word alone would be a fork (DESIGN 4.6): cloned
    /// flash looks exactly like a factory reset. An operator revokes the first, or it expires (R-LIFE-05).
    pub(super) fn may_enroll(
        &self,
        caller: Option<&Principal>,
        device: &DeviceId,
        parent: SerialNumber,
        key: &KeyFingerprint,
    ) -> Outcome<Option<EntryNumber>, V::Fault> {
        let known = self.device_itself(caller, device)?;
        if known.certificates.first() != Some(&parent) {
            return Err(Conflict::NoSuchCertificate(device.clone()).into());
        }
        let birth = self.view.certificate(&parent).map_err(Stop::Fault)?;
        if birth.is_none_or(|birth| birth.standing == Standing::Revoked) {
            return Err(Conflict::CertificateRevoked.into());
        }
        if let Some(first) = self.view.key(key).map_err(Stop::Fault)? {
            return self.same_key_of(&first, device).map(Some);
        }
        let mut unconfirmed = 0;
        for serial_number in known.certificates.iter().skip(1) {
            let Some(facts) = self.view.certificate(serial_number).map_err(Stop::Fault)? else { continue };
            if facts.not_after < self.now {
                continue;
            }
            match facts.standing {
                Standing::InUse => return Err(Conflict::AlreadyEnrolled(device.clone()).into()),
                Standing::Issued => unconfirmed += 1,
                Standing::Revoked | Standing::Superseded => {}
            }
        }
        if unconfirmed >= UNCONFIRMED_MAX {
            return Err(Conflict::TooManyUnconfirmed(device.clone()).into());
        }
        Ok(None)
    }

    pub(super) fn confirm_installed(
        &self,
        caller: Option<&Principal>,
        device: &DeviceId,
        serial_number: SerialNumber,
    ) -> Outcome<Decision, V::Fault> {
        let known = self.device_itself(caller, device)?;
        if !known.certificates.iter().skip(1).any(|known| *known == serial_number) {
            return Err(Conflict::NoSuchCertificate(device.clone()).into());
        }
        let facts = self.view.certificate(&serial_number).map_err(Stop::Fault)?;
        let Some(facts) = facts else { return Err(Conflict::NoSuchCertificate(device.clone()).into()) };
        match facts.standing {
            Standing::Issued => Ok(record(Event::InstallConfirmed { device: device.clone(), serial_number })),
            Standing::InUse => Ok(Decision::Replay(facts.changed.unwrap_or(facts.entry))),
            Standing::Revoked => Err(Conflict::CertificateRevoked.into()),
            Standing::Superseded => Err(Conflict::AlreadyEnrolled(device.clone()).into()),
        }
    }

    /// The key is on record: the same question again, or a key that is somebody's.
    fn same_key_of(&self, first: &CertificateFacts, device: &DeviceId) -> Outcome<EntryNumber, V::Fault> {
        let own = matches!(&first.holder, Holder::Principal(Principal::Device(holder)) if holder == device);
        if !own || first.profile != ProfileName::Ldevid {
            return Err(Conflict::KeyAlreadyUsed.into());
        }
        self.may_be_handed_out(first)?;
        self.is_of_use(first)?;
        Ok(first.entry)
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
        if known.scrapped {
            return Err(Conflict::DeviceScrapped(device.clone()).into());
        }
        Ok(known)
    }
}

/// Most unexpired operational certificates that a device has and never used. A device loses its state between asking and installing once in
/// a while; one that does so this often is broken or hostile, and every attempt is an entry for ever.
pub const UNCONFIRMED_MAX: usize = 32;

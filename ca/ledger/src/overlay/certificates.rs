//! What entries did to certificates, over the rows of a base.

use std::time::SystemTime;

use identity::{DeviceId, Principal, ProfileName, SerialNumber};

use super::Overlay;
use crate::{
    CertificateFacts, CertificateStatus, Entry, HoldFacts, Holder, SignedCertificate, StatusChange, View,
};

impl<B: View> Overlay<B> {
    pub(super) fn issue(
        &mut self,
        entry: &Entry,
        certificate: &SignedCertificate,
        holder: Holder,
        parent: Option<SerialNumber>,
    ) -> Result<(), B::Fault> {
        let serial_number = certificate.serial_number;
        match &holder {
            Holder::Issuer(issuer) => {
                self.issuers.insert(*issuer, serial_number);
            }
            Holder::Principal(Principal::Device(device)) => {
                self.histories.entry(device.clone()).or_default().push(serial_number);
                self.change_device(device, |known| known.live.push(serial_number))?;
            }
            Holder::Principal(Principal::Named { .. }) | Holder::DocumentSigner => {}
        }
        self.keys.entry(certificate.key).or_insert(serial_number);
        let facts = CertificateFacts {
            entry: entry.number,
            serial_number,
            holder,
            issuer: certificate.issuer,
            profile: certificate.profile,
            key: certificate.key,
            not_after: certificate.validity.not_after(),
            shard: certificate.shard,
            parent,
            status: CertificateStatus::Issued,
            hold: None,
            ends: None,
            changed: None,
        };
        self.certificates.insert(serial_number, facts);
        Ok(())
    }

    pub(super) fn change_status(
        &mut self,
        entry: &Entry,
        serial_number: &SerialNumber,
        change: StatusChange,
    ) -> Result<(), B::Fault> {
        let Some(mut facts) = self.certificate(serial_number)? else { return Ok(()) };
        if facts.status == CertificateStatus::Revoked {
            return Ok(());
        }
        match change {
            StatusChange::InUse => (facts.status, facts.hold) = (CertificateStatus::InUse, None),
            StatusChange::Revoked => {
                (facts.status, facts.hold, facts.ends) = (CertificateStatus::Revoked, None, None);
            }
            StatusChange::Held => {
                facts.hold = Some(HoldFacts { since: entry.at, was: facts.status });
                facts.status = CertificateStatus::Held;
            }
            StatusChange::Released => {
                let Some(hold) = facts.hold.take() else { return Ok(()) };
                facts.status = hold.was;
            }
        }
        facts.changed = Some(entry.number);
        if let Holder::Principal(Principal::Device(device)) = &facts.holder {
            match change {
                StatusChange::InUse if facts.profile == ProfileName::Ldevid => {
                    self.change_device(device, |known| known.operational = Some(*serial_number))?;
                }
                StatusChange::Revoked => self.change_device(device, |known| known.lose(serial_number))?,
                StatusChange::InUse | StatusChange::Held | StatusChange::Released => {}
            }
        }
        self.certificates.insert(*serial_number, facts);
        Ok(())
    }

    pub(super) fn supersede(
        &mut self,
        entry: &Entry,
        device: &DeviceId,
        but: SerialNumber,
        in_use_ends: Option<SystemTime>,
    ) -> Result<(), B::Fault> {
        let live = self.device(device)?.map(|known| known.live).unwrap_or_default();
        for other in live.iter().filter(|other| **other != but) {
            let Some(facts) = self.certificate(other)? else { continue };
            let ends = match facts.status {
                _ if facts.profile != ProfileName::Ldevid => continue,
                CertificateStatus::Issued => None,
                CertificateStatus::InUse => in_use_ends,
                CertificateStatus::Revoked | CertificateStatus::Superseded | CertificateStatus::Held => {
                    continue;
                }
            };
            let (status, changed) = (CertificateStatus::Superseded, Some(entry.number));
            self.certificates.insert(*other, CertificateFacts { status, ends, changed, ..facts });
            self.change_device(device, |known| known.lose(other))?;
        }
        Ok(())
    }
}

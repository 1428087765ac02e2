//! What withdrawals do to the rows.

use std::collections::BTreeMap;

use identity::{DeviceId, Principal};

use super::{Changes, HoldFacts, Holder, JobFacts};
use crate::{CertificateFacts, DeviceFacts, Entry, Event, Standing, View};

impl Changes {
    /// Certificates that the entry revokes, puts on hold or gives back.
    pub(super) fn withdraw<V: View>(&mut self, view: &V, entry: &Entry) -> Result<(), V::Fault> {
        let revoked = entry.event.withdrawal().map(|withdrawal| withdrawal.certificates).unwrap_or_default();
        for one in revoked {
            self.stand(view, entry, one.serial_number, Standing::Revoked)?;
        }
        for serial_number in entry.event.held() {
            if let Some(facts) = view.certificate(serial_number)? {
                let hold = Some(HoldFacts { since: entry.at, was: facts.standing });
                let changed = Some(entry.number);
                let standing = Standing::Held;
                self.certificates.push(CertificateFacts { standing, hold, changed, ..facts });
            }
        }
        for serial_number in entry.event.released() {
            if let Some(facts) = view.certificate(serial_number)?
                && let Some(hold) = facts.hold
            {
                self.stand(view, entry, *serial_number, hold.was)?;
            }
        }
        Ok(())
    }

    /// What an operator does to a device, or a fork.
    pub(super) fn lifecycle<V: View>(&mut self, view: &V, entry: &Entry) -> Result<(), V::Fault> {
        let (Event::DeviceHeld { device, .. }
        | Event::DeviceReleased { device, .. }
        | Event::DeviceRetired { device, .. }
        | Event::ReworkAllowed { device }
        | Event::ForkDetected { device, .. }) = &entry.event
        else {
            return Ok(());
        };
        let Some(mut known) = view.device(device)? else { return Ok(()) };
        match &entry.event {
            Event::DeviceHeld { .. } => known.held = true,
            Event::DeviceReleased { .. } => known.held = false,
            Event::DeviceRetired { .. } => {
                (known.retired, known.operational) = (true, None);
                known.live.clear();
            }
            Event::ReworkAllowed { .. } => known.rework = true,
            Event::ForkDetected { held: true, .. } => known.held = true,
            _ => return Ok(()),
        }
        self.devices.push(DeviceFacts { changed: Some(entry.number), ..known });
        Ok(())
    }

    /// Certificates by name, and the jobs that name them.
    pub(super) fn revocation<V: View>(&mut self, view: &V, entry: &Entry) -> Result<(), V::Fault> {
        match &entry.event {
            Event::CertificatesRevoked { certificates, job, .. } => {
                let mut devices = BTreeMap::<DeviceId, DeviceFacts>::new();
                for one in certificates {
                    let facts = view.certificate(&one.serial_number)?;
                    let Some(Holder::Principal(Principal::Device(device))) = facts.map(|facts| facts.holder)
                    else {
                        continue;
                    };
                    let known = match devices.remove(&device) {
                        Some(known) => Some(known),
                        None => view.device(&device)?,
                    };
                    if let Some(mut known) = known {
                        known.live.retain(|live| *live != one.serial_number);
                        known.operational = known.operational.filter(|used| *used != one.serial_number);
                        devices.insert(device, known);
                    }
                }
                self.devices.extend(devices.into_values());
                if let Some(job) = job {
                    let revoked = certificates.len() as u64;
                    self.job =
                        view.job(*job)?.map(|known| JobFacts { revoked: known.revoked + revoked, ..known });
                }
            }
            Event::RevocationBegun { job, selection, reason, invalidity_date, devices, certificates } => {
                self.job = Some(JobFacts {
                    id: *job,
                    selection: selection.clone(),
                    reason: *reason,
                    invalidity_date: *invalidity_date,
                    devices: *devices,
                    certificates: *certificates,
                    revoked: 0,
                    begun_at: entry.at,
                    begun_by: entry.principal.clone(),
                    begun: entry.number,
                    finished: None,
                });
            }
            Event::RevocationFinished { job } => {
                self.job = view.job(*job)?.map(|known| JobFacts { finished: Some(entry.number), ..known });
            }
            _ => {}
        }
        Ok(())
    }
}

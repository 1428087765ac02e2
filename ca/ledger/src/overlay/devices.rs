//! What entries did to devices, over the rows of a base.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::{DeviceId, SerialNumber};

use super::Overlay;
use crate::{DeviceFacts, Entry, View, WorkOrderId};

impl<B: View> Overlay<B> {
    /// The devices entered here, in order of their ids; not those of the base.
    pub fn devices(&self) -> &BTreeMap<DeviceId, DeviceFacts> {
        &self.devices
    }

    pub(super) fn bear(
        &mut self,
        entry: &Entry,
        device: &DeviceId,
        work_order: WorkOrderId,
        birth: SerialNumber,
    ) -> Result<(), B::Fault> {
        self.take_reserved(device, work_order)?;
        let known = self.device(device)?;
        let was_confirmed = known.as_ref().map(|known| known.flags.confirmed);
        let mut flags = known.as_ref().map(|known| known.flags).unwrap_or_default();
        flags.reborn();
        let facts = DeviceFacts {
            id: device.clone(),
            work_order,
            station: entry.principal.clone(),
            born_at: entry.at,
            birth,
            live: vec![birth],
            operational: None,
            flags,
            changed: known.as_ref().map(|_| entry.number),
            seen_at: known.map_or(UNIX_EPOCH, |known| known.seen_at),
        };
        self.devices.insert(device.clone(), facts);
        self.change_order(work_order, |order| order.counts.count_birth(was_confirmed))
    }

    pub(super) fn change_device(
        &mut self,
        device: &DeviceId,
        change: impl FnOnce(&mut DeviceFacts),
    ) -> Result<(), B::Fault> {
        if let Some(known) = self.devices.get_mut(device) {
            change(known);
        } else if let Some(mut known) = self.base.device(device)? {
            change(&mut known);
            self.devices.insert(device.clone(), known);
        }
        Ok(())
    }

    pub(super) fn see(&mut self, entry: &Entry, device: &DeviceId) -> Result<(), B::Fault> {
        self.change_device(device, |known| known.seen_at = known.seen_at.max(whole_seconds(entry.at)))
    }
}

/// Entries keep when a device was seen in whole seconds.
fn whole_seconds(time: SystemTime) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}

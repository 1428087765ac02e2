//! What operators do to a device, and what they are told of it.

use std::time::{Duration, SystemTime};

use identity::{DeviceId, ProfileName, RequestId};
use ledger::{Action, AlarmKind, Conflict, EntryNumber, Selection};
use store::{AlarmRecord, Cursor, DeviceRecord, Page};

use super::request_digest::RequestDigest;
use super::revocation::selected;
use super::{Authority, Caller, Refused};

/// A selection that an operator wants to be renewed now.
#[derive(Debug, Clone)]
pub struct RotationRequest {
    /// The same again gets the same answer.
    pub request: RequestId,
    /// What.
    pub selection: Selection,
    /// The renewals are spread over this time, at most [`ROTATION_SPREAD_MAX`].
    pub spread: Duration,
    /// For people and devices.
    pub remark: String,
}

impl Authority {
    /// Puts all certificates of a device on hold until it is released. Idempotent.
    ///
    /// # Errors
    /// When there is no such device, or it is gone for ever.
    pub async fn hold(
        &self,
        caller: &Caller,
        device: DeviceId,
        note: String,
    ) -> Result<DeviceRecord, Refused> {
        let content = RequestDigest::of("hold v1").text(&device.to_string()).text(&note).finish();
        let action = Action::Hold { device: device.clone(), note };
        self.change_device(caller, device, content, action, "on hold").await
    }

    /// Ends a hold: its certificates are what they were.
    ///
    /// # Errors
    /// When there is no such device, or it is not on hold.
    pub async fn release_device(&self, caller: &Caller, device: DeviceId) -> Result<DeviceRecord, Refused> {
        let content = RequestDigest::of("release v1").text(&device.to_string()).finish();
        let action = Action::Release { device: device.clone() };
        self.change_device(caller, device, content, action, "released").await
    }

    /// Ends the life of a device. Idempotent.
    ///
    /// # Errors
    /// When there is no such device, or it was scrapped.
    pub async fn retire(
        &self,
        caller: &Caller,
        device: DeviceId,
        note: String,
    ) -> Result<DeviceRecord, Refused> {
        let content = RequestDigest::of("retire v1").text(&device.to_string()).text(&note).finish();
        let action = Action::Retire { device: device.clone(), note };
        self.change_device(caller, device, content, action, "retired").await
    }

    /// Lets a unit have another birth certificate, once, with a new key (R-LIFE-12). Idempotent until it is used.
    ///
    /// # Errors
    /// When there is no such device, it is not in the factory's hands any more, or its order is not open.
    pub async fn allow_rework(&self, caller: &Caller, device: DeviceId) -> Result<DeviceRecord, Refused> {
        let content = RequestDigest::of("allow rework v1").text(&device.to_string()).finish();
        let action = Action::AllowRework { device: device.clone() };
        self.change_device(caller, device, content, action, "to be reworked").await
    }

    /// Asks all devices that have a certificate of the selection to renew it. They learn it when they ask when to renew.
    ///
    /// # Errors
    /// When too many requests are open, or no certificate is selected: certificates that are issued later would not be meant.
    pub async fn request_rotation(
        &self,
        caller: &Caller,
        request: RotationRequest,
    ) -> Result<EntryNumber, Refused> {
        let RotationRequest { request, selection, spread, remark } = request;
        // Also a revoked one counts: a request that was recorded is answered again whatever became of the certificates.
        if self.store.select(&selection, 0, 1).await?.certificates.is_empty() {
            let what = "there is no certificate in it, so there is nothing to renew".to_owned();
            return Err(Refused::Request { field: "selection", what });
        }
        let content = RequestDigest::of("rotate v1").number(spread.as_secs()).text(&remark);
        let content = selected(content, &selection).finish();
        // When all certificates of now have expired there is nobody left to ask.
        let life = self.profiles.get(ProfileName::Ldevid).lifetime.unwrap_or_default().max(LDEVID_LIFE_MAX);
        let until = self.clock.now() + life + spread;
        let action = Action::RequestRotation { selection, spread, reason: remark, until };
        let recorded = self.record(caller, Some(request), content, action).await?;
        tracing::info!(principal = %caller.principal(), entry = %recorded.entry().number, "a rotation was requested");
        Ok(recorded.entry().number)
    }

    /// Alarms, newest first; `None`: of every kind.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn alarms(
        &self,
        kind: Option<AlarmKind>,
        cursor: Option<&Cursor>,
        rows: usize,
    ) -> Result<Page<AlarmRecord>, Refused> {
        Ok(self.store.alarms(kind, cursor, rows).await?)
    }

    /// Devices that were not heard of since, in the order of their births; scrapped, retired and revoked ones are left out.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn silent_devices(
        &self,
        since: SystemTime,
        cursor: Option<&Cursor>,
        rows: usize,
    ) -> Result<Page<DeviceRecord>, Refused> {
        Ok(self.store.devices_not_seen_since(since, cursor, rows).await?)
    }

    async fn change_device(
        &self,
        caller: &Caller,
        device: DeviceId,
        content: [u8; 32],
        action: Action,
        what: &'static str,
    ) -> Result<DeviceRecord, Refused> {
        let recorded = self.record(caller, None, content, action).await?;
        if !recorded.is_replay() {
            tracing::info!(principal = %caller.principal(), %device, entry = %recorded.entry().number, "{device} is {what}");
        }
        let known = self.store.device(&device).await?;
        Ok(known.ok_or(Conflict::NoSuchDevice(device))?)
    }
}

/// The longest time over which renewals are spread.
pub const ROTATION_SPREAD_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The longest life that an operational certificate may have had, whatever the profile says now.
const LDEVID_LIFE_MAX: Duration = Duration::from_secs(90 * 24 * 60 * 60);

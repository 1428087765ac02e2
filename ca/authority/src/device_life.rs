//! What operators do to devices: hold, release, retire, rework, rotate.

use std::time::Duration;

use identity::{DeviceId, ProfileName, RequestId};
use ledger::{Action, Command, Conflict, DeviceFacts, EntryNumber, RotationTerms, Selection};

use super::record::caller_command;
use super::request_digest::RequestDigest;
use super::revocation::selected;
use super::{Authority, Caller, Operation, Refused};

/// A request that all devices with a certificate of a selection renew soon.
#[derive(Debug, Clone)]
pub struct RotationRequest {
    /// The operator's id of the request: the same request again gets the same answer.
    pub request: RequestId,
    /// Whose devices are asked to renew.
    pub selection: Selection,
    /// The renewals are spread over this time, at most [`ROTATION_SPREAD_MAX`].
    pub spread: Duration,
    /// Text for people and devices.
    pub remark: String,
}

impl Authority {
    /// Puts all certificates of a device on hold until it is released. Idempotent.
    ///
    /// # Errors
    /// When there is no such device, or it was scrapped, retired or revoked.
    pub async fn hold(
        &self,
        caller: &Caller,
        device: DeviceId,
        note: String,
    ) -> Result<DeviceFacts, Refused> {
        let content = RequestDigest::of("hold v1").text(&device.to_string()).text(&note).finish();
        let action = Action::Hold { device: device.clone(), note };
        self.change_device(caller, Operation::HoldDevice, device, content, action, "on hold").await
    }

    /// Ends a hold: its certificates get back their status from before.
    ///
    /// # Errors
    /// When there is no such device, or it is not on hold.
    pub async fn release_device(&self, caller: &Caller, device: DeviceId) -> Result<DeviceFacts, Refused> {
        let content = RequestDigest::of("release v1").text(&device.to_string()).finish();
        let action = Action::Release(device.clone());
        self.change_device(caller, Operation::ReleaseDevice, device, content, action, "released").await
    }

    /// Retires a device: its certificates are revoked, and its serial number and keys are never used again.
    /// Idempotent.
    ///
    /// # Errors
    /// When there is no such device, or it was scrapped.
    pub async fn retire(
        &self,
        caller: &Caller,
        device: DeviceId,
        note: String,
    ) -> Result<DeviceFacts, Refused> {
        let content = RequestDigest::of("retire v1").text(&device.to_string()).text(&note).finish();
        let action = Action::Retire { device: device.clone(), note };
        self.change_device(caller, Operation::RetireDevice, device, content, action, "retired").await
    }

    /// Allows a unit one more birth certificate, with a new key (R-LIFE-12). Idempotent until it is used.
    ///
    /// # Errors
    /// When there is no such device, it has left the factory, or its order is not open.
    pub async fn allow_rework(
        &self,
        caller: &Caller,
        device: DeviceId,
        reason: String,
    ) -> Result<DeviceFacts, Refused> {
        let content = RequestDigest::of("allow rework v1").text(&device.to_string()).finish();
        let operator = String::new();
        let action = Action::AllowRework { work_order: None, device: device.clone(), reason, operator };
        self.change_device(caller, Operation::AllowRework, device, content, action, "to be reworked").await
    }

    /// Asks all devices that have a certificate of the selection to renew it. They see it in their renewal
    /// window.
    ///
    /// # Errors
    /// When too many requests are open, or no certificate is selected: later certificates are never part of a
    /// request.
    pub async fn request_rotation(
        &self,
        caller: &Caller,
        request: RotationRequest,
    ) -> Result<EntryNumber, Refused> {
        let RotationRequest { request, selection, spread, remark } = request;
        // A revoked one counts too: a recorded request is answered again, whatever became of it.
        if self.store.select(&selection, 0, 1).await?.certificates.is_empty() {
            let what = "there is no certificate in it, so there is nothing to renew".to_owned();
            return Err(Refused::Request { field: "selection", what });
        }
        let content = RequestDigest::of("rotate v1").number(spread.as_secs()).text(&remark);
        let content = selected(content, &selection).finish();
        // The request lasts until all certificates of now have expired.
        let life = self.profile(ProfileName::Ldevid).lifetime.unwrap_or_default().max(LDEVID_LIFE_MAX);
        let until = self.clock.now() + life + spread;
        let action = Action::RequestRotation(RotationTerms { selection, spread, reason: remark, until });
        let command = Command { request: Some(request), ..caller_command(caller, content, action) };
        let recorded = self.record_as(caller, Operation::RequestRotation, command).await?;
        tracing::info!(principal = %caller, entry = %recorded.entry().number, "a rotation was requested");
        Ok(recorded.entry().number)
    }

    async fn change_device(
        &self,
        caller: &Caller,
        operation: Operation,
        device: DeviceId,
        content: [u8; 32],
        action: Action,
        what: &'static str,
    ) -> Result<DeviceFacts, Refused> {
        let recorded = self.record(caller, operation, content, action).await?;
        if !recorded.is_replay() {
            tracing::info!(principal = %caller, %device, entry = %recorded.entry().number, "{device} is {what}");
        }
        let known = self.store.device(&device).await?;
        Ok(known.ok_or(Conflict::NoSuchDevice(device))?)
    }
}

/// The longest time over which renewals are spread.
pub const ROTATION_SPREAD_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The longest lifetime that an operational certificate may have, whatever the profile says now.
const LDEVID_LIFE_MAX: Duration = Duration::from_secs(90 * 24 * 60 * 60);

//! Operational certificates (LDevID), which a device works with: the first one is authorised by its
//! birth certificate, each next one by the one before; and the confirmation that one is in use.

use std::time::{Duration, Instant};

use identity::{DeviceId, Principal, ProfileName, RequestId, SerialNumber};
use ledger::{Action, AfterRenewal, Conflict, IssuanceSubject};
use store::Released;

use super::issue::{IssuanceRequest, PreflightOutcome};
use super::request_digest::RequestDigest;
use super::{Authority, Caller, CallerKind, CallerRefused, Operation, Refused};

impl Authority {
    /// Issues the first operational certificate of the device that calls with its birth certificate. Exactly
    /// once for a request id, and for a key.
    ///
    /// # Errors
    /// Why there is none; see [`Refused`]. [`Refused::TooOften`] when the device had very many lately.
    pub async fn enroll(&self, caller: &Caller, request: RequestId, csr: &[u8]) -> Result<Released, Refused> {
        let asking = calling_device(caller, CallerKind::DeviceBirth)?;
        self.issue_operational(caller, "enroll v1", asking, request, csr).await
    }

    /// Issues the next operational certificate of the device that calls with the one before. Exactly once for
    /// a request id, and for a key. It is *issued* until the device is seen using it; only then is the one
    /// before it superseded.
    ///
    /// # Errors
    /// Why there is none; see [`Refused`]. A certificate whose successor is in use is refused as a fork, and
    /// that is on record.
    pub async fn renew(&self, caller: &Caller, request: RequestId, csr: &[u8]) -> Result<Released, Refused> {
        let asking = calling_device(caller, CallerKind::DeviceOperational)?;
        self.issue_operational(caller, "renew v1", asking, request, csr).await
    }

    async fn issue_operational(
        &self,
        caller: &Caller,
        call: &'static str,
        (device, parent): (DeviceId, SerialNumber),
        id: RequestId,
        csr: &[u8],
    ) -> Result<Released, Refused> {
        let key = self.accepted_key(csr)?;
        let digest = RequestDigest::of(call).text(&device.to_string());
        let hold_on_fork = self.renewal.hold_on_fork;
        let subject = IssuanceSubject::Operational { device: device.clone(), parent, hold_on_fork };
        let request = IssuanceRequest::of_device(id, digest, &device, subject, key);
        match self.preflight(caller, &request).await {
            PreflightOutcome::Answered(answer) => return answer,
            // Only a new certificate is an entry: what was answered before is answered again at any rate.
            PreflightOutcome::New => {
                let allowed = self.renewals.take(caller.principal(), Instant::now());
                allowed.map_err(|wait| Refused::TooOften { wait })?;
            }
            // Not limited with the certificates: a clone must not hide a fork by asking often.
            PreflightOutcome::Alarm => {}
        }
        self.issue_one(caller, &self.profile(ProfileName::Ldevid), request).await
    }

    /// Records that the operational certificate that makes this call is in use. Idempotent.
    ///
    /// # Errors
    /// [`Conflict::NoSuchCertificate`] when `serial_number` is not of the certificate that makes the call.
    pub async fn confirm_installed(
        &self,
        caller: &Caller,
        serial_number: SerialNumber,
    ) -> Result<(), Refused> {
        let (device, certificate) = calling_device(caller, CallerKind::DeviceOperational)?;
        if serial_number != certificate {
            return Err(Conflict::NoSuchCertificate(device).into());
        }
        self.confirm(caller, device, certificate).await
    }

    /// Confirms an operational certificate by any call that is made with it, as `ConfirmInstalled` does (ADR
    /// 0021). One commit in the certificate's life, nothing afterwards.
    pub async fn confirm_by_use(&self, caller: &Caller) -> Result<(), Refused> {
        if !caller.is_unconfirmed() {
            return Ok(());
        }
        let (device, certificate) = calling_device(caller, CallerKind::DeviceOperational)?;
        self.confirm(caller, device, certificate).await
    }

    async fn confirm(
        &self,
        caller: &Caller,
        device: DeviceId,
        serial_number: SerialNumber,
    ) -> Result<(), Refused> {
        let content = RequestDigest::of("confirm installed v1").bytes(serial_number.as_bytes()).finish();
        let after_renewal = match self.renewal.superseded_for {
            None => AfterRenewal::Expire,
            Some(Duration::ZERO) => AfterRenewal::Revoke,
            Some(grace) => AfterRenewal::Grace(grace),
        };
        let action = Action::ConfirmInstalled { device, serial_number, after_renewal };
        self.record(caller, Operation::ConfirmInstalled, content, action).await?;
        Ok(())
    }
}

/// The device that calls with a certificate of this kind, and the certificate.
pub(super) fn calling_device(
    caller: &Caller,
    kind: CallerKind,
) -> Result<(DeviceId, SerialNumber), CallerRefused> {
    match (caller.principal(), caller.credential()) {
        (Some(Principal::Device(device)), Some(certificate)) if caller.kind() == kind => {
            Ok((device.clone(), certificate))
        }
        _ => Err(CallerRefused::Role),
    }
}

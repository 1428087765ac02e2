//! The product in one file: a device proves by its birth certificate who it is, and gets the operational certificate (LDevID) that it
//! works with.

use std::time::{Duration, Instant};

use identity::{DeviceId, Principal, ProfileName, RequestId, SerialNumber};
use issuance::{Request, Subject};
use ledger::{Action, AfterRenewal, Conflict};
use store::{Released, Store, StoreError};

use super::content::Content;
use super::issue::{Holder, PreflightOutcome, Question};
use super::{Authority, Caller, CallerKind, CallerRefused, Refused};

impl<S: Store> Authority<S> {
    /// The first operational certificate of the device that calls, authorised by the birth certificate that it calls with. Exactly once
    /// for a request id, and for a key.
    ///
    /// # Errors
    /// Why there is none; see [`Refused`]. [`Refused::TooOften`] when the device had very many lately.
    pub async fn enroll(&self, caller: &Caller, request: RequestId, csr: &[u8]) -> Result<Released, Refused> {
        let device = calling_device(caller, CallerKind::DeviceBirth)?;
        self.operational(caller, "enroll v1", device, request, csr).await
    }

    /// An operational certificate for the device that calls, authorised by the certificate that it calls with.
    pub(super) async fn operational(
        &self,
        caller: &Caller,
        question: &'static str,
        device: DeviceId,
        request: RequestId,
        csr: &[u8],
    ) -> Result<Released, Refused> {
        let key = self.accepted_key(csr)?;
        let public_key = key.public_key().clone();
        let question = Question {
            request,
            content: Content::of(question)
                .text(&device.to_string())
                .bytes(key.fingerprint().as_bytes())
                .finish(),
            asked: Request {
                public_key,
                subject: Subject::Device(device.clone()),
                lifetime: None,
                shard: None,
            },
            holder: Holder::Operational {
                device,
                parent: caller.certificate(),
                hold_on_fork: self.renewal.hold_on_fork,
            },
            key,
        };
        match self.preflight(caller, &question).await {
            PreflightOutcome::Answered(answer) => return answer,
            // What was answered before is answered again at any pace: only a new certificate is an entry.
            PreflightOutcome::New => {
                let due = self.renewals.step(caller.principal(), Instant::now());
                due.map_err(|wait| Refused::TooOften { wait })?;
            }
            // However often the device asked before: a clone must not hide a fork by asking often.
            PreflightOutcome::Alarm => {}
        }
        let profile = self.profile(ProfileName::Ldevid)?;
        let answer = self.issue(caller, profile, vec![(0, question)]).await.pop();
        answer.map_or_else(
            || Err(StoreError::Bug { what: "a question was not answered" }.into()),
            |(_, answer)| answer,
        )
    }

    /// The operational certificate that makes this call is in use. Idempotent.
    ///
    /// # Errors
    /// [`Conflict::NoSuchCertificate`] when it is not the one that makes the call: who says so must prove it.
    pub async fn confirm_installed(
        &self,
        caller: &Caller,
        serial_number: SerialNumber,
    ) -> Result<(), Refused> {
        let device = calling_device(caller, CallerKind::DeviceOperational)?;
        if serial_number != caller.certificate() {
            return Err(Conflict::NoSuchCertificate(device).into());
        }
        self.confirm(caller, device).await
    }

    /// Who calls with an operational certificate has it and uses it, whatever it calls for: that confirms it
    /// as `ConfirmInstalled` does (ADR 0021). Costs a commit once in a certificate's life, and nothing
    /// afterwards.
    ///
    /// # Errors
    /// When the device may not use it any more.
    pub async fn confirm_by_use(&self, caller: &Caller) -> Result<(), Refused> {
        if !caller.is_unconfirmed() {
            return Ok(());
        }
        let device = calling_device(caller, CallerKind::DeviceOperational)?;
        self.confirm(caller, device).await
    }

    async fn confirm(&self, caller: &Caller, device: DeviceId) -> Result<(), Refused> {
        let serial_number = caller.certificate();
        let content = Content::of("confirm installed v1").bytes(serial_number.as_bytes()).finish();
        let after_renewal = match self.renewal.superseded_for {
            None => AfterRenewal::Expire,
            Some(Duration::ZERO) => AfterRenewal::Revoke,
            Some(grace) => AfterRenewal::Grace(grace),
        };
        let action = Action::ConfirmInstalled { device, serial_number, after_renewal };
        self.record(caller, None, content, action).await?;
        Ok(())
    }
}

pub(super) fn calling_device(caller: &Caller, kind: CallerKind) -> Result<DeviceId, CallerRefused> {
    match caller.principal() {
        Principal::Device(device) if caller.kind() == kind => Ok(device.clone()),
        _ => Err(CallerRefused::Role),
    }
}

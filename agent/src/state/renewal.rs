//! A renewal in the state directory: the next certificate grows in the spare slot, while the one in use stays as it is.
//!
//! Forget before emptying, fill before recording, as everywhere here. At every moment the record speaks of one certificate in use,
//! and `current` leads to that one or to its proven successor.

use std::time::{Duration, SystemTime};

use identity::RequestId;
use serde::{Deserialize, Serialize};

use crate::renewal::Window;

use super::record::{moment, request_id, rfc3339};
use super::{CREDENTIAL_FILES, Enrolment, EnrolmentStep, Place, Slot, State, StateError};

/// One renewal, from the choice of a request id to the CA's knowledge that the new certificate is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewal {
    /// The slot of the new key and certificate: not the one in use.
    pub slot: Slot,
    /// The question to the CA: the same until it is answered, so that it is answered once.
    pub request_id: RequestId,
    /// What authorises it.
    pub parent: Parent,
    /// How far it is.
    pub step: RenewalStep,
}

/// The certificate that asks for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Parent {
    /// The operational certificate in use.
    Operational,
    /// The birth certificate: the CA does not take the operational one any more (R-LIFE-05).
    Birth,
}

/// How far a renewal is. When it is done, it is the enrolment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RenewalStep {
    /// The slot was cleared and the request id chosen.
    Begun,
    /// The certificate was checked and is in the slot; `current` may lead to it.
    Installed,
}

/// What the CA said about when to renew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// Of the certificate that it speaks of.
    pub serial_number: Vec<u8>,
    /// When it was said, by the CA's time.
    pub told_at: SystemTime,
    /// When to renew, if what was said makes sense.
    pub window: Option<Window>,
    /// Why then.
    pub reason: String,
    /// For people; may be empty.
    pub explanation: String,
    /// How long until the CA wants to be asked again.
    pub retry_after: Duration,
}

impl State {
    /// Starts a renewal in the slot that is not in use: empties it, and keeps the id of the question.
    ///
    /// # Errors
    /// When something cannot be written, then the next start does it again; or when no certificate is in use.
    pub fn begin_renewal(&mut self, request_id: RequestId, parent: Parent) -> Result<Renewal, StateError> {
        self.give_up_renewal()?;
        let in_use = self.slot_in_use()?;
        let renewal = Renewal { slot: in_use.other(), request_id, parent, step: RenewalStep::Begun };
        self.update(|record| record.renewal = Some(renewal.clone()))?;
        Ok(renewal)
    }

    /// Gives up the renewal under way, if there is one, and empties its slot. `current` leads to the certificate in use again.
    ///
    /// # Errors
    /// When something cannot be written; the next start does it again.
    pub fn give_up_renewal(&mut self) -> Result<(), StateError> {
        let in_use = self.slot_in_use()?;
        self.switch_to(in_use)?;
        if self.record().renewal.is_some() {
            self.update(|record| record.renewal = None)?;
        }
        self.empty(in_use.other())
    }

    /// Makes the renewed certificate the one in use. When this returns `Ok`, that survives a power cut; the old one is still there,
    /// and nothing speaks of it.
    ///
    /// # Errors
    /// As [`State::commit`].
    pub fn finish_renewal(&mut self, server_time: SystemTime) -> Result<(), StateError> {
        self.update(|record| {
            record.tell_time(server_time);
            if let Some(renewal) = record.renewal.take() {
                let Renewal { slot, request_id, .. } = renewal;
                record.enrolment = Some(Enrolment { slot, request_id, step: EnrolmentStep::Confirmed });
                record.advice = None;
                record.untold = true;
            }
        })
    }

    /// Removes the key and the certificate that were in use before, if they are still there.
    ///
    /// # Errors
    /// When a file cannot be removed; the next start does it.
    pub fn retire_spare_slot(&mut self) -> Result<(), StateError> {
        if self.record().renewal.is_some() {
            return Ok(());
        }
        let spare = self.slot_in_use()?.other();
        let directory = self.view().path(Place::Slot(spare));
        if CREDENTIAL_FILES.iter().any(|name| directory.join(name).symlink_metadata().is_ok()) {
            self.empty(spare)?;
        }
        Ok(())
    }

    fn slot_in_use(&self) -> Result<Slot, StateError> {
        match &self.record().enrolment {
            Some(Enrolment { slot, step: EnrolmentStep::Confirmed, .. }) => Ok(*slot),
            _ => Err(StateError::NotEnrolled { directory: self.view().directory().to_owned() }),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RenewalFile {
    slot: Slot,
    request_id: String,
    parent: Parent,
    step: RenewalStep,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct AdviceFile {
    serial_number: String,
    told_at: String,
    window_start: Option<String>,
    window_end: Option<String>,
    reason: String,
    explanation: String,
    retry_after_seconds: u64,
}

impl From<&Renewal> for RenewalFile {
    fn from(renewal: &Renewal) -> Self {
        Self {
            slot: renewal.slot,
            request_id: renewal.request_id.to_string(),
            parent: renewal.parent,
            step: renewal.step,
        }
    }
}

impl TryFrom<RenewalFile> for Renewal {
    type Error = String;

    fn try_from(file: RenewalFile) -> Result<Self, String> {
        let request_id = request_id(&file.request_id)?;
        Ok(Self { slot: file.slot, request_id, parent: file.parent, step: file.step })
    }
}

impl From<&Advice> for AdviceFile {
    fn from(advice: &Advice) -> Self {
        Self {
            serial_number: hex::encode(&advice.serial_number),
            told_at: rfc3339(advice.told_at),
            window_start: advice.window.map(|window| rfc3339(window.start)),
            window_end: advice.window.map(|window| rfc3339(window.end)),
            reason: advice.reason.clone(),
            explanation: advice.explanation.clone(),
            retry_after_seconds: advice.retry_after.as_secs(),
        }
    }
}

impl TryFrom<AdviceFile> for Advice {
    type Error = String;

    fn try_from(file: AdviceFile) -> Result<Self, String> {
        let window = match (file.window_start, file.window_end) {
            (Some(start), Some(end)) => {
                Some(Window { start: moment("window-start", &start)?, end: moment("window-end", &end)? })
            }
            _ => None,
        };
        Ok(Self {
            serial_number: hex::decode(&file.serial_number)
                .map_err(|_| format!("serial-number {:?} is not hexadecimal", file.serial_number))?,
            told_at: moment("told-at", &file.told_at)?,
            window,
            reason: file.reason,
            explanation: file.explanation,
            retry_after: Duration::from_secs(file.retry_after_seconds),
        })
    }
}

//! What a device remembers: how far its certificates are, and what it knows of the time and of its CA.

mod file;

use std::time::{Duration, SystemTime};

use identity::{DeviceId, RequestId};
use serde::{Deserialize, Serialize};

use crate::key::KeyGroup;
use crate::renewal::Window;
use crate::time_floor::TimeFloor;

use super::Slot;

/// How far this device is: `state.json`, the only file that decides. The default is a blank device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// The device's identity, once the factory assigned one.
    pub device: Option<DeviceId>,
    /// The last step in the factory.
    pub factory: FactoryStep,
    /// Whether it left the bench, or will, without its birth certificate, which the CA could not issue then
    /// (ADR 0068). Only from [`FactoryStep::Installed`] on.
    pub certificate_deferred: bool,
    /// The URL of the CA, as the factory said.
    pub enrollment_url: Option<String>,
    /// Version of the trust bundle in use; never goes down.
    pub trust_version: u64,
    /// SHA-256 over its sorted anchors, which never change; `None`: a file of an earlier version.
    pub trust_digest: Option<[u8; 32]>,
    /// The least that the time can be.
    pub time_floor: TimeFloor,
    /// Whether the CA told the floor; certificates' validity then says nothing more about the time.
    pub server_time_known: bool,
    /// The enrolment that is under way or done.
    pub enrolment: Option<Enrolment>,
    /// The renewal that is under way; the enrolment's certificate stays in use until it is done.
    pub renewal: Option<Renewal>,
    /// The CA's last answer about renewing the certificate in use.
    pub renewal_info: Option<RenewalInfo>,
    /// Whether `current` was switched and applications have not been notified.
    pub notification_pending: bool,
    /// The group that may read the key in use, if one was asked for.
    pub key_group: Option<KeyGroup>,
}

impl Record {
    /// Whether it has its birth certificate.
    pub fn is_born(&self) -> bool {
        self.factory >= FactoryStep::Installed && !self.certificate_deferred
    }

    /// The enrolment whose certificate is in use.
    pub fn in_use(&self) -> Option<&Enrolment> {
        self.enrolment.as_ref().filter(|it| it.step == EnrolmentStep::Confirmed)
    }

    /// Sets the time floor to a time of the CA, as [`TimeFloor::told`] does.
    pub fn set_server_time(&mut self, moment: SystemTime) {
        self.time_floor = TimeFloor::told(moment);
        self.server_time_known = true;
    }
}

/// How far a device came in the factory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FactoryStep {
    /// It has no key.
    #[default]
    Blank,
    /// It has a key and no certificate.
    KeyReady,
    /// It has its birth certificate, or all but that, if it is deferred.
    Installed,
    /// It takes no more factory commands, but for a certificate that is deferred.
    Locked,
}

/// One enrolment, from the choice of a slot to the CA's knowledge that its certificate is in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Enrolment {
    /// The slot of its key and its certificate.
    pub slot: Slot,
    /// Kept until the CA has answered, so that it issues one certificate.
    #[serde(with = "file::request_id")]
    pub request_id: RequestId,
    /// The last durable step.
    pub step: EnrolmentStep,
}

/// How far an enrolment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnrolmentStep {
    /// The slot was cleared and the request id chosen.
    Begun,
    /// The certificate was checked and is in the slot.
    Installed,
    /// A handshake proved it, `current` points to it, and the CA knows.
    Confirmed,
}

/// One renewal, from the choice of a request id to the CA's knowledge that the new certificate is in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Renewal {
    /// The slot of the new key and certificate: not the one in use.
    pub slot: Slot,
    /// Kept until the CA has answered, so that it issues one certificate.
    #[serde(with = "file::request_id")]
    pub request_id: RequestId,
    /// The certificate that asks.
    pub parent: Parent,
    /// The last durable step.
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

/// The CA's answer about when to renew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenewalInfo {
    /// The serial number of the certificate that it is about.
    pub serial_number: Vec<u8>,
    /// When the CA said it, by the CA's clock.
    pub asked_at: SystemTime,
    /// When to renew; `None`: the CA named no start and end.
    pub window: Option<Window>,
    /// Why then: a stable name, for programs.
    pub reason: String,
    /// Text for people; may be empty.
    pub explanation: String,
    /// The pause after which the CA wants to be asked again.
    pub retry_after: Duration,
}

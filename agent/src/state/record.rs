//! What the state file says, and how it is written: the one door between the two.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::{DeviceId, RequestId};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::time_floor::TimeFloor;

use super::Slot;

/// How far this device is. The state file holds it, and nothing else decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Who it is, once it was told.
    pub device: Option<DeviceId>,
    /// How far it came in the factory.
    pub factory: FactoryStep,
    /// Where it enrols, as the factory said.
    pub enrollment_url: Option<String>,
    /// Version of the trust bundle in use; never goes down.
    pub trust_version: u64,
    /// The least that the time can be.
    pub time_floor: TimeFloor,
    /// The enrolment that is under way or done.
    pub enrolment: Option<Enrolment>,
}

impl Record {
    /// Of a device that knows nothing.
    pub fn blank() -> Self {
        Self {
            device: None,
            factory: FactoryStep::Blank,
            enrollment_url: None,
            trust_version: 0,
            time_floor: TimeFloor::of_this_release(),
            enrolment: None,
        }
    }

    /// Reads the state file.
    ///
    /// # Errors
    /// Why it is not one, for people.
    pub fn from_json(bytes: &[u8]) -> Result<Self, String> {
        let file: RecordFile = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if file.format != FORMAT {
            return Err(format!("it is of format {}, and this program knows format {FORMAT}", file.format));
        }
        file.try_into()
    }

    /// The content of the state file.
    ///
    /// # Errors
    /// Never, as long as the file's own types are plain.
    pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        let mut json = serde_json::to_vec_pretty(&RecordFile::from(self))?;
        json.push(b'\n');
        Ok(json)
    }
}

/// How far a device came in the factory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FactoryStep {
    /// It has no key.
    Blank,
    /// It has a key and no certificate.
    KeyReady,
    /// It has its birth certificate.
    Installed,
    /// It takes no more factory commands.
    Locked,
}

/// One enrolment, from the choice of a slot to the CA's knowledge that its certificate is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// Where its key and its certificate lie.
    pub slot: Slot,
    /// The question to the CA: the same until it is answered, so that it is answered once.
    pub request_id: RequestId,
    /// How far it is.
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

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RecordFile {
    format: u32,
    device: Option<DeviceFile>,
    factory: FactoryStep,
    enrollment_url: Option<String>,
    trust_version: u64,
    time_floor: String,
    enrolment: Option<EnrolmentFile>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct DeviceFile {
    product: String,
    serial: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct EnrolmentFile {
    slot: Slot,
    request_id: String,
    step: EnrolmentStep,
}

impl From<&Record> for RecordFile {
    fn from(record: &Record) -> Self {
        Self {
            format: FORMAT,
            device: record.device.as_ref().map(|device| DeviceFile {
                product: device.product.to_string(),
                serial: device.serial.to_string(),
            }),
            factory: record.factory,
            enrollment_url: record.enrollment_url.clone(),
            trust_version: record.trust_version,
            time_floor: rfc3339(record.time_floor.moment()),
            enrolment: record.enrolment.as_ref().map(|enrolment| EnrolmentFile {
                slot: enrolment.slot,
                request_id: enrolment.request_id.to_string(),
                step: enrolment.step,
            }),
        }
    }
}

impl TryFrom<RecordFile> for Record {
    type Error = String;

    fn try_from(file: RecordFile) -> Result<Self, String> {
        let device = file.device.map(DeviceId::try_from).transpose()?;
        if device.is_none() && file.factory > FactoryStep::Blank {
            return Err("it has a key but does not say whose".to_owned());
        }
        if file.enrolment.is_some() && file.factory < FactoryStep::Installed {
            return Err("it enrolled without a birth certificate".to_owned());
        }
        let floor = OffsetDateTime::parse(&file.time_floor, &Rfc3339)
            .map_err(|_| format!("time-floor {:?} is not a time", file.time_floor))?;
        let floor = u64::try_from(floor.unix_timestamp()).unwrap_or(0);
        Ok(Self {
            device,
            factory: file.factory,
            enrollment_url: file.enrollment_url,
            trust_version: file.trust_version,
            time_floor: TimeFloor::of_this_release().raised_to(UNIX_EPOCH + Duration::from_secs(floor)),
            enrolment: file.enrolment.map(Enrolment::try_from).transpose()?,
        })
    }
}

impl TryFrom<DeviceFile> for DeviceId {
    type Error = String;

    fn try_from(file: DeviceFile) -> Result<Self, String> {
        let product = file.product.parse().map_err(|e: identity::DeviceIdError| e.to_string())?;
        let serial = file.serial.parse().map_err(|e: identity::DeviceIdError| e.to_string())?;
        Ok(Self { product, serial })
    }
}

impl TryFrom<EnrolmentFile> for Enrolment {
    type Error = String;

    fn try_from(file: EnrolmentFile) -> Result<Self, String> {
        let request_id = hex::decode(&file.request_id)
            .ok()
            .and_then(|bytes| RequestId::try_from(bytes.as_slice()).ok())
            .ok_or_else(|| format!("request-id {:?} is not 16 bytes in hexadecimal", file.request_id))?;
        Ok(Self { slot: file.slot, request_id, step: file.step })
    }
}

/// A moment as people and machines write it, in whole seconds of UTC.
pub fn rfc3339(moment: SystemTime) -> String {
    let seconds = moment.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|moment| moment.format(&Rfc3339).ok())
        .unwrap_or_else(|| format!("{seconds} s after 1970"))
}

/// Of the state file. A change that an older program would misread gets the next number.
const FORMAT: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn enrolled() -> Record {
        Record {
            device: Some("cam-2/SN 000123/b".parse().unwrap()),
            factory: FactoryStep::Locked,
            enrollment_url: Some("https://ca.example.com:8443".to_owned()),
            trust_version: u64::MAX,
            time_floor: TimeFloor::of_this_release()
                .raised_to(UNIX_EPOCH + Duration::from_secs(1_900_000_000)),
            enrolment: Some(Enrolment {
                slot: Slot::B,
                request_id: RequestId::from([7; 16]),
                step: EnrolmentStep::Installed,
            }),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for record in [Record::blank(), enrolled()] {
            assert_eq!(Record::from_json(&record.to_json().unwrap()).unwrap(), record);
        }
    }

    #[test]
    fn a_state_file_that_is_cut_anywhere_is_refused() {
        let whole = enrolled().to_json().unwrap();
        for length in 0..whole.len() - 2 {
            assert!(Record::from_json(&whole[..length]).is_err(), "cut at {length}");
        }
    }

    #[test]
    fn a_state_file_that_contradicts_itself_is_refused() {
        let text = String::from_utf8(enrolled().to_json().unwrap()).unwrap();
        for (from, to) in [
            ("\"format\": 1", "\"format\": 2"),
            ("\"locked\"", "\"key-ready\""),
            ("\"slot\": \"b\"", "\"slot\": \"c\""),
            ("\"slot\"", "\"slots\""),
            ("cam-2", "Cam-2"),
            ("07070707", "0707070"),
            ("2030-", "203-"),
        ] {
            let damaged = text.replace(from, to);
            assert_ne!(damaged, text, "{from}");
            assert!(Record::from_json(damaged.as_bytes()).is_err(), "{to}");
        }
    }
}

//! What the state file says, and how it is written: the one door between the two.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::{DeviceId, RequestId};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::key::KeyGroup;
use crate::time_floor::TimeFloor;

use super::Slot;
use super::renewal::{Advice, AdviceFile, Renewal, RenewalFile};

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
    /// SHA-256 over what that version holds, once it was kept: the same version never holds anything else.
    pub trust_digest: Option<[u8; 32]>,
    /// The least that the time can be.
    pub time_floor: TimeFloor,
    /// Whether the floor is the CA's word, which takes the place of what its certificates say about the time.
    pub time_told: bool,
    /// The enrolment that is under way or done.
    pub enrolment: Option<Enrolment>,
    /// The renewal that is under way. The certificate of the enrolment stays in use until it is done.
    pub renewal: Option<Renewal>,
    /// What the CA last said about renewing the certificate in use.
    pub advice: Option<Advice>,
    /// Whether `current` was switched and applications have not been told.
    pub untold: bool,
    /// The group that may read the key in use, if one was asked for.
    pub key_group: Option<KeyGroup>,
}

impl Record {
    /// Of a device that knows nothing.
    pub fn blank() -> Self {
        Self {
            device: None,
            factory: FactoryStep::Blank,
            enrollment_url: None,
            trust_version: 0,
            trust_digest: None,
            time_floor: TimeFloor::of_this_release(),
            time_told: false,
            enrolment: None,
            renewal: None,
            advice: None,
            untold: false,
            key_group: None,
        }
    }

    /// Takes the CA's word for the time. The caller has verified the CA's certificates at the floor so far, and at `moment`.
    pub fn tell_time(&mut self, moment: SystemTime) {
        self.time_floor = TimeFloor::told(moment);
        self.time_told = true;
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
    // Files of earlier versions have none of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trust_digest: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    time_told: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    renewal: Option<RenewalFile>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    advice: Option<AdviceFile>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    untold: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_group: Option<String>,
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
            trust_digest: record.trust_digest.map(hex::encode),
            time_floor: rfc3339(record.time_floor.moment()),
            time_told: record.time_told,
            enrolment: record.enrolment.as_ref().map(|enrolment| EnrolmentFile {
                slot: enrolment.slot,
                request_id: enrolment.request_id.to_string(),
                step: enrolment.step,
            }),
            renewal: record.renewal.as_ref().map(RenewalFile::from),
            advice: record.advice.as_ref().map(AdviceFile::from),
            untold: record.untold,
            key_group: record.key_group.as_ref().map(ToString::to_string),
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
        let renewal = file.renewal.map(Renewal::try_from).transpose()?;
        if let Some(renewal) = &renewal {
            let in_use = file.enrolment.as_ref().filter(|it| it.step == EnrolmentStep::Confirmed);
            if in_use.is_none_or(|it| it.slot == renewal.slot) {
                return Err("it renews a certificate that is not in use".to_owned());
            }
        }
        Ok(Self {
            device,
            factory: file.factory,
            enrollment_url: file.enrollment_url,
            trust_version: file.trust_version,
            trust_digest: file.trust_digest.as_deref().map(trust_digest).transpose()?,
            time_told: file.time_told,
            time_floor: TimeFloor::of_this_release().raised_to(moment("time-floor", &file.time_floor)?),
            enrolment: file.enrolment.map(Enrolment::try_from).transpose()?,
            renewal,
            advice: file.advice.map(Advice::try_from).transpose()?,
            untold: file.untold,
            key_group: file.key_group.map(KeyGroup::from_record),
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
        Ok(Self { slot: file.slot, request_id: request_id(&file.request_id)?, step: file.step })
    }
}

/// A request id of the file.
pub(super) fn request_id(text: &str) -> Result<RequestId, String> {
    hex::decode(text)
        .ok()
        .and_then(|bytes| RequestId::try_from(bytes.as_slice()).ok())
        .ok_or_else(|| format!("request-id {text:?} is not 16 bytes in hexadecimal"))
}

fn trust_digest(text: &str) -> Result<[u8; 32], String> {
    let digest = hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    digest.ok_or_else(|| format!("trust-digest {text:?} is not 32 bytes in hexadecimal"))
}

/// A time of the file. One before 1970 becomes 1970.
pub(super) fn moment(what: &str, text: &str) -> Result<SystemTime, String> {
    let moment =
        OffsetDateTime::parse(text, &Rfc3339).map_err(|_| format!("{what} {text:?} is not a time"))?;
    Ok(UNIX_EPOCH + Duration::from_secs(u64::try_from(moment.unix_timestamp()).unwrap_or(0)))
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
    use crate::renewal::Window;
    use crate::state::{Parent, RenewalStep};

    use super::*;

    fn enrolled() -> Record {
        Record {
            device: Some("cam-2/SN 000123/b".parse().unwrap()),
            factory: FactoryStep::Locked,
            enrollment_url: Some("https://ca.example.com:8443".to_owned()),
            trust_version: u64::MAX,
            trust_digest: Some([0xab; 32]),
            time_told: true,
            time_floor: TimeFloor::of_this_release()
                .raised_to(UNIX_EPOCH + Duration::from_secs(1_900_000_000)),
            enrolment: Some(Enrolment {
                slot: Slot::B,
                request_id: RequestId::from([7; 16]),
                step: EnrolmentStep::Installed,
            }),
            ..Record::blank()
        }
    }

    fn renewing() -> Record {
        let enrolment = enrolled().enrolment.map(|it| Enrolment { step: EnrolmentStep::Confirmed, ..it });
        let moment = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        Record {
            enrolment,
            renewal: Some(Renewal {
                slot: Slot::A,
                request_id: RequestId::from([8; 16]),
                parent: Parent::Birth,
                step: RenewalStep::Installed,
            }),
            advice: Some(Advice {
                serial_number: vec![0x40; 16],
                told_at: moment,
                window: Some(Window { start: moment, end: moment + Duration::from_secs(3600) }),
                reason: "rotation requested".to_owned(),
                explanation: "a \"weak\" generator".to_owned(),
                retry_after: Duration::from_secs(7200),
            }),
            untold: true,
            ..enrolled()
        }
    }

    #[test]
    fn a_file_from_before_there_were_renewals_is_read() {
        let text = r#"{"format": 1, "device": {"product": "cam-2", "serial": "SN1"}, "factory": "locked",
            "enrollment-url": null, "trust-version": 1, "time-floor": "2026-11-22T00:00:00Z",
            "enrolment": {"slot": "a", "request-id": "07070707070707070707070707070707", "step": "begun"}}"#;
        let record = Record::from_json(text.as_bytes()).unwrap();
        assert_eq!(record.enrolment.map(|it| it.step), Some(EnrolmentStep::Begun));
        assert_eq!((record.renewal, record.advice, record.untold), (None, None, false));
    }

    #[test]
    fn a_renewal_needs_a_certificate_in_use_in_the_other_slot() {
        let text = String::from_utf8(renewing().to_json().unwrap()).unwrap();
        for (from, to) in [
            ("\"slot\": \"a\"", "\"slot\": \"b\""),
            ("\"confirmed\"", "\"installed\""),
            ("\"birth\"", "\"death\""),
            ("2027-01-15T08:00:00Z", "soon"),
        ] {
            let damaged = text.replace(from, to);
            assert_ne!(damaged, text, "{from}");
            assert!(Record::from_json(damaged.as_bytes()).is_err(), "{to}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for record in [Record::blank(), enrolled(), renewing()] {
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

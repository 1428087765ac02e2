//! The format of `state.json`. Files of all earlier versions are read for ever.

use std::time::Duration;

use identity::DeviceId;
use serde::{Deserialize, Serialize};

use crate::key::KeyGroup;
use crate::renewal::Window;
use crate::text::{parse_rfc3339, rfc3339};
use crate::time_floor::TimeFloor;

use super::{Enrolment, EnrolmentStep, FactoryStep, Record, Renewal, RenewalInfo};

impl Record {
    /// Reads the state file. The error is what is wrong with it, as text.
    pub fn from_json(bytes: &[u8]) -> Result<Self, String> {
        let file: RecordFile = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if file.format != FORMAT {
            return Err(format!("it is of format {}, and this program knows format {FORMAT}", file.format));
        }
        file.try_into()
    }

    /// The content of the state file.
    pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        let mut json = serde_json::to_vec_pretty(&RecordFile::from(self))?;
        json.push(b'\n');
        Ok(json)
    }
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
    enrolment: Option<Enrolment>,
    // Files of earlier versions lack the fields below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trust_digest: Option<String>,
    #[serde(default, rename = "time-told", skip_serializing_if = "std::ops::Not::not")]
    server_time_known: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    renewal: Option<Renewal>,
    #[serde(default, rename = "advice", skip_serializing_if = "Option::is_none")]
    renewal_info: Option<RenewalInfoFile>,
    #[serde(default, rename = "untold", skip_serializing_if = "std::ops::Not::not")]
    notification_pending: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_group: Option<KeyGroup>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    certificate_deferred: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct DeviceFile {
    product: String,
    serial: String,
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
            server_time_known: record.server_time_known,
            enrolment: record.enrolment.clone(),
            renewal: record.renewal.clone(),
            renewal_info: record.renewal_info.as_ref().map(RenewalInfoFile::from),
            notification_pending: record.notification_pending,
            key_group: record.key_group.clone(),
            certificate_deferred: record.certificate_deferred,
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
        if file.certificate_deferred && file.factory < FactoryStep::Installed {
            return Err("its certificate is deferred, and nothing else is installed".to_owned());
        }
        if file.enrolment.is_some() && (file.factory < FactoryStep::Installed || file.certificate_deferred) {
            return Err("it enrolled without a birth certificate".to_owned());
        }
        if let Some(renewal) = &file.renewal {
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
            server_time_known: file.server_time_known,
            time_floor: TimeFloor::of_this_release()
                .raised_to(parse_rfc3339("time-floor", &file.time_floor)?),
            enrolment: file.enrolment,
            renewal: file.renewal,
            renewal_info: file.renewal_info.map(RenewalInfo::try_from).transpose()?,
            notification_pending: file.notification_pending,
            key_group: file.key_group,
            certificate_deferred: file.certificate_deferred,
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

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RenewalInfoFile {
    serial_number: String,
    #[serde(rename = "told-at")]
    asked_at: String,
    window_start: Option<String>,
    window_end: Option<String>,
    reason: String,
    explanation: String,
    retry_after_seconds: u64,
}

impl From<&RenewalInfo> for RenewalInfoFile {
    fn from(renewal_info: &RenewalInfo) -> Self {
        Self {
            serial_number: hex::encode(&renewal_info.serial_number),
            asked_at: rfc3339(renewal_info.asked_at),
            window_start: renewal_info.window.map(|window| rfc3339(window.start)),
            window_end: renewal_info.window.map(|window| rfc3339(window.end)),
            reason: renewal_info.reason.clone(),
            explanation: renewal_info.explanation.clone(),
            retry_after_seconds: renewal_info.retry_after.as_secs(),
        }
    }
}

impl TryFrom<RenewalInfoFile> for RenewalInfo {
    type Error = String;

    fn try_from(file: RenewalInfoFile) -> Result<Self, String> {
        let window = match (file.window_start, file.window_end) {
            (Some(start), Some(end)) => Some(Window {
                start: parse_rfc3339("window-start", &start)?,
                end: parse_rfc3339("window-end", &end)?,
            }),
            _ => None,
        };
        Ok(Self {
            serial_number: hex::decode(&file.serial_number)
                .map_err(|_| format!("serial-number {:?} is not hexadecimal", file.serial_number))?,
            asked_at: parse_rfc3339("told-at", &file.asked_at)?,
            window,
            reason: file.reason,
            explanation: file.explanation,
            retry_after: Duration::from_secs(file.retry_after_seconds),
        })
    }
}

/// `serde(with)` of a request id: 16 bytes in hexadecimal.
pub(super) mod request_id {
    use identity::RequestId;
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    pub(crate) fn serialize<S: Serializer>(id: &RequestId, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(id)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<RequestId, D::Error> {
        let text = String::deserialize(from)?;
        let id = hex::decode(&text).ok().and_then(|bytes| bytes.as_slice().try_into().ok());
        id.ok_or_else(|| D::Error::custom(format!("request-id {text:?} is not 16 bytes in hexadecimal")))
    }
}

fn trust_digest(text: &str) -> Result<[u8; 32], String> {
    let digest = hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    digest.ok_or_else(|| format!("trust-digest {text:?} is not 32 bytes in hexadecimal"))
}

/// Of the state file. A change that an older program would misread gets the next number.
const FORMAT: u32 = 1;

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use identity::RequestId;

    use crate::state::{Parent, RenewalStep, Slot};

    use super::*;

    fn enrolled() -> Record {
        Record {
            device: Some("cam-2/SN 000123/b".parse().unwrap()),
            factory: FactoryStep::Locked,
            enrollment_url: Some("https://ca.example.com:8443".to_owned()),
            trust_version: u64::MAX,
            trust_digest: Some([0xab; 32]),
            server_time_known: true,
            time_floor: TimeFloor::of_this_release()
                .raised_to(UNIX_EPOCH + Duration::from_secs(1_900_000_000)),
            enrolment: Some(Enrolment {
                slot: Slot::B,
                request_id: RequestId::from([7; 16]),
                step: EnrolmentStep::Installed,
            }),
            ..Record::default()
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
            renewal_info: Some(RenewalInfo {
                serial_number: vec![0x40; 16],
                asked_at: moment,
                window: Some(Window { start: moment, end: moment + Duration::from_secs(3600) }),
                reason: "rotation requested".to_owned(),
                explanation: "a \"weak\" generator".to_owned(),
                retry_after: Duration::from_secs(7200),
            }),
            notification_pending: true,
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
        assert_eq!((record.renewal, record.renewal_info, record.notification_pending), (None, None, false));
    }

    #[test]
    fn a_file_of_an_earlier_version_in_the_middle_of_a_renewal_is_read() {
        let text = r#"{"format": 1, "device": {"product": "cam-2", "serial": "SN1"}, "factory": "locked",
            "enrollment-url": null, "trust-version": 1, "time-floor": "2026-11-22T00:00:00Z",
            "enrolment": {"slot": "a", "request-id": "07070707070707070707070707070707", "step": "confirmed"},
            "time-told": true, "untold": true,
            "renewal": {"slot": "b", "request-id": "08080808080808080808080808080808", "parent": "operational",
                "step": "installed"},
            "advice": {"serial-number": "40", "told-at": "2026-11-22T00:00:00Z", "window-start": null,
                "window-end": null, "reason": "", "explanation": "", "retry-after-seconds": 60}}"#;
        let record = Record::from_json(text.as_bytes()).unwrap();
        assert!(record.server_time_known && record.notification_pending);
        assert_eq!(record.renewal_info.map(|info| info.asked_at), Some(record.time_floor.moment()));
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

    fn deferred() -> Record {
        Record { certificate_deferred: true, enrolment: None, server_time_known: false, ..enrolled() }
    }

    #[test]
    fn a_deferred_certificate_needs_an_installation_and_enrols_nobody() {
        let text = String::from_utf8(deferred().to_json().unwrap()).unwrap();
        assert!(Record::from_json(text.replace("\"locked\"", "\"key-ready\"").as_bytes()).is_err());
        let enrolled = Record { certificate_deferred: true, ..enrolled() };
        assert!(Record::from_json(&enrolled.to_json().unwrap()).is_err());
        assert!(!deferred().is_born());
    }

    #[test]
    fn what_is_written_is_read_again() {
        for record in [Record::default(), enrolled(), renewing(), deferred()] {
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

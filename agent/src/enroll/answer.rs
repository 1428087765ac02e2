//! Whether what the CA answered is what this device needs. A device keeps nothing that it has not checked.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::{DeviceId, PublicKey};
use proto::v1;

use crate::certificate::{Certificate, Credential, Kind};

use crate::time_floor::TimeFloor;

use super::EnrollError;
use super::connection::Connection;

/// A checked answer to Enroll.
pub(crate) struct Answer {
    pub(crate) credential: Credential,
    pub(crate) trust_version: u64,
    pub(crate) server_time: SystemTime,
}

/// Checks an answer as a peer would, at the time that it tells. This unit's own clock has no say: were it years ahead, it would find that
/// every certificate has ended.
pub(crate) fn check(
    response: v1::EnrollResponse,
    connection: &Connection,
    device: &DeviceId,
    key: &PublicKey,
    trust_version: u64,
    floor: TimeFloor,
) -> Result<Answer, EnrollError> {
    let malformed = |what| EnrollError::AnswerMalformed { what };
    let issued = response.certificate.ok_or_else(|| malformed("it holds no certificate"))?;
    let bundle = response.trust_bundle.ok_or_else(|| malformed("it holds no trust bundle"))?;
    if bundle.version < trust_version {
        return Err(malformed("its trust bundle is older than this unit's"));
    }
    let server_time = believable(moment(response.server_time)?, connection)?;
    let credential = Credential {
        certificate: issued.certificate.into(),
        chain: response.chain.into_iter().map(Into::into).collect(),
        anchors: bundle.anchors.into_iter().map(Into::into).collect(),
    };
    if Certificate::from_der(&credential.certificate)?.has_ended(server_time) {
        return Err(EnrollError::Stale);
    }
    let certificate =
        credential.check(device, key, Kind::Operational, floor.raised_to(server_time).moment())?;
    if certificate.serial_number != issued.serial_number {
        return Err(malformed("its serial number is not the certificate's"));
    }
    Ok(Answer { credential, trust_version: bundle.version, server_time })
}

/// The CA's time, if the CA's own certificates are valid then (R-LIFE-06: "re-check the chain"). So no CA with a broken clock can
/// push a device's time floor beyond the life of its own server certificate.
pub(crate) fn believable(
    server_time: SystemTime,
    connection: &Connection,
) -> Result<SystemTime, EnrollError> {
    connection.check_server_at(server_time)?;
    Ok(server_time)
}

/// A time of the wire.
pub(crate) fn moment(timestamp: Option<prost_types::Timestamp>) -> Result<SystemTime, EnrollError> {
    timestamp
        .and_then(|timestamp| u64::try_from(timestamp.seconds).ok())
        .filter(|seconds| *seconds < SECONDS_MAX)
        .map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds))
        .ok_or(EnrollError::AnswerMalformed { what: "it does not tell the time" })
}

/// The year 10,000: no certificate and no RFC 3339 text goes beyond.
const SECONDS_MAX: u64 = 253_402_300_800;

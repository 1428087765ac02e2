//! Whether what the CA answered is what this device needs. A device keeps nothing that it has not checked.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{Context, SHA256};
use identity::{DeviceId, PublicKey};
use proto::v1;

use crate::certificate::{Certificate, Credential, Kind};

use crate::state::Record;
use crate::time_floor::TimeFloor;

use super::EnrollError;
use super::connection::Connection;

/// A checked answer to Enroll.
pub(crate) struct Answer {
    pub(crate) credential: Credential,
    pub(crate) trust: Trust,
    pub(crate) server_time: SystemTime,
}

/// Which trust bundle it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trust {
    /// Grows with every change.
    pub(crate) version: u64,
    /// SHA-256 over the anchors, in whatever order they came; `None`: it was not kept.
    pub(crate) digest: Option<[u8; 32]>,
}

impl Trust {
    /// The one that this unit has.
    pub(crate) fn of(record: &Record) -> Self {
        Self { version: record.trust_version, digest: record.trust_digest }
    }

    /// Of these anchors.
    pub(crate) fn new(version: u64, anchors: &[Vec<u8>]) -> Self {
        let mut anchors: Vec<&Vec<u8>> = anchors.iter().collect();
        anchors.sort_unstable();
        anchors.dedup();
        let mut context = Context::new(&SHA256);
        for anchor in anchors {
            context.update(&(anchor.len() as u64).to_be_bytes());
            context.update(anchor);
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        Self { version, digest: Some(digest) }
    }

    /// Whether this may take the place of `known`: a later version, or the very same one.
    pub(crate) fn may_follow(&self, known: Self) -> Result<(), EnrollError> {
        let malformed = |what| Err(EnrollError::AnswerMalformed { what });
        if self.version < known.version {
            return malformed("its trust bundle is older than this unit's");
        }
        if self.version == known.version && known.digest.is_some_and(|digest| Some(digest) != self.digest) {
            return malformed("its trust bundle has the version of this unit's and other anchors");
        }
        Ok(())
    }
}

/// Checks an answer as a peer would, at the time that it tells. This unit's own clock has no say: were it years ahead, it would find that
/// every certificate has ended. Nor has what the CA told before: its clock may have been ahead then (ADR 0035).
pub(crate) fn check(
    response: v1::EnrollResponse,
    connection: &Connection,
    device: &DeviceId,
    key: &PublicKey,
    trust: Trust,
) -> Result<Answer, EnrollError> {
    let malformed = |what| EnrollError::AnswerMalformed { what };
    let issued = response.certificate.ok_or_else(|| malformed("it holds no certificate"))?;
    let bundle = response.trust_bundle.ok_or_else(|| malformed("it holds no trust bundle"))?;
    let server_time = believable(moment(response.server_time)?, connection)?;
    let credential = Credential {
        certificate: issued.certificate.into(),
        chain: response.chain.into_iter().map(Into::into).collect(),
        anchors: bundle.anchors.into_iter().map(Into::into).collect(),
    };
    let offered = Trust::new(bundle.version, &credential.anchors);
    offered.may_follow(trust)?;
    if Certificate::from_der(&credential.certificate)?.has_ended(server_time) {
        return Err(EnrollError::Stale);
    }
    let certificate =
        credential.check(device, key, Kind::Operational, TimeFloor::told(server_time).moment())?;
    if certificate.serial_number != issued.serial_number {
        return Err(malformed("its serial number is not the certificate's"));
    }
    Ok(Answer { credential, trust: offered, server_time })
}

/// The CA's time, if the CA's own certificates are valid then (R-LIFE-06: "re-check the chain"). So no CA with a broken clock can
/// push a device's time floor beyond the life of its own server certificate, or pull it to before that began. The handshake has verified
/// them at the floor so far: a server key whose certificate has ended lowers nothing.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trust_bundle_of_the_same_version_holds_the_same_anchors() {
        let known = Trust::new(7, &[vec![1, 2], vec![3]]);
        assert!(Trust::new(7, &[vec![3], vec![1, 2]]).may_follow(known).is_ok(), "their order says nothing");
        assert!(Trust::new(8, &[vec![9]]).may_follow(known).is_ok(), "a later one may hold others");
        for (version, anchors) in
            [(7, vec![vec![9]]), (7, vec![vec![1, 2]]), (7, vec![vec![1], vec![2, 3]]), (6, vec![vec![3]])]
        {
            assert!(Trust::new(version, &anchors).may_follow(known).is_err(), "{version} {anchors:?}");
        }
        let of_an_old_state = Trust { version: 7, digest: None };
        assert!(Trust::new(7, &[vec![9]]).may_follow(of_an_old_state).is_ok(), "what it held was not kept");
    }
}

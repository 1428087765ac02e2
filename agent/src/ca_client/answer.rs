//! Checks of an answer with a certificate. A device keeps nothing that it has not checked.

use std::time::SystemTime;

use aws_lc_rs::digest::{Context, SHA256};
use identity::{DeviceId, PublicKey};
use proto::v1;

use crate::certificate::{Credential, Kind};
use crate::state::Record;
use crate::time_floor::TimeFloor;

use super::ObtainError;
use super::connection::Connection;

/// A checked answer with a certificate.
pub(crate) struct Answer {
    pub(crate) credential: Credential,
    pub(crate) trust: TrustBundleId,
    pub(crate) server_time: SystemTime,
}

/// Version and content of a trust bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TrustBundleId {
    /// Grows with every change of the anchors.
    pub(crate) version: u64,
    /// SHA-256 over the sorted anchors; `None`: a state directory of an earlier version did not keep it.
    pub(crate) digest: Option<[u8; 32]>,
}

impl TrustBundleId {
    /// The one that this device keeps.
    pub(crate) fn of(record: &Record) -> Self {
        Self { version: record.trust_version, digest: record.trust_digest }
    }

    /// The one with these anchors.
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
    pub(crate) fn may_follow(&self, known: Self) -> Result<(), ObtainError> {
        let malformed = |what| Err(ObtainError::AnswerMalformed(what));
        if self.version < known.version {
            return malformed("its trust bundle is older than this unit's");
        }
        if self.version == known.version && known.digest.is_some_and(|digest| Some(digest) != self.digest) {
            return malformed("its trust bundle has the version of this unit's and other anchors");
        }
        Ok(())
    }
}

/// Checks an answer with a certificate of this kind as a peer would, at the server's time in it: the
/// device's clock may be years ahead, and the CA's may have been when it set the time floor (ADR 0035).
pub(crate) fn check(
    response: v1::EnrollResponse,
    connection: &Connection,
    device: &DeviceId,
    key: &PublicKey,
    trust: TrustBundleId,
    kind: Kind,
) -> Result<Answer, ObtainError> {
    let malformed = ObtainError::AnswerMalformed;
    let issued = response.certificate.ok_or_else(|| malformed("it holds no certificate"))?;
    let bundle = response.trust_bundle.ok_or_else(|| malformed("it holds no trust bundle"))?;
    let server_time = connection.server_time(response.server_time)?;
    let credential = Credential::from_wire(issued.certificate, response.chain, bundle.anchors)?;
    let offered = TrustBundleId::new(bundle.version, &credential.anchors);
    offered.may_follow(trust)?;
    if kind == Kind::Operational && credential.leaf.has_ended(server_time) {
        return Err(ObtainError::Stale);
    }
    credential.check(device, key, kind, TimeFloor::told(server_time).moment())?;
    if credential.leaf.serial_number != issued.serial_number {
        return Err(malformed("its serial number is not the certificate's"));
    }
    Ok(Answer { credential, trust: offered, server_time })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trust_bundle_of_the_same_version_holds_the_same_anchors() {
        let known = TrustBundleId::new(7, &[vec![1, 2], vec![3]]);
        assert!(
            TrustBundleId::new(7, &[vec![3], vec![1, 2]]).may_follow(known).is_ok(),
            "their order says nothing"
        );
        assert!(TrustBundleId::new(8, &[vec![9]]).may_follow(known).is_ok(), "a later one may hold others");
        for (version, anchors) in
            [(7, vec![vec![9]]), (7, vec![vec![1, 2]]), (7, vec![vec![1], vec![2, 3]]), (6, vec![vec![3]])]
        {
            assert!(
                TrustBundleId::new(version, &anchors).may_follow(known).is_err(),
                "{version} {anchors:?}"
            );
        }
        let of_an_old_state = TrustBundleId { version: 7, digest: None };
        assert!(
            TrustBundleId::new(7, &[vec![9]]).may_follow(of_an_old_state).is_ok(),
            "what it held was not kept"
        );
    }
}

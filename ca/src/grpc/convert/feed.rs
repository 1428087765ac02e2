//! The revocation feed.

use authority::{FeedCursor, FeedPage, Refused};
use identity::RevocationReason;
use proto::v1;
use store::{ChangedStatus, Revocation, RevocationChange, StoreError};

use super::certificate::serial_number_bytes;
use super::device::device_message;
use super::time::timestamp;

/// Empty: from the first entry.
pub(in crate::grpc) fn feed_cursor(cursor: &str) -> Result<Option<FeedCursor>, Refused> {
    if cursor.is_empty() {
        return Ok(None);
    }
    cursor.parse().map(Some).map_err(|error: StoreError| error.into())
}

pub(in crate::grpc) fn feed_page(page: &FeedPage) -> v1::WatchRevocationsResponse {
    v1::WatchRevocationsResponse {
        events: page.changes.iter().map(event).collect(),
        cursor: page.next.to_string(),
        caught_up: page.caught_up,
    }
}

fn event(change: &RevocationChange) -> v1::RevocationEvent {
    let (state, revocation) = match change.status {
        ChangedStatus::RevokedOrHeld(revocation)
            if revocation.reason == RevocationReason::CertificateHold =>
        {
            (v1::RevocationState::Held, Some(revocation))
        }
        ChangedStatus::RevokedOrHeld(revocation) => (v1::RevocationState::Revoked, Some(revocation)),
        ChangedStatus::Released => (v1::RevocationState::Good, None),
    };
    let at = revocation.map_or(change.at, |Revocation { at, .. }| at);
    v1::RevocationEvent {
        serial_number: serial_number_bytes(change.serial_number),
        state: state.into(),
        at: Some(timestamp(at)),
        reason: revocation.map(|revocation| revocation.reason.to_string()).unwrap_or_default(),
        invalidity_date: revocation.and_then(|revocation| revocation.invalidity_date).map(timestamp),
        issuer: change.issuer.to_string(),
        shard: change.shard,
        device: change.device.as_ref().map(device_message),
        ledger_entry: change.position.entry.0,
    }
}

//! One event of the feed, as it is printed.

use proto::v1 as wire;
use serde::Serialize;

use crate::timestamp;
use crate::view::{device_name, revocation_word};

#[derive(Debug, Serialize)]
pub(super) struct EventView {
    at: Option<String>,
    /// `revoked`, `held`, or `good` when it was released.
    state: String,
    reason: Option<String>,
    serial_number: String,
    issuer: String,
    shard: Option<u32>,
    device: Option<String>,
    invalid_since: Option<String>,
    ledger_entry: u64,
}

impl EventView {
    pub(super) fn to_text(&self) -> String {
        let what = match (self.state.as_str(), &self.reason) {
            ("good", _) => "released".to_owned(),
            (state, Some(reason)) => format!("{state} ({reason})"),
            (state, None) => state.to_owned(),
        };
        format!(
            "{} {what} {} {}{}",
            self.at.as_deref().unwrap_or("-"),
            self.issuer,
            self.serial_number,
            self.device.as_ref().map(|device| format!(" of {device}")).unwrap_or_default(),
        )
    }
}

impl From<&wire::RevocationEvent> for EventView {
    fn from(event: &wire::RevocationEvent) -> Self {
        Self {
            at: timestamp::text(event.at.as_ref()),
            state: revocation_word(event.state()),
            reason: (!event.reason.is_empty()).then(|| event.reason.clone()),
            serial_number: hex::encode(&event.serial_number),
            issuer: event.issuer.clone(),
            shard: event.shard,
            device: event.device.as_ref().map(device_name),
            invalid_since: timestamp::text(event.invalidity_date.as_ref()),
            ledger_entry: event.ledger_entry,
        }
    }
}

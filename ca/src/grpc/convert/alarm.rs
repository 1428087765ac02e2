//! Alarms.

use std::sync::Arc;

use authority::Refused;
use ledger::{AlarmKind, Clash, Entry, Event, Holder};
use proto::v1;

use super::bad;
use super::certificate::serial_number_bytes;
use super::device::device_message;
use super::time::timestamp;

pub(in crate::grpc) fn alarm_kind(kind: i32) -> Result<Option<AlarmKind>, Refused> {
    match v1::AlarmKind::try_from(kind) {
        Ok(v1::AlarmKind::Unspecified) => Ok(None),
        Ok(v1::AlarmKind::Fork) => Ok(Some(AlarmKind::Fork)),
        Ok(v1::AlarmKind::Duplicate) => Ok(Some(AlarmKind::Duplicate)),
        Err(_) => Err(bad("kind", "is unknown")),
    }
}

/// `None` for an entry that raises no alarm.
pub(in crate::grpc) fn alarm(entry: &Arc<Entry>) -> Option<v1::Alarm> {
    let common = v1::Alarm {
        at: Some(timestamp(entry.at)),
        reported_by: entry.principal.as_ref().map(ToString::to_string).unwrap_or_default(),
        ledger_entry: entry.number.0,
        ..v1::Alarm::default()
    };
    match &entry.event {
        Event::ForkDetected { device, parent, child, held, .. } => Some(v1::Alarm {
            kind: v1::AlarmKind::Fork.into(),
            device: Some(device_message(device)),
            serial_number: serial_number_bytes(*parent),
            child_serial_number: serial_number_bytes(*child),
            held: *held,
            ..common
        }),
        Event::DuplicateRefused { device, other, certificate, what, pauses } => Some(v1::Alarm {
            kind: v1::AlarmKind::Duplicate.into(),
            device: Some(device_message(device)),
            other: match other {
                Holder::Principal(principal) => principal.to_string(),
                Holder::Issuer(issuer) => format!("issuer:{issuer}"),
                Holder::DocumentSigner => "document-signer".to_owned(),
            },
            serial_number: serial_number_bytes(*certificate),
            clash: match what {
                Clash::Key => v1::Clash::Key,
                Clash::Serial => v1::Clash::Serial,
                Clash::Prime => v1::Clash::Prime,
                Clash::Nonce => v1::Clash::Nonce,
                Clash::KeyStart => v1::Clash::KeyStart,
                Clash::KeyEnd => v1::Clash::KeyEnd,
            }
            .into(),
            product_paused: *pauses,
            ..common
        }),
        _ => None,
    }
}

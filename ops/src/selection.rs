//! A selection of certificates: from the command line, for people, and on the wire.

use std::time::SystemTime;

use identity::{DeviceId, SerialNumber};
use proto::v1 as wire;
use proto::v1::selection::By;

use crate::arguments::SelectionArguments;
use crate::failure::Failure;
use crate::timestamp;

#[derive(Debug, Clone)]
pub(crate) struct Selection {
    words: String,
    by: By,
}

impl Selection {
    pub(crate) fn device(device: &DeviceId) -> Self {
        Self { words: format!("device {device}"), by: By::Device(device_to_wire(device)) }
    }

    pub(crate) fn certificate(serial: &SerialNumber) -> Self {
        Self { words: format!("certificate {serial}"), by: By::SerialNumber(octets(serial)) }
    }

    pub(crate) fn lineage(serial: &SerialNumber) -> Self {
        Self { words: format!("lineage of certificate {serial}"), by: By::Lineage(octets(serial)) }
    }

    /// The text for people, for example `work order wo-000017`.
    pub(crate) fn words(&self) -> &str {
        &self.words
    }

    pub(crate) fn to_wire(&self) -> wire::Selection {
        wire::Selection { by: Some(self.by.clone()) }
    }
}

impl TryFrom<SelectionArguments> for Selection {
    type Error = Failure;

    /// Only one kind of selection is allowed at a time: the meaning of combinations would be misread.
    fn try_from(arguments: SelectionArguments) -> Result<Self, Failure> {
        let SelectionArguments { issued_from, issued_until, .. } = arguments;
        let kinds = [
            arguments.device.as_ref().map(Self::device),
            arguments.certificate.as_ref().map(Self::certificate),
            arguments.lineage.as_ref().map(Self::lineage),
            arguments.work_order.map(|id| Self { words: format!("work order {id}"), by: By::WorkOrder(id) }),
            arguments.product.map(|product| Self {
                words: format!("product {product}"),
                by: By::Product(product.to_string()),
            }),
            arguments.station.map(|station| Self {
                words: format!("station {station}"),
                by: By::Station(station.to_string()),
            }),
            arguments.key.map(|key| Self {
                words: format!("key {}", hex::encode(key)),
                by: By::KeyFingerprint(key.to_vec().into()),
            }),
            (issued_from.is_some() || issued_until.is_some())
                .then(|| issued_during(issued_from, issued_until))
                .transpose()?,
        ];
        let mut chosen = kinds.into_iter().flatten();
        match (chosen.next(), chosen.next()) {
            (Some(selection), None) => Ok(selection),
            _ => Err(Failure::usage("say which certificates by one of the options, not by several")
                .next("only --issued-from and --issued-until go together")),
        }
    }
}

fn issued_during(from: Option<SystemTime>, until: Option<SystemTime>) -> Result<Selection, Failure> {
    if let (Some(from), Some(until)) = (from, until)
        && from >= until
    {
        return Err(Failure::usage("--issued-until must be later than --issued-from"));
    }
    let (from, until) = (from.map(timestamp::to_wire), until.map(timestamp::to_wire));
    let mut words = "issued".to_owned();
    if let Some(from) = timestamp::text(from.as_ref()) {
        words = format!("{words} from {from}");
    }
    if let Some(until) = timestamp::text(until.as_ref()) {
        words = format!("{words} until {until}");
    }
    Ok(Selection { words, by: By::Issued(wire::IssuedDuring { from, until }) })
}

pub(crate) fn device_to_wire(device: &DeviceId) -> wire::DeviceId {
    wire::DeviceId { product: device.product.to_string(), serial: device.serial.to_string() }
}

fn octets(serial: &SerialNumber) -> bytes::Bytes {
    serial.as_bytes().to_vec().into()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        selection: SelectionArguments,
    }

    fn selection(words: &[&str]) -> Result<Selection, Failure> {
        Line::try_parse_from([&["x"], words].concat()).unwrap().selection.try_into()
    }

    #[test]
    fn a_time_may_have_one_end_or_both() {
        for (words, said) in [
            (&["--issued-from", "2026-11-22T00:00:00Z"][..], "issued from 2026-11-22T00:00:00Z"),
            (&["--issued-until", "2026-11-22T00:00:00Z"], "issued until 2026-11-22T00:00:00Z"),
            (
                &["--issued-from", "2026-11-21T00:00:00Z", "--issued-until", "2026-11-22T00:00:00Z"],
                "issued from 2026-11-21T00:00:00Z until 2026-11-22T00:00:00Z",
            ),
        ] {
            assert_eq!(selection(words).unwrap().words(), said);
        }
        let backwards = ["--issued-from", "2026-11-22T00:00:00Z", "--issued-until", "2026-11-22T00:00:00Z"];
        assert_eq!(selection(&backwards).unwrap_err().0.status, cli::Status::Usage);
    }

    #[test]
    fn two_kinds_of_selection_at_once_are_refused_and_none_is_too() {
        let two = selection(&["--product", "cam-2", "--station", "line-1"]).unwrap_err();
        assert_eq!(two.0.status, cli::Status::Usage);
        assert!(Line::try_parse_from(["x"]).is_err());
    }

    #[test]
    fn a_key_is_given_as_its_fingerprint_with_or_without_colons() {
        let plain = "ab".repeat(32);
        let colons = vec!["AB"; 32].join(":");
        assert_eq!(selection(&["--key", &plain]).unwrap().words(), format!("key {plain}"));
        assert_eq!(selection(&["--key", &colons]).unwrap().words(), format!("key {plain}"));
        assert!(Line::try_parse_from(["x", "--key", "abcd"]).is_err());
    }
}

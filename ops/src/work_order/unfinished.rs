//! Units with a certificate that were neither confirmed nor scrapped when their order was closed, told apart
//! as the closing report tells them.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct};

use super::closing::JSON_FILE;
use crate::failure::Failure;

#[derive(Debug, Default)]
pub(super) struct Unfinished {
    /// Somebody must look for these. All, if the deferred ones are not known.
    pub(super) unaccounted: Units,
    /// `None`: the report was not written.
    pub(super) deferred: Option<Units>,
}

#[derive(Debug, Default)]
pub(super) struct Units {
    pub(super) count: u64,
    /// The first ones.
    pub(super) devices: Vec<String>,
}

#[derive(Deserialize)]
struct Unit {
    serial: String,
}

impl Unfinished {
    /// From the report in `directory`, where each unit has a line of its own.
    pub(super) fn read(directory: &Path, product: &str) -> Result<Self, Failure> {
        let path = directory.join(JSON_FILE);
        let opened = File::open(&path).map(BufReader::new);
        opened.and_then(|report| Self::of(report, product)).map_err(|source| Failure::file(&path, source))
    }

    fn of(report: impl BufRead, product: &str) -> io::Result<Self> {
        let (mut unaccounted, mut deferred) = (Units::default(), Units::default());
        for line in report.lines() {
            let line = line?;
            // Quotes within a text are escaped, so this is the member and nothing else.
            let units = if line.contains(r#""outcome":"unaccounted""#) {
                &mut unaccounted
            } else if line.contains(r#""outcome":"deferred""#) {
                &mut deferred
            } else {
                continue;
            };
            units.count += 1;
            if units.devices.len() < LISTED_MAX {
                let unit: Unit = serde_json::from_str(line.trim_end_matches(','))?;
                units.devices.push(format!("{product}/{}", unit.serial));
            }
        }
        Ok(Self { unaccounted, deferred: Some(deferred) })
    }

    pub(super) fn to_text(&self) -> String {
        let mut texts = Vec::new();
        if self.unaccounted.count > 0 {
            let among = if self.deferred.is_none() { " (deferred ones may be among them)" } else { "" };
            let what = format!("with a certificate, neither confirmed nor scrapped{among}");
            texts.push(self.unaccounted.to_text(&what));
        }
        let deferred = self.deferred.iter().filter(|units| units.count > 0);
        texts.extend(deferred.map(|units| {
            units.to_text(
                "deferred, with a certificate that was issued after the lock and waits for the first boot",
            )
        }));
        if texts.is_empty() {
            return "Every unit with a certificate was confirmed or scrapped.".to_owned();
        }
        texts.join("\n")
    }
}

impl Units {
    fn to_text(&self, what: &str) -> String {
        let mut text = format!("{} {what}:\n  {}", cli::count(self.count, "unit"), self.devices.join("\n  "));
        let more = self.count.saturating_sub(self.devices.len() as u64);
        if more > 0 {
            text.push_str(&format!("\n  and {more} more"));
        }
        text
    }
}

impl Serialize for Unfinished {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_struct("Unfinished", 4)?;
        members.serialize_field("unaccounted", &self.unaccounted.devices)?;
        members.serialize_field("unaccounted_count", &self.unaccounted.count)?;
        members.serialize_field("deferred", &self.deferred.as_ref().map(|units| &units.devices))?;
        members.serialize_field("deferred_count", &self.deferred.as_ref().map(|units| units.count))?;
        members.end()
    }
}

/// As many as the CA lists.
const LISTED_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = r#"{"totals":{"deferred":1,"unaccounted":1},"units":[
{"operator":"\"outcome\":\"deferred\"","outcome":"passed","serial":"SN1"},
{"outcome":"deferred","serial":"SN2"},
{"outcome":"unaccounted","serial":"SN3"}
]}
"#;

    #[test]
    fn a_deferred_unit_is_called_so_and_is_not_unaccounted() {
        let found = Unfinished::of(REPORT.as_bytes(), "cam-2").unwrap();
        assert_eq!(
            serde_json::to_value(&found).unwrap(),
            serde_json::json!({
                "unaccounted": ["cam-2/SN3"], "unaccounted_count": 1,
                "deferred": ["cam-2/SN2"], "deferred_count": 1,
            })
        );
        let text = found.to_text();
        assert!(text.contains("1 unit deferred, ") && text.ends_with("boot:\n  cam-2/SN2"), "{text}");
    }
}

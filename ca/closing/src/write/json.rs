//! All of the report as one JSON object, UTF-8; each unit stands on a line of its own.

use serde_json::{Map, Value, json};

use crate::{Duplicate, Facts, Gap, Group, Outcome, Place, Row, Totals};

use super::time;

#[derive(Debug, Default)]
pub(crate) struct Json {
    begun: bool,
}

impl Json {
    pub(crate) fn begin(facts: &Facts, out: &mut Vec<u8>) {
        let mut head = Value::Object(head(facts)).to_string();
        // The units are the last member.
        head.pop();
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(b",\"units\":[");
    }

    pub(crate) fn row(&mut self, row: &Row<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.begun { b",\n" } else { b"\n" });
        self.begun = true;
        out.extend_from_slice(unit(row).to_string().as_bytes());
    }

    pub(crate) fn end(out: &mut Vec<u8>) {
        out.extend_from_slice(b"\n]}\n");
    }
}

fn head(facts: &Facts) -> Map<String, Value> {
    let period = &facts.period;
    let by = |principal: &Option<identity::Principal>| principal.as_ref().map(ToString::to_string);
    let members = [
        ("report", json!("touchmark closing report")),
        ("version", json!(1)),
        ("work_order", json!(facts.work_order.to_string())),
        ("organization", json!(facts.organization)),
        ("product", json!(facts.terms.product.as_str())),
        ("created_at", json!(time(Some(period.created_at)))),
        ("created_by", json!(by(&facts.created_by))),
        ("closed_at", json!(time(Some(period.closed_at)))),
        ("closed_by", json!(by(&facts.closed_by))),
        ("ledger_entries", json!({ "created": period.created.0, "closed": period.closed.0 })),
        ("ordered", json!(facts.terms.quantity)),
        ("totals", totals(&facts.totals)),
        ("never_made", json!(facts.never_made())),
        ("over_build", json!(facts.over_build())),
        ("reworks", json!(facts.reworks)),
        ("gaps", json!(facts.gaps.gaps)),
        ("gap_serials", json!(facts.gaps.serials)),
        ("gaps_listed", facts.gaps.listed.iter().map(gap).collect()),
        ("duplicates", json!(facts.duplicates_count)),
        ("duplicates_listed", facts.duplicates.iter().map(duplicate).collect()),
        ("by_station_and_shift", facts.groups.iter().map(group).collect()),
    ];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn totals(totals: &Totals) -> Value {
    Outcome::ALL.iter().map(|outcome| (outcome.as_str().to_owned(), json!(totals.of(*outcome)))).collect()
}

fn group(group: &Group) -> Value {
    json!({
        "station": group.station.word(),
        "shift": group.shift,
        "totals": totals(&group.totals),
    })
}

fn gap(gap: &Gap) -> Value {
    json!({ "first": gap.first.as_str(), "last": gap.last.as_str(), "count": gap.count })
}

fn duplicate(duplicate: &Duplicate) -> Value {
    json!({
        "device": duplicate.device.to_string(),
        "what": duplicate.what_word(),
        "other": duplicate.other,
        "at": time(Some(duplicate.at)),
    })
}

fn unit(row: &Row<'_>) -> Value {
    let or_null = |text: String| if text.is_empty() { Value::Null } else { Value::String(text) };
    json!({
        "serial": row.device.serial.as_str(),
        "outcome": row.outcome.as_str(),
        "certificate_serial": row.certificate.map(|certificate| certificate.serial_number.to_string()),
        "key_sha256": row.certificate.map(|certificate| certificate.key.to_string()),
        "issued_at": or_null(time(row.issued_at)),
        "made_at": or_null(time(row.made_at)),
        "finished_at": or_null(time(row.finished_at)),
        "station": row.station.and_then(Place::word),
        "shift": row.shift,
        "operator": row.operator,
        "reworks": row.reworks,
        "reason": row.reason,
    })
}

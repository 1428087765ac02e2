//! Where a unit got its certificate, or its end.

use std::fmt;

use identity::{Principal, PrincipalName, Role};
use ledger::Entry;

/// Who acted for a unit. What is no station's name is in parentheses, which no name has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A station.
    Station(PrincipalName),
    /// An operator, by command: nobody at a station.
    Office,
    /// More places or shifts than a report has lines for.
    Others,
}

impl Place {
    pub(crate) fn of(entry: &Entry) -> Self {
        match &entry.principal {
            Some(Principal::Named { role: Role::Station, name }) => Self::Station(name.clone()),
            Some(Principal::Named { role: Role::Operator, .. }) => Self::Office,
            _ => Self::Others,
        }
    }

    /// As the units of the report have it; `None`: it is no place in particular.
    pub(crate) fn word(&self) -> Option<String> {
        (*self != Self::Others).then(|| self.to_string())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Station(name) => name.fmt(f),
            Self::Office => f.write_str("(office)"),
            Self::Others => f.write_str("(others)"),
        }
    }
}

/// The operator of an entry: the station's word, or else whose credential gave the command.
pub(crate) fn operator<'a>(entry: &'a Entry, word: &'a str) -> &'a str {
    match &entry.principal {
        Some(Principal::Named { role: Role::Operator, name }) if word.is_empty() => name.as_str(),
        _ => word,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use identity::ProfileName;
    use ledger::{EntryNumber, Event, Serials, WorkOrderId, WorkOrderTerms};

    use super::*;
    use crate::{Form, Report, Survey};

    #[test]
    fn what_an_operator_gave_up_is_of_the_office_with_the_operators_name() {
        let terms = WorkOrderTerms {
            product: "cam-2".parse().unwrap(),
            quantity: 3,
            profile: ProfileName::Idevid,
            serials: Serials::Pattern("SN{1..3}".parse().unwrap()),
            stations: vec!["line-1".parse().unwrap()],
            opens_at: None,
            closes_at: None,
        };
        let work_order = WorkOrderId(1);
        let give_up = |serial: &str, operator: &str| Event::UnitGivenUp {
            work_order,
            device: format!("cam-2/{serial}").parse().unwrap(),
            reason: "torn".to_owned(),
            operator: operator.to_owned(),
        };
        let entries = [
            entry(1, "operator:ada", Event::WorkOrderCreated { work_order, terms }),
            entry(2, "operator:ada", give_up("SN2", "")),
            entry(3, "station:line-1", give_up("SN3", "Bob")),
            entry(4, "operator:ada", Event::WorkOrderClosed(work_order)),
        ];
        let mut survey = Survey::begin(&entries[0], "Example").unwrap();
        entries.iter().for_each(|entry| survey.enter(entry));
        let mut report = Report::of(survey, &[]).unwrap();
        let mut written = [Form::Csv, Form::Json, Form::Page].map(|form| (form, Vec::new()));
        written.iter_mut().for_each(|(form, out)| report.begin(*form, out));
        for entry in &entries {
            report.rows(entry, None, |report, row| {
                written.iter_mut().for_each(|(form, out)| report.row(*form, row, out));
            });
        }
        written.iter_mut().for_each(|(form, out)| report.end(*form, out));
        let [csv, json, page] = written.map(|(_, out)| String::from_utf8(out).unwrap());
        assert!(csv.contains(",(office),,ada,0,torn") && csv.contains(",line-1,,Bob,0,torn"), "{csv}");
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let stations = json["by_station_and_shift"].as_array().unwrap();
        assert_eq!(
            (&stations[0]["station"], &stations[1]["station"]),
            (&"line-1".into(), &"(office)".into())
        );
        assert_eq!(
            (&json["units"][0]["station"], &json["units"][0]["operator"]),
            (&"(office)".into(), &"ada".into())
        );
        assert!(page.contains("(office)") && page.contains("ada") && !page.contains("(others)"), "{page}");
    }

    fn entry(number: u64, principal: &str, event: Event) -> Entry {
        Entry {
            number: EntryNumber(number),
            at: UNIX_EPOCH + Duration::from_secs(number),
            principal: Some(principal.parse().unwrap()),
            request: None,
            content: [0; 32],
            remark: String::new(),
            event,
        }
    }
}

//! The second reading of the ledger: every unit is written, where its certificate was recorded.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::{DeviceId, DeviceSerial};
use ledger::{Entry, EntryNumber, Event};

use crate::place::{Place, operator as operator_of};
use crate::units::{Unit, Units};
use crate::write::{Csv, Json, Manifest, Page, Registration};
use crate::{Facts, Outcome, Row, Survey};

/// A form of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// All of it, for programs.
    Json,
    /// All units, for spreadsheets.
    Csv,
    /// Totals and exceptions, to be printed.
    Page,
    /// For bulk registration at AWS: one object a line.
    Registration,
    /// For clouds that take signed manifests: an array of JWS.
    Manifest,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 5] = [Self::Json, Self::Csv, Self::Page, Self::Registration, Self::Manifest];
}

/// Writes the report.
#[derive(Debug)]
pub struct Report {
    facts: Facts,
    units: Units,
    json: Json,
    page: Page,
    registration: Registration,
}

impl Report {
    /// From a survey that has seen every entry up to the one that closed the order; `None`: it has not seen
    /// that one. `issuer` is the certificate of the issuer of birth certificates, DER.
    pub fn of(survey: Survey, issuer: &[u8]) -> Option<Self> {
        let (facts, units) = survey.finish()?;
        let registration = Registration::new(issuer);
        Some(Self { facts, units, json: Json::default(), page: Page::default(), registration })
    }

    /// What it says of the whole order.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// What stands before the units.
    pub fn begin(&self, form: Form, out: &mut Vec<u8>) {
        match form {
            Form::Json => Json::begin(&self.facts, out),
            Form::Csv => Csv::begin(out),
            Form::Manifest => Manifest::begin(out),
            Form::Page | Form::Registration => {}
        }
    }

    /// The entry that is needed beside this one to write its units: of a scrapped unit, the one that says
    /// why.
    pub fn needs(&self, entry: &Entry) -> Option<EntryNumber> {
        let unit = self.born_here(entry)?;
        unit.changed.filter(|_| unit.outcome == Outcome::Scrapped)
    }

    /// Hands every unit that is written at this entry to `write`. `needed` is the entry that [`Self::needs`]
    /// names.
    pub fn rows(
        &mut self,
        entry: &Entry,
        needed: Option<&Entry>,
        mut write: impl FnMut(&mut Self, &Row<'_>),
    ) {
        let place = Place::of(entry);
        match &entry.event {
            Event::BirthIssued { device, certificate, made_at, shift, operator, .. } => {
                let Some(unit) = self.born_here(entry).copied() else { return };
                let row = Row {
                    device,
                    outcome: unit.outcome,
                    certificate: Some(certificate),
                    issued_at: Some(entry.at),
                    made_at: *made_at,
                    finished_at: unit.changed.map(|_| at(unit.changed_ms)),
                    station: Some(&place),
                    shift,
                    operator,
                    reworks: unit.reworks,
                    reason: needed.map_or("", reason),
                };
                write(self, &row);
            }
            Event::ReservationWithdrawn { serials, .. } => {
                for serial in serials {
                    if !self.is_ended_by(serial, Outcome::Withdrawn, entry) {
                        continue;
                    }
                    let device =
                        DeviceId { product: self.facts.terms.product.clone(), serial: serial.clone() };
                    write(self, &withdrawn(&device, entry));
                }
            }
            Event::UnitGivenUp { device, reason, operator, .. }
                if self.is_ended_by(&device.serial, Outcome::GivenUp, entry) =>
            {
                let row = Row {
                    outcome: Outcome::GivenUp,
                    station: Some(&place),
                    operator: operator_of(entry, operator),
                    reason,
                    ..withdrawn(device, entry)
                };
                write(self, &row);
            }
            Event::DeferralRefused { device, refused, .. }
                if self.is_ended_by(&device.serial, Outcome::Refused, entry) =>
            {
                let row = Row {
                    outcome: Outcome::Refused,
                    made_at: Some(refused.made_at),
                    station: Some(&place),
                    reason: refused.flaw.as_str(),
                    ..withdrawn(device, entry)
                };
                write(self, &row);
            }
            _ => {}
        }
    }

    /// Writes one unit; the manifest is written by [`Manifest`], because each of its elements is signed.
    pub fn row(&mut self, form: Form, row: &Row<'_>, out: &mut Vec<u8>) {
        match form {
            Form::Json => self.json.row(row, out),
            Form::Csv => Csv::row(row, out),
            Form::Page => self.page.row(row),
            Form::Registration => self.registration.row(row, out),
            Form::Manifest => {}
        }
    }

    /// What stands behind the units.
    pub fn end(&self, form: Form, out: &mut Vec<u8>) {
        match form {
            Form::Json => Json::end(out),
            Form::Page => self.page.write(&self.facts, self.registration.left_out(), out),
            Form::Manifest => Manifest::end(out),
            Form::Csv | Form::Registration => {}
        }
    }

    /// Whether the entry ended a unit that never had a certificate.
    fn is_ended_by(&self, serial: &DeviceSerial, outcome: Outcome, entry: &Entry) -> bool {
        let unit = self.units.find(serial.as_str());
        unit.is_some_and(|unit| unit.outcome == outcome && unit.birth == entry.number)
    }

    /// The unit whose present certificate this entry recorded.
    fn born_here(&self, entry: &Entry) -> Option<&Unit> {
        let Event::BirthIssued { work_order, device, .. } = &entry.event else { return None };
        let unit = self.units.find(device.serial.as_str())?;
        (*work_order == self.facts.work_order && unit.birth == entry.number).then_some(unit)
    }
}

fn withdrawn<'a>(device: &'a DeviceId, entry: &'a Entry) -> Row<'a> {
    Row {
        device,
        outcome: Outcome::Withdrawn,
        certificate: None,
        issued_at: None,
        made_at: None,
        finished_at: Some(entry.at),
        station: None,
        shift: "",
        operator: "",
        reworks: 0,
        reason: &entry.remark,
    }
}

fn reason(entry: &Entry) -> &str {
    match &entry.event {
        Event::UnitScrapped { reason, .. } => reason,
        _ => "",
    }
}

fn at(milliseconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(milliseconds)
}

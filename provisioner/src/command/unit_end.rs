//! `touchmark-station scrap`, `rework` and `give-up`.

use std::collections::BTreeMap;

use cli::{Complaint, Status, ask, count};
use identity::DeviceId;
use proto::v1::Reason;

use super::order::same_installation;
use super::{Failure, Station, plan, say};
use crate::arguments::{PROGRAM, UnitArguments};
use crate::ca::{Ca, CaError, Words, advice, exit_status};
use crate::console::Console;
use crate::journal::{JournalError, JournalState, Record, Writer};
use crate::session::Step;

/// What is done with units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UnitEnd {
    Scrap,
    Rework,
    GiveUp,
}

/// What became of one unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Scrapped,
    Rework,
    GivenUp,
    Refused,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Scrapped => "scrapped",
            Self::Rework => "rework",
            Self::GivenUp => "given-up",
            Self::Refused => "refused",
        }
    }
}

pub(super) async fn run(
    end: UnitEnd,
    arguments: UnitArguments,
    console: &Console,
) -> Result<Status, Failure> {
    let station = Station::open(&arguments.common.config, console)?;
    let answer = station.ca.work_order(&arguments.work_order).await?;
    let order = answer.work_order.unwrap_or_default();
    let devices = devices(end, &arguments, &order.product)?;
    end.confirm(&arguments, &devices, &order.id)?;
    let (journal, known) = station.work_order(&arguments.work_order)?;
    same_installation(&known, &order)?;
    let words = Words { remark: arguments.remark.clone(), operator: arguments.operator.clone() };
    let work = Work { ca: &station.ca, order: &order.id, words, journal: &journal, known: &known };
    let mut counts: BTreeMap<Outcome, u64> = BTreeMap::new();
    // A result that cannot be printed does not stop the work.
    let mut printed = Ok(());
    for device in devices {
        let (outcome, reason, message) = match work.end(end, &device).await? {
            Ok(outcome) => (outcome, String::new(), String::new()),
            Err(CaError::Refused(refusal)) if !refusal.stops_the_line => {
                (Outcome::Refused, refusal.reason, refusal.message)
            }
            Err(error) => {
                let status = exit_status(error.reason());
                let complaint = Complaint::new(PROGRAM, status, format!("stopped before {device}: {error}"));
                console.complain(&complaint.next(advice(error.reason())).text(arguments.json));
                return Ok(status);
            }
        };
        *counts.entry(outcome).or_default() += 1;
        let line = match arguments.json {
            true => serde_json::json!({
                "device": device.to_string(), "outcome": outcome.name(), "reason": reason, "message": message
            })
            .to_string(),
            false => end.text(&device, outcome, &format!("{message} ({reason})")),
        };
        printed = printed.and_then(|()| say(&line));
    }
    printed?;
    let refused = counts.get(&Outcome::Refused).copied().unwrap_or_default();
    if arguments.json {
        say(&end.summary(&order.id, &counts))?;
    }
    Ok(if refused > 0 { Status::NotGood } else { Status::Done })
}

/// What a command works with.
struct Work<'a> {
    ca: &'a Ca,
    order: &'a str,
    words: Words,
    journal: &'a Writer,
    known: &'a JournalState,
}

impl Work<'_> {
    /// Ends one unit at the CA, and then in the journal: a unit whose record is lost is refused or found by
    /// the next run. The inner error is the CA's.
    async fn end(&self, end: UnitEnd, device: &DeviceId) -> Result<Result<Outcome, CaError>, Failure> {
        let done = match end {
            UnitEnd::Rework => self.ca.rework(self.order, device, &self.words).await,
            UnitEnd::GiveUp => self.ca.give_up(self.order, device, &self.words).await,
            UnitEnd::Scrap => self.ca.scrap(self.order, device, &self.words).await,
        };
        let outcome = match (end, done) {
            (UnitEnd::Scrap, Ok(())) => Outcome::Scrapped,
            (UnitEnd::Rework, Ok(())) => Outcome::Rework,
            (UnitEnd::GiveUp, Ok(())) => Outcome::GivenUp,
            // The CA has nothing to revoke. A serial number that the journal does not know is mistyped.
            (UnitEnd::Scrap, Err(CaError::Refused(refusal)))
                if refusal.is(Reason::DeviceNotFound) && self.never_made(device) =>
            {
                match self.ca.give_up(self.order, device, &self.words).await {
                    Ok(()) => Outcome::GivenUp,
                    // The others have used up the quota: this serial number needs none any more.
                    Err(CaError::Refused(refusal)) if refusal.is(Reason::WorkOrderExhausted) => {
                        Outcome::GivenUp
                    }
                    Err(error) => return Ok(Err(error)),
                }
            }
            (_, Err(error)) => return Ok(Err(error)),
        };
        let recorded = self.record(outcome, device).await;
        let (device, name) = (device.clone(), outcome.name());
        recorded.map_err(|source| Failure::NotInJournal { device, outcome: name, source })?;
        Ok(Ok(outcome))
    }

    async fn record(&self, outcome: Outcome, device: &DeviceId) -> Result<(), JournalError> {
        let unit = self.known.units.get(device);
        match outcome {
            Outcome::Scrapped | Outcome::GivenUp => {
                let record = Record::Scrapped { device: device.clone(), reason: self.words.remark.clone() };
                self.journal.record(&record).await?;
            }
            // Without a certificate in the journal the next run makes the unit as one of another station.
            Outcome::Rework => {
                if let Some(serial_number) = unit.and_then(|unit| unit.certificate()) {
                    let step = Step::Superseded { serial_number };
                    self.journal.record(&Record::Step { device: device.clone(), step }).await?;
                }
            }
            Outcome::Refused => {}
        }
        Ok(())
    }

    /// Whether the unit was begun here and has no certificate, as far as the journal knows.
    fn never_made(&self, device: &DeviceId) -> bool {
        self.known.units.get(device).is_some_and(|unit| unit.certificate().is_none())
    }
}

impl UnitEnd {
    fn text(self, device: &DeviceId, outcome: Outcome, why: &str) -> String {
        match (outcome, self) {
            (Outcome::Scrapped, _) => format!("{device} scrapped"),
            (Outcome::Rework, _) => format!(
                "{device} may be made again: erase it; its next certificate, for a new key, replaces the one that it has"
            ),
            (Outcome::GivenUp, Self::Scrap) => format!(
                "{device} given up: it never had a certificate, so there is nothing to revoke; no unit gets its serial number"
            ),
            (Outcome::GivenUp, _) => format!("{device} given up: no unit gets its serial number"),
            (Outcome::Refused, Self::Scrap) => format!("{device} NOT scrapped: {why}"),
            (Outcome::Refused, Self::Rework) => format!("{device} NOT to be made again: {why}"),
            (Outcome::Refused, Self::GiveUp) => format!("{device} NOT given up: {why}"),
        }
    }

    fn summary(self, work_order: &str, counts: &BTreeMap<Outcome, u64>) -> String {
        let count = |outcome: Outcome| counts.get(&outcome).copied().unwrap_or_default();
        let refused = count(Outcome::Refused);
        let summary = match self {
            Self::Scrap => serde_json::json!({
                "work_order": work_order,
                "scrapped": count(Outcome::Scrapped),
                "given_up": count(Outcome::GivenUp),
                "refused": refused,
            }),
            Self::Rework => serde_json::json!({
                "work_order": work_order, "rework": count(Outcome::Rework), "refused": refused,
            }),
            Self::GiveUp => serde_json::json!({
                "work_order": work_order, "given_up": count(Outcome::GivenUp), "refused": refused,
            }),
        };
        serde_json::json!({ "summary": summary }).to_string()
    }

    /// Asks the person at the terminal, unless --yes or --confirm was given.
    fn confirm(
        self,
        arguments: &UnitArguments,
        devices: &[DeviceId],
        work_order: &str,
    ) -> Result<(), Failure> {
        let units = devices.len();
        let not_confirmed = Failure::NotConfirmed { units, done: self.done() };
        match (arguments.yes, arguments.confirm) {
            (true, _) => return Ok(()),
            (false, Some(said)) => return if said == units as u64 { Ok(()) } else { Err(not_confirmed) },
            (false, None) => {}
        }
        let names: Vec<String> = devices.iter().map(ToString::to_string).collect();
        let (verb, meaning) = match self {
            Self::Scrap => (
                "Scrap",
                "Their certificates are revoked for ever, their serial numbers and keys are never used again,\n\
                 and the order's quota is not given back.",
            ),
            Self::Rework => (
                "Make again",
                "Each needs to be erased. Its next certificate, for a new key, revokes the one that it has.",
            ),
            Self::GiveUp => (
                "Give up",
                "No unit ever gets these serial numbers, and the order's quota is not given back.",
            ),
        };
        let question = format!(
            "{verb} {} of {work_order} ({})?\n  {}\n{meaning} Type {units} to confirm: ",
            count(devices.len() as u64, "unit"),
            arguments.remark,
            names.join("\n  ")
        );
        if ask(&question) == Some(units.to_string()) { Ok(()) } else { Err(not_confirmed) }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Scrap => "scrapped",
            Self::Rework => "to be made again",
            Self::GiveUp => "given up",
        }
    }
}

/// Each device once, in the order of the command line.
fn devices(end: UnitEnd, arguments: &UnitArguments, product: &str) -> Result<Vec<DeviceId>, Failure> {
    let product = plan::parse_product(product)?;
    let mut devices: Vec<DeviceId> = Vec::new();
    for unit in &arguments.units {
        // A unit of another product; or a serial number with a `/`, which is rare.
        if let Some(named) = unit.product.as_ref().filter(|named| **named != product) {
            let text = format!(
                "{named}/{} is not a unit of this order, which is for product {product}; nothing was {}",
                unit.serial,
                end.done()
            );
            return Err(Failure::WorkOrder(text));
        }
        let device = DeviceId { product: product.clone(), serial: unit.serial.clone() };
        if !devices.contains(&device) {
            devices.push(device);
        }
    }
    Ok(devices)
}

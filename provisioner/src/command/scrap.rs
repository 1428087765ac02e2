//! `touchmark-station scrap`.

use std::collections::BTreeMap;

use cli::{Complaint, Status, ask, count};
use identity::DeviceId;
use proto::v1::Reason;

use super::{Failure, Station, plan, say};
use crate::arguments::{PROGRAM, ScrapArguments};
use crate::ca::{CaError, advice, exit_status};
use crate::console::Console;
use crate::journal::{JournalState, Record};

pub(super) async fn run(arguments: ScrapArguments, console: &Console) -> Result<Status, Failure> {
    let station = Station::open(&arguments.common.config, console)?;
    let answer = station.ca.work_order(&arguments.work_order).await?;
    let order = answer.work_order.unwrap_or_default();
    let devices = devices(&arguments, &order.product)?;
    confirm(&arguments, &devices, &order.id)?;
    let (journal, known) = station.work_order(&arguments.work_order)?;
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    // A result that cannot be printed does not stop the work.
    let mut printed = Ok(());
    for device in devices {
        // Recorded after the CA's answer. Without this record the unit would be tried again, and refused.
        let record = Record::Scrapped { device: device.clone(), reason: arguments.remark.clone() };
        let (outcome, reason, message) = match station.ca.scrap(&order.id, &device, &arguments.remark).await {
            Ok(()) => {
                journal.record(&record).await?;
                ("scrapped", String::new(), String::new())
            }
            // The CA has nothing to revoke. A serial number that the journal does not know is mistyped.
            Err(CaError::Refused(refusal)) if refusal.is(NEVER_ISSUED) && never_made(&known, &device) => {
                journal.record(&record).await?;
                ("given-up", refusal.reason, "it never had a certificate".to_owned())
            }
            Err(CaError::Refused(refusal)) if !refusal.stops_the_line => {
                ("refused", refusal.reason, refusal.message)
            }
            Err(error) => {
                let status = exit_status(error.reason());
                let complaint = Complaint::new(PROGRAM, status, format!("stopped before {device}: {error}"));
                console.complain(&complaint.next(advice(error.reason())).text(arguments.json));
                return Ok(status);
            }
        };
        *counts.entry(outcome).or_default() += 1;
        let device = device.to_string();
        let line = match outcome {
            _ if arguments.json => serde_json::json!({
                "device": device, "outcome": outcome, "reason": reason, "message": message
            })
            .to_string(),
            "scrapped" => format!("{device} scrapped"),
            "given-up" => format!(
                "{device} given up: {message}, so there is nothing to revoke; this station does not make it again"
            ),
            _ => format!("{device} NOT scrapped: {message} ({reason})"),
        };
        printed = printed.and_then(|()| say(&line));
    }
    printed?;
    let count = |outcome| counts.get(outcome).copied().unwrap_or_default();
    if arguments.json {
        let summary = serde_json::json!({
            "work_order": order.id,
            "scrapped": count("scrapped"),
            "given_up": count("given-up"),
            "refused": count("refused"),
        });
        say(&serde_json::json!({ "summary": summary }).to_string())?;
    }
    Ok(if count("refused") > 0 { Status::NotGood } else { Status::Done })
}

/// Whether the unit was begun here and has no certificate, as far as the journal knows.
fn never_made(known: &JournalState, device: &DeviceId) -> bool {
    known.units.get(device).is_some_and(|unit| unit.certificate().is_none())
}

/// Each device once, in the order of the command line.
fn devices(arguments: &ScrapArguments, product: &str) -> Result<Vec<DeviceId>, Failure> {
    let product = plan::parse_product(product)?;
    let mut devices: Vec<DeviceId> = Vec::new();
    for unit in &arguments.units {
        // A unit of another product; or a serial number with a `/`, which is rare.
        if let Some(named) = unit.product.as_ref().filter(|named| **named != product) {
            let text = format!(
                "{named}/{} is not a unit of this order, which is for product {product}; nothing was scrapped",
                unit.serial
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

/// Asks the person at the terminal, unless --yes or --confirm was given.
fn confirm(arguments: &ScrapArguments, devices: &[DeviceId], work_order: &str) -> Result<(), Failure> {
    let units = devices.len();
    let not_confirmed = Failure::NotConfirmed { units };
    match (arguments.yes, arguments.confirm) {
        (true, _) => return Ok(()),
        (false, Some(said)) => return if said == units as u64 { Ok(()) } else { Err(not_confirmed) },
        (false, None) => {}
    }
    let names: Vec<String> = devices.iter().map(ToString::to_string).collect();
    let question = format!(
        "Scrap {} of {work_order} ({})?\n  {}\n\
         Their certificates are revoked for ever, their serial numbers and keys are never used again,\n\
         and the order's quota is not given back. Type {units} to scrap them: ",
        count(devices.len() as u64, "unit"),
        arguments.remark,
        names.join("\n  ")
    );
    if ask(&question) == Some(units.to_string()) { Ok(()) } else { Err(not_confirmed) }
}

/// The CA's reason when no unit has this serial number.
const NEVER_ISSUED: Reason = Reason::DeviceNotFound;

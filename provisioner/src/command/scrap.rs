//! `touchmark-station scrap`.

use std::io::{BufRead, IsTerminal, Write};

use identity::DeviceId;

use super::failure::{self, with_advice};
use super::{Failure, Station, count, say, status};
use crate::arguments::ScrapArguments;
use crate::ca::{CaError, advice};
use crate::console::Console;
use crate::journal::{Known, Record};

pub(super) async fn run(arguments: ScrapArguments, console: &Console) -> Result<u8, Failure> {
    if !arguments.yes && !std::io::stdin().is_terminal() {
        console.error("scrapping cannot be undone, and there is no terminal to ask at", Some("give --yes"));
        return Ok(status::USAGE);
    }
    let station = Station::open(&arguments.common.config, console)?;
    let answer = station.ca.work_order(&arguments.work_order).await.map_err(with_advice)?;
    let order = answer.work_order.unwrap_or_default();
    let devices = devices(&arguments, &order.product)?;
    if !arguments.yes && !confirmed(&devices, &order.id, &arguments.reason) {
        console.complain("nothing was scrapped");
        return Ok(status::NOT_CONFIRMED);
    }
    let (journal, known) = station.work_order(&arguments.work_order)?;
    let (mut scrapped, mut refused) = (0_u64, 0_u64);
    for device in devices {
        match station.ca.scrap(&order.id, &device, &arguments.reason).await {
            Ok(()) => {
                // After the CA's word: without this record the unit would be tried again, and refused.
                let record = Record::Scrapped { device: device.clone(), reason: arguments.reason.clone() };
                journal.record(&record).await?;
                scrapped += 1;
                say(&told(&arguments, &device, None));
            }
            Err(CaError::Refused(refusal)) if refusal.reason == NEVER_MADE && never_made(&known, &device) => {
                // It has no certificate to revoke; here its serial number is given up, so that nobody waits for it.
                let record = Record::Scrapped { device: device.clone(), reason: arguments.reason.clone() };
                journal.record(&record).await?;
                scrapped += 1;
                say(&told(&arguments, &device, None));
            }
            Err(CaError::Refused(refusal)) if !refusal.stops_the_line => {
                refused += 1;
                say(&told(&arguments, &device, Some((&refusal.reason, &refusal.message))));
            }
            Err(error) => {
                console.error(&format!("stopped before {device}: {error}"), Some(advice(error.reason())));
                return Ok(failure::of_ca(&error));
            }
        }
    }
    if arguments.json {
        let summary = serde_json::json!({"work_order": order.id, "scrapped": scrapped, "refused": refused});
        say(&serde_json::json!({ "summary": summary }).to_string());
    }
    Ok(if refused > 0 { status::NOT_ALL_GOOD } else { status::DONE })
}

/// Whether the unit was begun here and, as far as is known here, has no certificate.
fn never_made(known: &Known, device: &DeviceId) -> bool {
    known.units.get(device).is_some_and(|unit| unit.certificate().is_none())
}

/// Each once, in the order in which they are named.
fn devices(arguments: &ScrapArguments, product: &str) -> Result<Vec<DeviceId>, Failure> {
    let product: identity::Product = product.parse().map_err(|_| {
        Failure::WorkOrder(format!("the CA's work order names {product:?}, which is not a product"))
    })?;
    let mut devices: Vec<DeviceId> = Vec::new();
    for serial in &arguments.serials {
        let device = DeviceId { product: product.clone(), serial: serial.clone() };
        if !devices.contains(&device) {
            devices.push(device);
        }
    }
    Ok(devices)
}

/// Asks on the terminal. Anything but `yes` is no.
fn confirmed(devices: &[DeviceId], work_order: &str, reason: &str) -> bool {
    let names: Vec<String> = devices.iter().map(ToString::to_string).collect();
    let question = format!(
        "Scrap {} of {work_order} ({reason})?\n  {}\n\
         Their certificates are revoked for ever, their serial numbers and keys never return,\n\
         and the order's quota is not given back. Write yes to scrap them: ",
        count(devices.len() as u64, "unit"),
        names.join("\n  ")
    );
    let mut answer = String::new();
    std::io::stderr().write_all(question.as_bytes()).is_ok()
        && std::io::stdin().lock().read_line(&mut answer).is_ok()
        && answer.trim() == "yes"
}

fn told(arguments: &ScrapArguments, device: &DeviceId, refused: Option<(&str, &str)>) -> String {
    let (outcome, (reason, message)) = match refused {
        None => ("scrapped", ("", "")),
        Some(refused) => ("refused", refused),
    };
    if arguments.json {
        let device = device.to_string();
        let unit =
            serde_json::json!({"device": device, "outcome": outcome, "reason": reason, "message": message});
        return unit.to_string();
    }
    match refused {
        None => format!("{device} scrapped"),
        Some(_) => format!("{device} NOT scrapped: {message} ({reason})"),
    }
}

/// The CA has nothing on record of the unit.
const NEVER_MADE: &str = "DEVICE_NOT_FOUND";

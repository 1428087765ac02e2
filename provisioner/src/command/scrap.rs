//! `touchmark-station scrap`.

use std::io::{BufRead, IsTerminal, Write};

use identity::DeviceId;

use super::provision::with_advice;
use super::{Failure, Station, say};
use crate::arguments::ScrapArguments;
use crate::ca::{CaError, advice};
use crate::console::Console;
use crate::journal::Record;

pub(super) async fn run(arguments: ScrapArguments, console: &Console) -> Result<u8, Failure> {
    if !arguments.yes && !std::io::stdin().is_terminal() {
        console.complain("error: scrapping cannot be undone, and there is no terminal to ask at; give --yes");
        return Ok(2);
    }
    let station = Station::open(&arguments.common.config)?;
    let answer = station.ca.work_order(&arguments.work_order).await.map_err(with_advice)?;
    let order = answer.work_order.unwrap_or_default();
    let devices = devices(&arguments, &order.product)?;
    if !arguments.yes && !confirmed(&devices, &order.id, &arguments.reason) {
        console.complain("nothing was scrapped");
        return Ok(1);
    }
    let (journal, known) = station.work_order(&arguments.work_order)?;
    let (mut scrapped, mut given_up, mut refused) = (0_u64, 0_u64, 0_u64);
    for device in devices {
        // After the CA's word: without this record the unit would be tried again, and refused.
        let record = Record::Scrapped { device: device.clone(), reason: arguments.reason.clone() };
        match station.ca.scrap(&order.id, &device, &arguments.reason).await {
            Ok(()) => {
                journal.record(&record).await?;
                scrapped += 1;
                say(&told(&arguments, &device, Told::Scrapped));
            }
            // It failed before it had a certificate. The CA has nothing to revoke; this station makes it no more. A serial number that
            // this journal does not know is a mistyped one.
            Err(CaError::Refused(refusal))
                if refusal.reason == NEVER_ISSUED && known.units.contains_key(&device) =>
            {
                journal.record(&record).await?;
                given_up += 1;
                say(&told(&arguments, &device, Told::GivenUp));
            }
            Err(CaError::Refused(refusal)) if !refusal.stops_the_line => {
                refused += 1;
                say(&told(&arguments, &device, Told::Refused(&refusal.reason, &refusal.message)));
            }
            Err(error) => {
                let reason = match &error {
                    CaError::Refused(refusal) => refusal.reason.as_str(),
                    CaError::Unreachable(_) => "CA_UNREACHABLE",
                };
                console.complain(&format!("stopped before {device}: {error}\n  {}", advice(reason)));
                return Ok(4);
            }
        }
    }
    if arguments.json {
        let summary = serde_json::json!({
            "work_order": order.id, "scrapped": scrapped, "given_up": given_up, "refused": refused
        });
        say(&serde_json::json!({ "summary": summary }).to_string());
    }
    Ok(if refused > 0 { 3 } else { 0 })
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
        "Scrap {} units of {work_order} ({reason})?\n  {}\n\
         Their certificates are revoked for ever, their serial numbers and keys never return,\n\
         and the order's quota is not given back. Write yes to scrap them: ",
        devices.len(),
        names.join("\n  ")
    );
    let mut answer = String::new();
    std::io::stderr().write_all(question.as_bytes()).is_ok()
        && std::io::stdin().lock().read_line(&mut answer).is_ok()
        && answer.trim() == "yes"
}

/// What became of a unit.
enum Told<'a> {
    /// The CA revoked its certificates.
    Scrapped,
    /// It never had a certificate.
    GivenUp,
    /// The CA's reason and message.
    Refused(&'a str, &'a str),
}

fn told(arguments: &ScrapArguments, device: &DeviceId, what: Told<'_>) -> String {
    if arguments.json {
        let (outcome, reason, message) = match what {
            Told::Scrapped => ("scrapped", "", ""),
            Told::GivenUp => ("given-up", NEVER_ISSUED, "it never had a certificate"),
            Told::Refused(reason, message) => ("refused", reason, message),
        };
        let device = device.to_string();
        let unit =
            serde_json::json!({"device": device, "outcome": outcome, "reason": reason, "message": message});
        return unit.to_string();
    }
    match what {
        Told::Scrapped => format!("{device} scrapped"),
        Told::GivenUp => format!(
            "{device} given up: it never had a certificate, so there is nothing to revoke; this station makes it no more"
        ),
        Told::Refused(reason, message) => format!("{device} NOT scrapped: {message} ({reason})"),
    }
}

/// The CA's reason when no unit has this serial number.
const NEVER_ISSUED: &str = "DEVICE_NOT_FOUND";

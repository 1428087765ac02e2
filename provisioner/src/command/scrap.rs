//! `touchmark-station scrap`.

use cli::{Answer, Complaint, Status, ask, count};
use identity::DeviceId;
use proto::v1::Reason;

use super::{Failure, Station, failure, say};
use crate::arguments::{PROGRAM, ScrapArguments};
use crate::ca::{CaError, advice};
use crate::console::Console;
use crate::journal::{JournalState, Record};

pub(super) async fn run(arguments: ScrapArguments, console: &Console) -> Result<Status, Failure> {
    let station = Station::open(&arguments.common.config, console)?;
    let answer = station.ca.work_order(&arguments.work_order).await?;
    let order = answer.work_order.unwrap_or_default();
    let devices = devices(&arguments, &order.product)?;
    confirm(&arguments, &devices, &order.id)?;
    let (journal, known) = station.work_order(&arguments.work_order)?;
    let (mut scrapped, mut given_up, mut refused) = (0_u64, 0_u64, 0_u64);
    // A result that cannot be printed does not stop the work.
    let mut printed = Ok(());
    for device in devices {
        // Recorded after the CA's answer. Without this record the unit would be tried again, and refused.
        let record = Record::Scrapped { device: device.clone(), reason: arguments.remark.clone() };
        let what = match station.ca.scrap(&order.id, &device, &arguments.remark).await {
            Ok(()) => {
                journal.record(&record).await?;
                scrapped += 1;
                result_line(&arguments, &device, ScrapResult::Scrapped)
            }
            // The unit failed before it had a certificate, so the CA has nothing to revoke. A serial number
            // that the journal does not know is mistyped.
            Err(CaError::Refused(refusal)) if refusal.is(NEVER_ISSUED) && never_made(&known, &device) => {
                journal.record(&record).await?;
                given_up += 1;
                result_line(&arguments, &device, ScrapResult::GivenUp)
            }
            Err(CaError::Refused(refusal)) if !refusal.stops_the_line => {
                refused += 1;
                result_line(&arguments, &device, ScrapResult::Refused(&refusal.reason, &refusal.message))
            }
            Err(error) => {
                let status = failure::of_reason(error.reason());
                let complaint = Complaint::new(PROGRAM, status, format!("stopped before {device}: {error}"));
                console.complain(&complaint.next(advice(error.reason())).text(arguments.json));
                return Ok(status);
            }
        };
        printed = printed.and_then(|()| say(&what));
    }
    printed?;
    if arguments.json {
        let summary = serde_json::json!({
            "work_order": order.id, "scrapped": scrapped, "given_up": given_up, "refused": refused
        });
        say(&serde_json::json!({ "summary": summary }).to_string())?;
    }
    Ok(if refused > 0 { Status::NotGood } else { Status::Done })
}

/// Whether the unit was begun here and has no certificate, as far as the journal knows.
fn never_made(known: &JournalState, device: &DeviceId) -> bool {
    known.units.get(device).is_some_and(|unit| unit.certificate().is_none())
}

/// Each device once, in the order of the command line.
fn devices(arguments: &ScrapArguments, product: &str) -> Result<Vec<DeviceId>, Failure> {
    let product: identity::Product = product.parse().map_err(|_| {
        Failure::WorkOrder(format!("the CA's work order names {product:?}, which is not a product"))
    })?;
    let mut devices: Vec<DeviceId> = Vec::new();
    for unit in &arguments.units {
        let device = match &unit.product {
            None => DeviceId { product: product.clone(), serial: unit.serial.clone() },
            Some(named) if *named == product => {
                DeviceId { product: named.clone(), serial: unit.serial.clone() }
            }
            // A serial number with a `/`, or a unit of another product. The first is rare, so it is treated
            // as a mistake.
            Some(named) => {
                let text = format!(
                    "{named}/{} is not a unit of this order, which is for product {product}; nothing was scrapped",
                    unit.serial
                );
                return Err(Failure::WorkOrder(text));
            }
        };
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
    if ask(&question) == Answer::Typed(units.to_string()) { Ok(()) } else { Err(not_confirmed) }
}

enum ScrapResult<'a> {
    /// The CA revoked its certificates.
    Scrapped,
    /// It never had a certificate.
    GivenUp,
    /// The CA's reason and message.
    Refused(&'a str, &'a str),
}

fn result_line(arguments: &ScrapArguments, device: &DeviceId, what: ScrapResult<'_>) -> String {
    if arguments.json {
        let (outcome, reason, message) = match what {
            ScrapResult::Scrapped => ("scrapped", "", ""),
            ScrapResult::GivenUp => ("given-up", NEVER_ISSUED.as_str_name(), "it never had a certificate"),
            ScrapResult::Refused(reason, message) => ("refused", reason, message),
        };
        let device = device.to_string();
        let unit =
            serde_json::json!({"device": device, "outcome": outcome, "reason": reason, "message": message});
        return unit.to_string();
    }
    match what {
        ScrapResult::Scrapped => format!("{device} scrapped"),
        ScrapResult::GivenUp => format!(
            "{device} given up: it never had a certificate, so there is nothing to revoke; this station does not make it again"
        ),
        ScrapResult::Refused(reason, message) => format!("{device} NOT scrapped: {message} ({reason})"),
    }
}

/// The CA's reason when no unit has this serial number.
const NEVER_ISSUED: Reason = Reason::DeviceNotFound;

//! `touchmark-station reconcile`.

use cli::{Complaint, Status};
use identity::DeviceId;

use super::order::same_installation;
use super::{Failure, Station, say};
use crate::arguments::{PROGRAM, ReconcileArguments};
use crate::ca::{CaError, advice, exit_status};
use crate::console::Console;
use crate::journal::work_orders;
use crate::reconcile::{ReconcileError, Reconciled, confirm, reconcile, unconfirmed, waiting};

pub(super) async fn run(arguments: ReconcileArguments, console: &Console) -> Result<Status, Failure> {
    let station = Station::open(&arguments.common.config, console)?;
    let all = work_orders(&station.journal.directory)?;
    let all = match &arguments.work_order {
        Some(wanted) if all.contains(wanted) => vec![wanted.clone()],
        Some(wanted) => {
            let text = format!("the journal has no work order {wanted}: nothing is to be reconciled");
            return Err(Failure::WorkOrder(text));
        }
        None => all,
    };
    let mut counts = Counts::default();
    // A result that cannot be printed does not stop the work.
    let mut printed = Ok(());
    let mut status = Status::Done;
    for work_order in all {
        let (journal, known) = station.work_order(&work_order)?;
        let (waiting, unconfirmed) = (waiting(&known, true), unconfirmed(&known));
        let mut told = |device: &DeviceId, answer: Reconciled| {
            counts.add(&answer);
            let line = if arguments.json { json(device, &answer) } else { text(device, &answer) };
            let printing = std::mem::replace(&mut printed, Ok(()));
            printed = printing.and_then(|()| say(&line));
        };
        let mut done = Ok(());
        if !waiting.is_empty() || !unconfirmed.is_empty() {
            match station.ca.work_order(&work_order).await {
                Ok(answer) => same_installation(&known, &answer.work_order.unwrap_or_default())?,
                Err(error) => done = Err(error.into()),
            }
        }
        if done.is_ok() {
            done = reconcile(&station.ca, &journal, &work_order, &waiting, &mut told).await;
        }
        if done.is_ok() {
            done = confirm(&station.ca, &journal, &work_order, unconfirmed, &mut told).await;
        }
        match done {
            Ok(()) => {}
            Err(ReconcileError::Ca(error)) => {
                status = stopped(&work_order, &error, arguments.json, console);
                break;
            }
            Err(ReconcileError::Journal(error)) => return Err(error.into()),
        }
    }
    printed?;
    say(&counts.said(arguments.json))?;
    Ok(match status {
        Status::Done if counts.refused > 0 => Status::NotGood,
        Status::Done if counts.later > 0 => Status::Later,
        status => status,
    })
}

fn stopped(work_order: &str, error: &CaError, json: bool, console: &Console) -> Status {
    let status = exit_status(error.reason());
    let what = format!("{work_order}: stopped before all certificates were issued: {error}");
    let complaint = Complaint::new(PROGRAM, status, what).next(advice(error.reason()));
    console.complain(&Complaint { reason: Some(error.reason().to_owned()), ..complaint }.text(json));
    status
}

#[derive(Default)]
struct Counts {
    issued: u64,
    refused: u64,
    confirmed: u64,
    later: u64,
}

impl Counts {
    fn add(&mut self, answer: &Reconciled) {
        match answer {
            Reconciled::Issued(_) => self.issued += 1,
            Reconciled::Refused(_) => self.refused += 1,
            Reconciled::Confirmed => self.confirmed += 1,
            Reconciled::Busy(_) | Reconciled::Later(_) => self.later += 1,
        }
    }

    fn said(&self, json: bool) -> String {
        let Self { issued, refused, confirmed, later } = self;
        if json {
            let summary = serde_json::json!({
                "issued": issued, "refused": refused, "confirmed": confirmed, "later": later
            });
            return serde_json::json!({ "summary": summary }).to_string();
        }
        let mut text = format!("{issued} issued, {refused} refused");
        if *confirmed > 0 {
            text.push_str(&format!(", {confirmed} recorded as passed"));
        }
        if *later > 0 {
            text.push_str(&format!(", {later} not answered: run this command again"));
        }
        if *issued > 0 {
            text.push_str(
                "; the units get their certificates by touchmark-station finish, or when they boot first",
            );
        }
        text
    }
}

fn text(device: &DeviceId, answer: &Reconciled) -> String {
    match answer {
        Reconciled::Issued(certificate) => {
            format!("{device} issued, certificate {}", certificate.serial_number)
        }
        Reconciled::Refused(refusal) => {
            format!("{device} REFUSED: {refusal}; next: {}", advice(&refusal.reason))
        }
        Reconciled::Confirmed => format!("{device} recorded as passed"),
        Reconciled::Busy(why) | Reconciled::Later(why) => format!("{device} not answered: {why}"),
    }
}

fn json(device: &DeviceId, answer: &Reconciled) -> String {
    let device = device.to_string();
    match answer {
        Reconciled::Issued(certificate) => serde_json::json!({
            "device": device,
            "outcome": "issued",
            "certificate_serial": certificate.serial_number.to_string(),
            "ledger_entry": certificate.ledger_entry,
        }),
        Reconciled::Refused(refusal) => serde_json::json!({
            "device": device,
            "outcome": "refused",
            "reason": refusal.reason,
            "message": refusal.message,
            "next": advice(&refusal.reason),
        }),
        Reconciled::Confirmed => serde_json::json!({"device": device, "outcome": "confirmed"}),
        Reconciled::Busy(why) | Reconciled::Later(why) => {
            serde_json::json!({"device": device, "outcome": "later", "message": why})
        }
    }
    .to_string()
}

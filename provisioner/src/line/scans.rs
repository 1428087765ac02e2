//! Feeds a line with what people scan.

use std::collections::BTreeMap;
use std::sync::Arc;

use identity::DeviceId;
use rustix::process::{Signal, getpid, kill_process};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::admission::Admission;
use super::{LineEvent, LineShared};
use crate::scan::{Chunk, Decision, Desk, Input, Scan, ScanReader};
use crate::units::{Rules, Unit};

/// Where scans come from, and the rules for them.
pub(crate) struct ScanIntake {
    /// Each with whether it is a keyboard.
    pub(crate) inputs: Vec<(Input, bool)>,
    pub(crate) desk: Desk,
    pub(crate) rules: Rules,
}

/// Puts scanned units on the slots, until all inputs have ended, somebody ends them, or the line stops.
pub(super) async fn feed(shared: Arc<LineShared>, intake: ScanIntake) {
    let ScanIntake { inputs, mut desk, .. } = intake;
    let (scans, mut queue) = mpsc::channel(SCANS_WAITING_MAX);
    let mut readers = JoinSet::new();
    for (input, is_keyboard) in inputs {
        readers.spawn(read(Arc::clone(&shared), input, is_keyboard, scans.clone()));
    }
    drop(scans);
    let mut is_over = false;
    loop {
        let scan = tokio::select! {
            // The keyboard is read on: a second Ctrl-C comes from it.
            () = shared.stop.cancelled(), if !is_over => {
                is_over = true;
                continue;
            }
            scan = queue.recv() => scan,
        };
        match scan {
            Some(Scan::Code(code)) if shared.answered(&code).await => {}
            Some(Scan::Code(code)) if is_over => {
                shared.say(format!("{code} was not taken: no more scans are taken")).await;
            }
            Some(Scan::Code(code)) => {
                let decision = desk.scanned(&code, &shared.bench.lock(), Instant::now());
                shared.decided(decision, &mut desk).await;
            }
            Some(Scan::Enter) if shared.answered("").await => {}
            Some(Scan::Enter) => {
                let decision = desk.entered();
                shared.decided(decision, &mut desk).await;
            }
            Some(Scan::Mistake(what)) => shared.say(what).await,
            Some(Scan::Interrupt | Scan::Key(_)) => {}
            Some(Scan::End) if is_over => {}
            // The keyboard is read on: Ctrl-C comes from it.
            Some(Scan::End) => {
                is_over = true;
                shared.scans_end().await;
            }
            None => break,
        }
    }
    if !is_over {
        shared.scans_end().await;
    }
}

/// Reads one input. What is wrong with its bytes is told at once, also while the CA is being asked.
pub(super) async fn read(
    shared: Arc<LineShared>,
    mut input: Input,
    is_keyboard: bool,
    scans: mpsc::Sender<Scan>,
) {
    let mut reader = ScanReader::new(is_keyboard).with_keys(is_keyboard && shared.reads_keys);
    loop {
        let deadline = reader.deadline();
        let given_up = async move {
            match deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let found = tokio::select! {
            chunk = input.next() => match chunk {
                Some(Chunk::Bytes(bytes)) => reader.push(&bytes, Instant::now()),
                Some(Chunk::Trouble(what)) => vec![Scan::Mistake(what)],
                None => break,
            },
            () = given_up => reader.give_up(Instant::now()).into_iter().collect(),
        };
        if is_keyboard {
            shared.events.try_send(LineEvent::Typed(reader.typed())).ok();
        }
        for scan in found {
            shared.pass_on(scan, &scans).await;
        }
    }
    // Bytes behind the last Enter.
    if let Some(Scan::Mistake(what)) = reader.deadline().and_then(|deadline| reader.give_up(deadline)) {
        shared.say(what).await;
    }
}

impl LineShared {
    async fn scans_end(&self) {
        let what = "no more scans are taken; the run ends when the units that were scanned are finished; Ctrl-C ends it without those that nobody inserts";
        self.say(what.to_owned()).await;
        self.with_supply(|supply| supply.close());
    }

    async fn pass_on(&self, scan: Scan, scans: &mpsc::Sender<Scan>) {
        match scan {
            Scan::Mistake(what) => self.say(what).await,
            Scan::Interrupt => interrupt(),
            Scan::Key(key) => {
                self.events.send(LineEvent::Key(key)).await.ok();
            }
            Scan::End => {
                scans.send(scan).await.ok();
            }
            Scan::Code(_) | Scan::Enter => {
                if let Err(mpsc::error::TrySendError::Full(Scan::Code(code))) = scans.try_send(scan) {
                    self.say(format!(
                        "{code} was not taken: {SCANS_WAITING_MAX} scans wait for the CA's answer; scan it again later"
                    ))
                    .await;
                }
            }
        }
    }

    async fn decided(&self, decision: Decision, desk: &mut Desk) {
        match decision {
            Decision::Tell(text) => self.say(text).await,
            Decision::Operator(name) => {
                self.context.crew.set_operator(&name);
                self.say(format!("{name} makes the units from now on")).await;
            }
            Decision::Enter => self.end_pause().await,
            Decision::Place(device, slot) => {
                let Err(why) = self.placed(&device, slot).await else { return };
                let next = if desk.refused(slot) {
                    format!("; slot {slot}: scan another serial number")
                } else {
                    String::new()
                };
                self.say(format!("{device} was not taken: {why}{next}")).await;
            }
        }
    }

    /// Puts a unit on a slot, if it may be made. The error says why not.
    pub(super) async fn placed(&self, device: &DeviceId, slot: usize) -> Result<(), String> {
        if let Some(rules) = &self.requests.rules {
            rules.serial(&device.serial)?;
        }
        self.context.link.accepts(device).map_err(|error| error.to_string())?;
        match self.admission(device).await {
            Admission::Welcome => {}
            Admission::Refused(why) => return Err(why),
            Admission::Stopped => return Err("the line stops".to_owned()),
        }
        let replaces = self.bench.lock().has_waiting(slot);
        // A unit that waits gives its place in the order's quantity to the one that replaces it.
        if !replaces && self.supply.lock().left == 0 {
            return Err("as many units as may be made have passed or are on the slots".to_owned());
        }
        if !self.bench.lock().place(slot, device.clone()) {
            return Err(format!("slot {slot} is busy; scan it again when the slot is free"));
        }
        self.requests.begun(slot);
        self.say(format!("slot {slot} is for {device}")).await;
        let unit = Unit { device: device.clone(), columns: BTreeMap::new(), slot: Some(slot) };
        self.with_supply(|supply| supply.add(unit));
        Ok(())
    }
}

/// Does what Ctrl-C does in every other command.
pub(super) fn interrupt() {
    kill_process(getpid(), Signal::INT).ok();
}

/// Scans that wait while the CA is asked about the one before: a minute of a fast person.
const SCANS_WAITING_MAX: usize = 64;

//! Notices that the CA answers again, and has the certificates issued that were deferred meanwhile.

use std::sync::Arc;
use std::time::Duration;

use cli::count;
use identity::DeviceId;

use super::LineShared;
use crate::journal::JournalState;
use crate::reconcile::{Reconciled, confirm, reconcile, unconfirmed, waiting};
use crate::session::Step;

/// Says when the line begins to work without the CA, looks for it, and goes back to it.
pub(super) async fn watch(shared: Arc<LineShared>) {
    let ca = &shared.context.ca;
    let mut away = ca.away();
    loop {
        if away.wait_for(|is_away| *is_away).await.is_err() {
            return;
        }
        shared.say(AWAY.to_owned()).await;
        while ca.looks(&shared.context.work_order).await.is_err() {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        ca.back();
        shared.context.deferrals.trust_the_clock();
        shared.say("the CA answers again".to_owned()).await;
        shared.changed.notify_waiters();
        shared.reconcile().await;
    }
}

impl LineShared {
    /// Has deferred certificates issued. What fails is left for `reconcile`.
    pub(super) async fn reconcile(&self) {
        let units = self.known.lock().clone();
        let known = JournalState { units, ..JournalState::default() };
        let (waiting, unconfirmed) = (waiting(&known, false), unconfirmed(&known));
        if waiting.is_empty() && unconfirmed.is_empty() {
            return;
        }
        let mut answers: Vec<(DeviceId, Reconciled)> = Vec::new();
        let context = &self.context;
        let mut told = |device: &DeviceId, answer| answers.push((device.clone(), answer));
        let (ca, journal, order) = (&context.ca, &context.journal, &context.work_order);
        let mut done = reconcile(ca, journal, order, &waiting, &mut told).await;
        if done.is_ok() {
            done = confirm(ca, journal, order, unconfirmed, &mut told).await;
        }
        let mut issued = 0;
        for (device, answer) in answers {
            let step = match answer {
                Reconciled::Issued(certificate) => {
                    issued += 1;
                    Step::Issued(certificate)
                }
                Reconciled::Refused(refusal) => {
                    self.say(format!("{device} gets no certificate: {refusal}")).await;
                    Step::Refused { reason: refusal.reason, message: refusal.message }
                }
                Reconciled::Confirmed => Step::Confirmed,
                Reconciled::Later(_) => continue,
            };
            if let Some(unit) = self.known.lock().get_mut(&device) {
                unit.progress.apply(&step);
            }
        }
        let (issued, all) = (count(issued, "deferred certificate"), waiting.len());
        self.say(format!("{issued} of {all} issued")).await;
        if let Err(error) = done {
            self.say(format!("the others wait for touchmark-station reconcile: {error}")).await;
        }
    }
}

/// How often the CA is looked for.
const LOOK_INTERVAL: Duration = Duration::from_secs(3);

const AWAY: &str = "the CA cannot be asked: reserved units are made, and get their certificates later";

//! Notices that the CA answers again, and has the certificates issued that were deferred meanwhile.

use std::sync::Arc;
use std::time::Duration;

use cli::count;
use identity::DeviceId;
use tokio::time::Instant;

use super::{LineEvent, LineShared};
use crate::ca::{Ca, CaError};
use crate::journal::JournalState;
use crate::reconcile::{ReconcileError, Reconciled, confirm, reconcile, unconfirmed, waiting};
use crate::session::Step;

/// Says when the line begins to work without the CA, looks for it, and goes back to it once it has issued
/// what was deferred. A CA that answers for a moment only is looked for less often.
pub(super) async fn watch(shared: Arc<LineShared>) {
    let ca = &shared.context.ca;
    let mut away = ca.away();
    let (mut interval, mut came_back) = (LOOK_INTERVAL, None::<Instant>);
    loop {
        if away.wait_for(|is_away| *is_away).await.is_err() {
            return;
        }
        shared.events.send(LineEvent::Away(true)).await.ok();
        shared.say(AWAY.to_owned()).await;
        interval = match came_back {
            Some(at) if at.elapsed() < STEADY_MIN => (interval * 2).min(LOOK_INTERVAL_MAX),
            _ => LOOK_INTERVAL,
        };
        loop {
            tokio::time::sleep(interval).await;
            if shared.answers_in_full().await {
                break;
            }
        }
        came_back = Some(Instant::now());
        ca.back();
        shared.context.deferrals.trust_the_clock();
        shared.events.send(LineEvent::Away(false)).await.ok();
        shared.say("the CA answers again".to_owned()).await;
        shared.bring_back();
        shared.reconcile(ca).await;
    }
}

impl LineShared {
    /// Whether the CA answers, and issues what was deferred. A CA whose store takes nothing answers questions
    /// and issues nothing: the line would leave it again at the next unit.
    async fn answers_in_full(&self) -> bool {
        let ca = self.context.ca.on_trial();
        ca.work_order(&self.context.work_order).await.is_ok() && self.reconcile(&ca).await
    }

    /// Has deferred certificates issued. What fails is left for `reconcile`. Returns whether the CA has
    /// answered.
    pub(super) async fn reconcile(&self, ca: &Ca) -> bool {
        let units = self.known.lock().clone();
        let known = JournalState { units, ..JournalState::default() };
        let (waiting, unconfirmed) = (waiting(&known, false), unconfirmed(&known));
        if waiting.is_empty() && unconfirmed.is_empty() {
            return true;
        }
        let mut answers: Vec<(DeviceId, Reconciled)> = Vec::new();
        let context = &self.context;
        let mut told = |device: &DeviceId, answer| answers.push((device.clone(), answer));
        let (journal, order) = (&context.journal, &context.work_order);
        let mut done = reconcile(ca, journal, order, &waiting, &mut told).await;
        if done.is_ok() {
            done = confirm(ca, journal, order, unconfirmed, &mut told).await;
        }
        let (mut issued, mut answered, mut busy) = (0, false, None);
        for (device, answer) in answers {
            answered |= !matches!(answer, Reconciled::Busy(_));
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
                Reconciled::Busy(why) => {
                    busy.get_or_insert(why);
                    continue;
                }
                Reconciled::Later(_) => continue,
            };
            if let Some(unit) = self.known.lock().get_mut(&device) {
                unit.progress.apply(&step);
            }
        }
        if let (Some(why), false) = (busy, answered) {
            done = done.and_then(|()| Err(CaError::Unreachable(why).into()));
        }
        let is_away = matches!(&done, Err(ReconcileError::Ca(CaError::Unreachable(_))));
        if issued > 0 || !is_away {
            let (issued, all) = (count(issued, "deferred certificate"), waiting.len());
            self.say(format!("{issued} of {all} issued")).await;
        }
        match done {
            Err(error) if is_away => tracing::info!("deferred certificates wait: {error}"),
            Err(error) => {
                self.say(format!("the others wait for touchmark-station reconcile: {error}")).await;
            }
            Ok(()) => {}
        }
        !is_away
    }
}

/// How often the CA is looked for.
const LOOK_INTERVAL: Duration = Duration::from_secs(3);

/// The same, where it was away again soon after each answer.
const LOOK_INTERVAL_MAX: Duration = Duration::from_secs(60);

/// A CA that answered for so long is not taken for one that comes and goes.
const STEADY_MIN: Duration = Duration::from_secs(60);

const AWAY: &str = "the CA cannot be asked: reserved units are made, and get their certificates later";

//! One unit on one fixture: asks the CA, opens the link, runs the session, and records the end.

mod order;
mod plan;
mod probe;
mod run;

use std::sync::Arc;
use std::time::Duration;

use identity::{Clock, DeviceId, Product};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(crate) use plan::{CLOCK_DIFFERENCE_MAX, clock_difference, order_refusal};
pub(crate) use probe::{Look, Probe, Question};

use crate::ca::Ca;
use crate::crew::Crew;
use crate::journal::{Record, UnitEnd, UnitRecord, Writer};
use crate::line::{LineEvent, SilenceMonitor, SilenceVerdict};
use crate::link::{Link, LinkLimits, LinkSpec};
use crate::metrics::Figures;
use crate::mode::Mode;
use crate::offline::{Deferrals, NotDeferred};
use crate::session::{Event, Limits, Outcome, ProvisioningBundle, Session, SessionRandomness, UnitProgress};
use crate::stock::Stock;
use crate::units::Unit;
pub(crate) use order::OrderWatch;
use plan::Plan;
use run::Run;

pub(crate) struct LineContext {
    pub(crate) work_order: String,
    pub(crate) product: Product,
    pub(crate) bundle: Arc<ProvisioningBundle>,
    pub(crate) link: LinkSpec,
    pub(crate) link_limits: LinkLimits,
    pub(crate) ca: Ca,
    pub(crate) crew: Crew,
    pub(crate) journal: Writer,
    pub(crate) stock: Stock,
    pub(crate) deferrals: Deferrals,
    pub(crate) order: OrderWatch,
    /// Whether only units get their deferred certificates.
    pub(crate) finishes: bool,
    pub(crate) limits: Limits,
    pub(crate) clock: Arc<dyn Clock>,
    /// No unit is begun any more; those under way are finished.
    pub(crate) stop: CancellationToken,
    /// Ends every session at once.
    pub(crate) abort: CancellationToken,
    /// Receives a message when a slot begins or ends to wait for the CA.
    pub(crate) events: Option<mpsc::Sender<LineEvent>>,
    pub(crate) silence: SilenceMonitor,
    pub(crate) mode: Mode,
    /// How often a fixture is asked whether a unit is there.
    pub(crate) probe_interval: Duration,
    pub(crate) figures: Figures,
}

#[derive(Debug)]
pub(crate) struct UnitResult {
    pub(crate) outcome: Outcome,
    pub(crate) progress: UnitProgress,
    pub(crate) resent: u32,
    /// Whether a whole message of the device was received.
    pub(crate) heard: bool,
    /// Whether its link was opened; then it is in the journal.
    pub(crate) begun: bool,
    /// Whether it is unfinished, so that the next run continues it.
    pub(crate) open: bool,
    pub(crate) verdict: SilenceVerdict,
    /// From the opening of the link to the end.
    pub(crate) duration: Duration,
    /// The part of `duration` that was spent waiting for the CA.
    pub(crate) ca_duration: Duration,
    /// The end of what the device's command wrote to standard error; empty when the unit passed.
    pub(crate) said: String,
}

impl LineContext {
    /// Makes one unit, or finishes it. `present`: the link over which a unit has answered; otherwise a link
    /// is opened.
    pub(crate) async fn make(
        &self,
        unit: &Unit,
        known: Option<&UnitRecord>,
        (slot, present): (usize, Option<Link>),
    ) -> UnitResult {
        let begun = Instant::now();
        let mut progress = known.map(|known| known.progress.clone()).unwrap_or_default();
        let open = known.is_some_and(UnitRecord::is_open);
        // Checked before anything is recorded or sent, so that a serial number of another unit costs nothing.
        let plan = match self.plan(unit, slot, &mut progress).await {
            Ok(plan) => plan,
            Err(outcome) => {
                let mut result = UnitResult {
                    open,
                    duration: begun.elapsed(),
                    ..UnitResult::without_session(outcome, progress)
                };
                // By the CA's record nothing is unfinished any more.
                if open && (result.outcome.judges_the_unit() || result.outcome.ends_the_order()) {
                    result.open = false;
                    self.record_end(unit, &result).await;
                }
                return result;
            }
        };
        let result = self.with_reconnects(unit, &plan, progress, (slot, present)).await;
        let is_silent = result.begun
            && !result.heard
            && matches!(result.outcome, Outcome::LinkLost(_) | Outcome::TimedOut { .. });
        let verdict = if result.heard || is_silent {
            self.silence.count(slot, result.heard)
        } else {
            SilenceVerdict::Nothing
        };
        let result = UnitResult {
            duration: begun.elapsed(),
            open: if result.begun { result.stays_open(verdict) } else { open },
            said: if result.outcome.is_good() { String::new() } else { result.said },
            verdict,
            ..result
        };
        if result.begun && !result.outcome.is_good() {
            self.record_end(unit, &result).await;
        }
        result
    }

    async fn record_end(&self, unit: &Unit, result: &UnitResult) {
        let end = UnitEnd::new(&result.outcome, result.open);
        let record = Record::Ended { device: unit.device.clone(), end };
        // Without this record the unit counts as unfinished, and is tried again.
        if let Err(error) = self.journal.record(&record).await {
            tracing::error!(%error, device.id = %unit.device, "cannot record how a unit ended");
        }
    }

    /// The CA cannot be asked for a unit's certificate: whether it is deferred.
    fn or_defer(&self, device: &DeviceId, progress: &UnitProgress, detail: String) -> Event {
        match self.deferrals.judge(device, progress, &self.stock) {
            Ok(made_at) => Event::Defer { made_at, crew: self.crew.now() },
            Err(NotDeferred::Refused(refusal)) => Event::Refused(refusal),
            Err(NotDeferred::ClockWrong(detail)) => Event::ClockWrong(detail),
            Err(NotDeferred::Waits(why)) if why.is_empty() => Event::CaUnreachable(detail),
            Err(NotDeferred::Waits(why)) => Event::CaUnreachable(format!("{detail}; {why}")),
        }
    }

    /// Tells the observer, which misses the message when its queue is full.
    fn tell(&self, slot: usize, device: &DeviceId, waiting: bool) {
        if let Some(events) = &self.events {
            events.try_send(LineEvent::AskedCa { slot, device: device.clone(), waiting }).ok();
        }
    }

    /// As [`Self::tell`]: what a unit does now.
    fn tell_step(&self, slot: usize, doing: &'static str) {
        if let Some(events) = &self.events {
            events.try_send(LineEvent::Step { slot, doing }).ok();
        }
    }

    /// Runs the session over a link that is open, if there is one. Opens a broken link again a few times: a
    /// plug was not quite in, or the previous device still ends.
    async fn with_reconnects(
        &self,
        unit: &Unit,
        plan: &Plan,
        progress: UnitProgress,
        (slot, mut present): (usize, Option<Link>),
    ) -> UnitResult {
        let mut pauses = LINK_PAUSES.into_iter();
        let (mut progress, mut begun, mut heard) = (progress, false, present.is_some());
        loop {
            let link = match present.take() {
                Some(link) => Ok(link),
                None => self.open(&unit.device, slot, begun).await,
            };
            let mut result = self.over_link(unit, plan, progress, (slot, begun, link)).await;
            begun |= result.begun;
            heard |= result.heard;
            (result.begun, result.heard) = (begun, heard);
            let waited = self.link.waits_for_its_port() && matches!(result.outcome, Outcome::NotConnected(_));
            result.outcome = match result.outcome {
                // The device was connected before.
                Outcome::NotConnected(detail) if begun => Outcome::LinkLost(detail),
                outcome => outcome,
            };
            let pause = match result.outcome {
                Outcome::LinkLost(_) | Outcome::NotConnected(_) if !waited && !self.abort.is_cancelled() => {
                    pauses.next()
                }
                _ => None,
            };
            let Some(pause) = pause else { return result };
            tracing::info!(device.id = %unit.device, "the link broke, opening it again: {}", result.outcome);
            progress = result.progress;
            self.figures.link.reopened.inc();
            tokio::time::sleep(pause).await;
        }
    }

    /// Opens the link. A wait for a port ends with the line, unless the unit is begun.
    async fn open(&self, device: &DeviceId, slot: usize, begun: bool) -> Result<Link, Outcome> {
        let stopped = async {
            if begun || !self.link.waits_for_its_port() {
                std::future::pending::<()>().await;
            }
            self.stop.cancelled().await;
        };
        tokio::select! {
            biased;
            () = self.abort.cancelled() => Err(Outcome::Cancelled),
            opened = Link::open(&self.link, device, slot, &self.link_limits) => opened.map_err(Outcome::from),
            () = stopped => Err(Outcome::NotConnected("the line was stopped before its port was there".into())),
        }
    }

    async fn over_link(
        &self,
        unit: &Unit,
        plan: &Plan,
        progress: UnitProgress,
        (slot, begun, link): (usize, bool, Result<Link, Outcome>),
    ) -> UnitResult {
        let mut link = match link {
            Ok(link) => link,
            Err(outcome) => return UnitResult::without_session(outcome, progress),
        };
        if !begun {
            self.stock.told(&unit.device.serial);
            let record = Record::Begun { device: unit.device.clone(), columns: unit.columns.clone() };
            if let Err(error) = self.journal.record(&record).await {
                let result = UnitResult::without_session(Outcome::JournalLost(error.to_string()), progress);
                return UnitResult { said: link.close().await, ..result };
            }
        }
        let Some(randomness) = randomness() else {
            let detail = "the system has no random numbers".to_owned();
            let result = UnitResult::without_session(Outcome::Misbehaved(detail), progress);
            return UnitResult { begun: true, said: link.close().await, ..result };
        };
        let (bundle, assignment) = (Arc::clone(&self.bundle), plan.assignment.clone());
        let session =
            Session::new(unit.device.clone(), assignment, bundle, self.limits, randomness, progress)
                .with_certificate_on_record(plan.certificate);
        let mut run = Run {
            context: self,
            device: &unit.device,
            slot,
            session,
            pending: None,
            timer: None,
            ca: Duration::ZERO,
            heard: false,
            steps: self.figures.step_clock(),
            awaits_certificate: false,
            told: "",
        };
        let outcome = match run.until_it_ends(&mut link).await {
            Outcome::TimedOut { doing, damaged: 0, noise_bytes: 0 } if !run.heard => {
                Outcome::TimedOut { doing, damaged: 0, noise_bytes: link.noise_bytes }
            }
            outcome => outcome,
        };
        self.figures.link.resent.inc_by(run.session.resent().into());
        UnitResult {
            resent: run.session.resent(),
            heard: run.heard,
            begun: true,
            ca_duration: run.ca,
            said: link.close().await,
            ..UnitResult::without_session(outcome, run.session.progress.clone())
        }
    }
}

impl UnitResult {
    pub(crate) fn without_session(outcome: Outcome, progress: UnitProgress) -> Self {
        Self {
            outcome,
            progress,
            resent: 0,
            heard: false,
            begun: false,
            open: false,
            verdict: SilenceVerdict::Nothing,
            duration: Duration::ZERO,
            ca_duration: Duration::ZERO,
            said: String::new(),
        }
    }

    fn stays_open(&self, verdict: SilenceVerdict) -> bool {
        let UnitProgress { asked, certificate, read_back, .. } = &self.progress;
        // The CA looks for an issued certificate before it reports the end of the order: there is none.
        if self.outcome.ends_the_order() && certificate.is_none() && read_back.is_none() {
            return false;
        }
        // A silent unit was not changed. Behind a silent line it was not judged either.
        let is_untouched = !self.heard && asked.is_none();
        match verdict {
            SilenceVerdict::LineWasSilent => true,
            _ if is_untouched && self.outcome.judges_the_unit() => false,
            // A certificate that was requested must be installed, whatever the line is like.
            _ => self.outcome.leaves_the_unit_open() || (asked.is_some() && !self.outcome.judges_the_unit()),
        }
    }
}

/// Fresh random values; `None` when the system has none.
fn randomness() -> Option<SessionRandomness> {
    let (mut request_id, mut nonce, mut exchange) = ([0; 16], [0; 32], [0; 4]);
    aws_lc_rs::rand::fill(&mut request_id).ok()?;
    aws_lc_rs::rand::fill(&mut nonce).ok()?;
    aws_lc_rs::rand::fill(&mut exchange).ok()?;
    // Never zero, and far from the largest, because people read these numbers in traces.
    let first_exchange = u32::from_be_bytes(exchange) >> 2 | 1;
    Some(SessionRandomness { request_id: request_id.into(), nonce, first_exchange })
}

const LINK_PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_secs(1)];

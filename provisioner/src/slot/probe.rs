//! Asks whether a unit is on a fixture, without telling it anything: Hello without a serial number.

use std::time::Duration;

use identity::{DeviceId, Product};
use tokio::time::{Instant, sleep, sleep_until};

use super::LineContext;
use crate::link::{Link, LinkError, LinkLimits, LinkSpec, Received};
use crate::session::{DeviceRequest, Limits, Outcome, Presence};
use crate::wire::{decode_response, encode_request, is_echo};

/// With what fixtures are asked.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) link: &'a LinkSpec,
    pub(crate) link_limits: &'a LinkLimits,
    pub(crate) limits: Limits,
    pub(crate) product: &'a Product,
    /// How long an empty fixture is waited for.
    pub(crate) interval: Duration,
}

/// The questions to one fixture, until a unit answers. The link stays open between them where it can.
pub(crate) struct Probe<'a> {
    question: Question<'a>,
    /// What the link's `{serial}` and `{product}` stand for.
    device: &'a DeviceId,
    slot: usize,
    link: Option<Link>,
    opened: Instant,
    /// Whether the last question found a unit that was not taken.
    rests: bool,
    exchange: u32,
}

/// What one question found.
#[derive(Debug)]
pub(crate) enum Look {
    Present(Presence),
    /// Not a byte came. The text says what the link itself says; it may be empty.
    Absent(String),
    /// The link cannot be used for any unit.
    Unusable(Outcome),
}

impl<'a> Probe<'a> {
    pub(crate) fn new(context: &'a LineContext, device: &'a DeviceId, slot: usize) -> Self {
        let question = Question {
            link: &context.link,
            link_limits: &context.link_limits,
            limits: context.limits,
            product: &context.product,
            interval: context.probe_interval,
        };
        Self::of(question, device, slot)
    }

    /// Asks without a line.
    pub(crate) fn of(question: Question<'a>, device: &'a DeviceId, slot: usize) -> Self {
        Self { question, device, slot, link: None, opened: Instant::now(), rests: false, exchange: 0 }
    }

    /// The open link, for the session with the unit that has answered.
    pub(crate) fn into_link(self) -> Option<Link> {
        self.link
    }

    /// Asks once. If nothing is there, it takes the probe interval. Dropping the future closes the link.
    pub(crate) async fn look(&mut self) -> Look {
        if std::mem::take(&mut self.rests) {
            sleep(self.question.interval).await;
        }
        let until = Instant::now() + self.question.interval;
        let look = self.ask(until).await;
        match &look {
            Look::Absent(why) => {
                tracing::debug!(slot = self.slot, why, "no unit is there");
                sleep_until(until).await;
            }
            Look::Present(_) => self.rests = true,
            Look::Unusable(_) => {}
        }
        look
    }

    async fn ask(&mut self, until: Instant) -> Look {
        let mut link = match self.link.take() {
            Some(link) => link,
            None => match Link::open(self.question.link, self.device, self.slot, &self.limits()).await {
                Ok(link) => {
                    self.opened = Instant::now();
                    link
                }
                Err(error) => return not_opened(error),
            },
        };
        match self.hello(&mut link, until).await {
            Ok(Some(presence)) => {
                self.link = Some(link);
                Look::Present(presence)
            }
            Ok(None) => {
                if self.opened.elapsed() < SILENT_LINK_MAX {
                    self.link = Some(link);
                } else {
                    link.close().await;
                }
                Look::Absent(String::new())
            }
            Err(Outcome::LinkLost(why)) => Look::Absent(why),
            Err(outcome) => Look::Unusable(outcome),
        }
    }

    /// A port that is away is an empty fixture: the next question looks for it again.
    fn limits(&self) -> LinkLimits {
        LinkLimits { port_patience: Duration::ZERO, ..self.question.link_limits.clone() }
    }

    /// Sends Hello and waits for an answer. Where bytes come it is patient as a session is: a unit may greet
    /// with the text of its boot loader.
    async fn hello(&mut self, link: &mut Link, until: Instant) -> Result<Option<Presence>, Outcome> {
        let (mut until, mut sends_left) = (until, self.question.limits.sends_max);
        let (mut damaged, mut noise_bytes) = (0_u32, 0_u64);
        until += self.send(link).await?;
        loop {
            let received = tokio::select! {
                received = link.receive() => Some(received),
                () = sleep_until(until) => None,
            };
            match received {
                Some(Ok(Received::Payload(message))) if is_echo(&message) => return Err(Outcome::Echo),
                Some(Ok(Received::Payload(message))) => match decode_response(&message) {
                    Ok((_, response)) => match Presence::of(&response) {
                        Some(presence) => return Ok(Some(presence)),
                        None => damaged = damaged.saturating_add(1),
                    },
                    Err(_) => return Ok(Some(Presence::Nameless)),
                },
                Some(Ok(Received::Damaged)) => damaged = damaged.saturating_add(1),
                Some(Ok(Received::Noise(bytes))) => {
                    noise_bytes = noise_bytes.saturating_add(bytes);
                    return Ok(Some(Presence::Garbled { damaged, noise_bytes }));
                }
                Some(Err(error)) => return Err(error.into()),
                None => {
                    let bytes = noise_bytes.saturating_add(link.noise_bytes);
                    if damaged == 0 && bytes == 0 {
                        return Ok(None);
                    }
                    sends_left = sends_left.saturating_sub(1);
                    if sends_left == 0 {
                        return Ok(Some(Presence::Garbled { damaged, noise_bytes: bytes }));
                    }
                    let on_the_line = self.send(link).await?;
                    until = Instant::now() + on_the_line + self.question.limits.answer_timeout;
                }
            }
        }
    }

    /// Returns how long the question and its answer take on the line.
    async fn send(&mut self, link: &mut Link) -> Result<Duration, Outcome> {
        // The session that may follow begins with a number of its own.
        self.exchange = self.exchange.wrapping_add(1).max(1);
        let product = self.question.product.clone();
        let hello = DeviceRequest::Hello { serial: None, product };
        Ok(link.send(&encode_request(self.exchange, &hello)).await?)
    }
}

/// What a link that cannot be opened means where an empty fixture is usual.
fn not_opened(error: LinkError) -> Look {
    match Outcome::from(error) {
        Outcome::NotConnected(why) | Outcome::LinkLost(why) => Look::Absent(why),
        outcome => Look::Unusable(outcome),
    }
}

/// A link that stays silent is opened anew after this time: the other side may have lost it.
const SILENT_LINK_MAX: Duration = Duration::from_secs(10);

//! The order and the times of attempts (RFC 8305, sections 3 to 5).

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use crate::lookup::{Answer, Family, Lookup};
use crate::{DialError, Failure};

/// The first connection to one of the looked-up addresses on which `handshake` completes.
pub(crate) async fn first_handshaken<T, G: Future<Output = io::Result<T>>>(
    host: &str,
    lookups: Vec<Lookup>,
    within: Duration,
    handshake: impl Fn(TcpStream) -> G,
) -> Result<T, DialError> {
    let deadline = Instant::now() + within;
    let mut lookups: FuturesUnordered<Lookup> = lookups.into_iter().collect();
    let mut attempts = FuturesUnordered::new();
    let mut handshakes = FuturesUnordered::new();
    let mut waiting = Waiting::default();
    let mut race = Race::default();
    // When the next address may be tried.
    let mut next_at = Instant::now();
    loop {
        let none_waiting = waiting.is_empty() && race.connected.is_empty();
        if lookups.is_empty() && attempts.is_empty() && handshakes.is_empty() && none_waiting {
            return Err(race.lost(host));
        }
        tokio::select! {
            Some((address, outcome)) = attempts.next(), if !attempts.is_empty() => {
                match outcome {
                    Ok(stream) => race.connected.push_back((address, stream)),
                    Err(why) => race.failed(address, why),
                }
                // A handshake is work for the server; another waits until the first takes too long.
                if handshakes.is_empty() {
                    next_at = Instant::now();
                }
            }
            Some((address, outcome)) = handshakes.next(), if !handshakes.is_empty() => match outcome {
                Ok(handshaken) => return Ok(handshaken),
                Err(why) if is_definite(&why) => return Err(DialError::Handshake(why)),
                Err(why) => {
                    race.ended(address, why);
                    next_at = Instant::now();
                }
            },
            Some(answer) = lookups.next(), if !lookups.is_empty() => {
                let family = answer.family;
                race.resolved(answer, &mut waiting);
                // "If a positive A response is received first […], the client SHOULD wait a short time for
                // the AAAA response".
                let wait = family == Family::V4 && !lookups.is_empty();
                if attempts.is_empty() && handshakes.is_empty() {
                    next_at = Instant::now() + if wait { RESOLUTION_DELAY } else { Duration::ZERO };
                }
            }
            () = sleep_until(next_at), if !none_waiting => {
                if let Some((address, stream)) = race.connected.pop_front() {
                    let handshake = handshake(stream);
                    handshakes.push(async move { (address, handshake.await) as Handshaken<T> });
                } else if let Some(address) = waiting.next() {
                    race.begun.push(address);
                    attempts.push(async move { (address, TcpStream::connect(address).await) });
                }
                let delay = if handshakes.is_empty() { CONNECTION_ATTEMPT_DELAY } else { HANDSHAKE_DELAY };
                next_at = Instant::now() + delay;
            }
            () = sleep_until(deadline) => return Err(race.out_of_time(host, within)),
        }
    }
}

/// An address and the result of its handshake.
type Handshaken<T> = (SocketAddr, io::Result<T>);

/// Whether another address would fail in the same way.
fn is_definite(why: &io::Error) -> bool {
    why.kind() == io::ErrorKind::InvalidData
}

/// Addresses that were not tried yet, in the resolver's order.
#[derive(Debug, Default)]
struct Waiting {
    v6: VecDeque<SocketAddr>,
    v4: VecDeque<SocketAddr>,
    last: Option<Family>,
}

impl Waiting {
    /// The families take turns, IPv6 begins (RFC 8305, section 4, with a First Address Family Count of 1).
    fn next(&mut self) -> Option<SocketAddr> {
        let v6_is_next = self.last != Some(Family::V6) || self.v4.is_empty();
        let (family, address) = match (v6_is_next, self.v6.pop_front()) {
            (true, Some(address)) => (Family::V6, Some(address)),
            (_, taken) => {
                // Not its turn: it stays the first of its family.
                taken.into_iter().for_each(|address| self.v6.push_front(address));
                (Family::V4, self.v4.pop_front())
            }
        };
        self.last = Some(family);
        address
    }

    fn is_empty(&self) -> bool {
        self.v6.is_empty() && self.v4.is_empty()
    }
}

/// The attempts so far.
#[derive(Debug, Default)]
struct Race {
    begun: Vec<SocketAddr>,
    failures: Vec<Failure>,
    unresolved: Option<io::Error>,
    /// Connections whose handshake was not begun.
    connected: VecDeque<(SocketAddr, TcpStream)>,
    /// The error of the first handshake that failed.
    handshake: Option<io::Error>,
}

impl Race {
    fn resolved(&mut self, answer: Answer, waiting: &mut Waiting) {
        match (answer.family, answer.addresses) {
            (Family::V6, Ok(addresses)) => waiting.v6.extend(addresses),
            (Family::V4, Ok(addresses)) => waiting.v4.extend(addresses),
            // A name with addresses of one family is usual: the error of the other matters if both fail.
            (_, Err(why)) => self.unresolved = Some(why),
        }
    }

    fn failed(&mut self, address: SocketAddr, why: io::Error) {
        self.begun.retain(|begun| *begun != address);
        self.failures.push(Failure { address, why });
    }

    /// An address whose handshake failed.
    fn ended(&mut self, address: SocketAddr, why: io::Error) {
        let kind = why.kind();
        self.handshake.get_or_insert(why);
        self.failed(address, kind.into());
    }

    /// Every address has failed, or there was none.
    fn lost(self, host: &str) -> DialError {
        // A failed handshake says more than a missing answer.
        if let Some(why) = self.handshake {
            return DialError::Handshake(why);
        }
        if self.failures.is_empty() {
            let none = || io::Error::new(io::ErrorKind::NotFound, "it has no address");
            return DialError::Unresolved(host.to_owned(), self.unresolved.unwrap_or_else(none));
        }
        DialError::NotReached(host.to_owned(), self.failures)
    }

    fn out_of_time(mut self, host: &str, within: Duration) -> DialError {
        let silent = || io::Error::from(io::ErrorKind::TimedOut);
        self.failures.extend(self.begun.into_iter().map(|address| Failure { address, why: silent() }));
        if self.failures.is_empty() {
            let why = format!("the resolver gave no answer within {} ms", within.as_millis());
            let why = io::Error::new(io::ErrorKind::TimedOut, why);
            return DialError::Unresolved(host.to_owned(), why);
        }
        DialError::NotReached(host.to_owned(), self.failures)
    }
}

/// "The recommended value for a default delay is 250 milliseconds." -- RFC 8305, section 5.
const CONNECTION_ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// How long a handshake may take before another address is tried beside it: a slow radio link and a busy
/// server need a second.
const HANDSHAKE_DELAY: Duration = Duration::from_secs(2);

/// "a recommended value of 50 milliseconds" -- RFC 8305, section 3.
const RESOLUTION_DELAY: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests;

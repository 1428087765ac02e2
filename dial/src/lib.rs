//! TCP connections to a host by its name, as RFC 8305 (Happy Eyeballs, version 2) says: a name with several addresses is
//! reached as soon as one of them answers.
//!
//! Every program that connects to a host by name does it here. Numeric addresses are taken too. No TLS: that is the caller's.

mod lookup;
mod race;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;

/// Connects to `host`, a name or an address without brackets. `within` is for all of it: the name's resolution and every address.
///
/// The IPv6 and IPv4 addresses of the name are asked for at the same time, and tried in turn, IPv6 first. A next address is tried
/// when 250 ms have passed without an answer from the one before, or as soon as it refuses; the first connection that is made wins,
/// and the others are given up.
///
/// # Errors
/// When the name has no address, or none of its addresses took the connection in time.
pub async fn connect(host: &str, port: u16, within: Duration) -> Result<TcpStream, DialError> {
    connect_and_greet(host, port, within, |stream| std::future::ready(Ok(stream))).await
}

/// Connects as [`connect`] does, and exchanges the first words with `greet`: a TLS handshake. Who takes the connection and then says nothing
/// for two seconds does not keep the next address from being tried; the first greeting that is done wins.
///
/// # Errors
/// As of [`connect`]; [`DialError::Greeting`] when somebody answers, and what is said is wrong (`InvalidData`), or when nobody else is left.
pub async fn connect_and_greet<T, G: Future<Output = io::Result<T>>>(
    host: &str,
    port: u16,
    within: Duration,
    greet: impl Fn(TcpStream) -> G,
) -> Result<T, DialError> {
    let lookups = lookup::both_families(host, port);
    race::first_greeted(host, lookups, within, greet).await
}

/// Why a host was not reached.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name has no address, or the resolver did not say one.
    #[error("the host name {host} cannot be resolved: {why}")]
    Unresolved {
        /// The name.
        host: String,
        /// What the resolver said.
        why: io::Error,
    },
    /// No address took the connection.
    #[error("cannot connect to {host}: {}", Attempts(failures))]
    NotReached {
        /// The name, or the address itself.
        host: String,
        /// Each address that was tried, and why it was not reached.
        failures: Vec<Failure>,
    },
    /// An address took the connection, and then it went wrong.
    #[error(transparent)]
    Greeting(io::Error),
}

impl DialError {
    /// The kind of the whole: that of the address that said the most. A refusal says more than silence.
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Unresolved { why, .. } | Self::Greeting(why) => why.kind(),
            Self::NotReached { failures, .. } => failures
                .iter()
                .map(|failure| failure.why.kind())
                .find(|kind| *kind != io::ErrorKind::TimedOut)
                .unwrap_or(io::ErrorKind::TimedOut),
        }
    }

    /// Whether the name itself could not be resolved.
    pub fn is_unresolved(&self) -> bool {
        matches!(self, Self::Unresolved { .. })
    }
}

impl From<DialError> for io::Error {
    fn from(error: DialError) -> Self {
        match error {
            DialError::Greeting(why) => why,
            error => Self::new(error.kind(), error),
        }
    }
}

/// An address that was tried in vain.
#[derive(Debug)]
pub struct Failure {
    /// Which.
    pub address: SocketAddr,
    /// Why. `TimedOut`: it said nothing.
    pub why: io::Error,
}

struct Attempts<'a>(&'a [Failure]);

impl fmt::Display for Attempts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Failure { address, why }) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            match why.kind() {
                io::ErrorKind::TimedOut => write!(f, "{separator}{address} does not answer")?,
                _ => write!(f, "{separator}{address}: {why}")?,
            }
        }
        Ok(())
    }
}

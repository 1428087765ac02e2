//! TCP connections to a host by its name, as RFC 8305 (Happy Eyeballs, version 2) says: a name with several
//! addresses is reached as soon as one of them answers. The caller adds TLS.

mod jitter;
mod lookup;
mod race;
mod server;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;

pub use jitter::FullJitter;
pub use server::{ServerAddressError, host_and_port, server};

/// Connects to `host`, a name or an address without brackets. `within` is for all of it.
///
/// The IPv6 and IPv4 addresses of the name are asked for at the same time, and tried in turn, IPv6 first. A
/// next address is tried after 250 ms without an answer from the one before, or as soon as it refuses; the
/// first connection that is made wins.
pub async fn connect(host: &str, port: u16, within: Duration) -> Result<TcpStream, DialError> {
    connect_and_handshake(host, port, within, |stream| std::future::ready(Ok(stream))).await
}

/// Connects as [`connect`] does, and completes `handshake` on the connection, for example of TLS. An address
/// that accepts a connection and is then silent for two seconds does not keep the next one from being tried;
/// the first handshake that completes wins.
///
/// # Errors
/// As of [`connect`]; [`DialError::Handshake`] when a handshake fails with `InvalidData`, or fails and no
/// other address is left.
pub async fn connect_and_handshake<T, G: Future<Output = io::Result<T>>>(
    host: &str,
    port: u16,
    within: Duration,
    handshake: impl Fn(TcpStream) -> G,
) -> Result<T, DialError> {
    let lookups = lookup::both_families(host, port);
    race::first_handshaken(host, lookups, within, handshake).await
}

/// Why a host was not reached.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name has no address, or the resolver did not say one.
    #[error("the host name {0} cannot be resolved: {1}")]
    Unresolved(String, io::Error),
    /// No address of the host took the connection: each that was tried, and why.
    #[error("cannot connect to {}: {}", .0, Attempts(.1))]
    NotReached(String, Vec<Failure>),
    /// An address took the connection, and its handshake failed.
    #[error(transparent)]
    Handshake(io::Error),
}

impl DialError {
    /// The kind of the error: of the first address that refused, otherwise `TimedOut`.
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Unresolved(_, why) | Self::Handshake(why) => why.kind(),
            Self::NotReached(_, failures) => failures
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
            DialError::Handshake(why) => why,
            error => Self::new(error.kind(), error),
        }
    }
}

/// An address that was not reached.
#[derive(Debug)]
pub struct Failure {
    /// The address.
    pub address: SocketAddr,
    /// The error; `TimedOut`: no answer.
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

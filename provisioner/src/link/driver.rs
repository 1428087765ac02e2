//! The contract of a link driver: opens a stream of bytes to the device on a slot.
//!
//! Frames, repetitions and the limits for reading and writing are [`super::Link`]'s. `tests/tests/links` runs
//! one suite over all drivers.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use identity::DeviceId;
use serial_port::Speed;
use tokio::io::{AsyncRead, AsyncWrite};

use super::LinkSpecError;
use super::exec::Process;

/// A way to reach devices.
pub(crate) trait Driver {
    /// Opens a stream to the device at a place. Gives up by itself, after `limits.connect`, or after
    /// `limits.port_patience` where there is something to wait for. It can be dropped at any time. It must
    /// not block its thread: slots share threads.
    fn open(
        &self,
        place: &Place<'_>,
        limits: &LinkLimits,
    ) -> impl Future<Output = Result<Channel, LinkError>> + Send;

    /// Refuses a slot that has no address of its own.
    fn reaches(&self, slot: usize) -> Result<(), LinkSpecError>;

    /// Whether its text has `{serial}` where a `/` or a leading `.` or `-` leads elsewhere.
    fn fills_in_a_name(&self) -> bool;

    /// The speed, where the line has one: the limits for writing and for answers grow with it.
    fn speed(&self) -> Option<Speed> {
        None
    }
}

/// Where a device is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) device: &'a DeviceId,
    /// From 1.
    pub(crate) slot: usize,
}

/// An open stream in both directions. Dropping it closes it.
pub(crate) struct Channel {
    pub(crate) reader: Box<dyn AsyncRead + Send + Unpin>,
    pub(crate) writer: Box<dyn AsyncWrite + Send + Unpin>,
    /// A command that is to be ended with the stream.
    pub(crate) process: Option<Process>,
}

/// Why there is no stream, or none any more. The texts say what and because of what.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// Nobody is at this slot now. The unit was told nothing; others may be made at other slots.
    #[error("{0}")]
    NobodyThere(String),
    /// The link cannot be used, and no unit can have caused it: the line stops.
    #[error("{0}")]
    Unusable(String),
    /// There was a stream and it broke. The unit is continued when it is open again.
    #[error("{0}")]
    Lost(String),
}

impl From<LinkSpecError> for LinkError {
    fn from(error: LinkSpecError) -> Self {
        Self::Unusable(error.to_string())
    }
}

/// How long a link waits, and what it bears; from `station.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LinkLimits {
    /// Until a connection is made, or a port is open.
    pub(crate) connect: Duration,
    /// Until a frame is taken, besides the time that its bytes need on a serial line.
    pub(crate) write: Duration,
    /// Bytes without a whole frame among them: more end the session.
    pub(crate) noise_bytes_max: u64,
    /// How long a slot waits for its serial port, when that is away or another program has it.
    pub(crate) port_patience: Duration,
    /// Where `sys` and `dev` are, in which ports are found by their USB adapter.
    pub(crate) device_root: PathBuf,
}

impl Default for LinkLimits {
    fn default() -> Self {
        Self {
            // A device server on the line's own network answers at once or not at all.
            connect: Duration::from_secs(5),
            write: Duration::from_secs(10),
            // Sixteen of the longest frames: at 115,200 baud a minute and a half, which no request lasts.
            noise_bytes_max: 1024 * 1024,
            port_patience: Duration::from_secs(30),
            device_root: "/".into(),
        }
    }
}

/// The pause before a request is sent again after a damaged frame: a garbled frame is over by then.
pub(crate) fn damage_pause(speed: Option<Speed>) -> Duration {
    let garbled = speed.map_or(Duration::ZERO, |speed| speed.time_for(GARBLED_BYTES));
    garbled.max(DAMAGE_PAUSE_MIN)
}

/// How much longer than `answer-timeout-ms` an answer may take on a serial line: the request is sent first,
/// and the answer arrives no faster.
pub(crate) fn time_on_the_line(speed: Option<Speed>, request_bytes: usize) -> Duration {
    speed.map_or(Duration::ZERO, |speed| speed.time_for(request_bytes.saturating_add(ANSWER_BYTES)))
}

/// Noise comes in bursts, and each burst costs one attempt.
const DAMAGE_PAUSE_MIN: Duration = Duration::from_millis(250);

/// A usual Install or read-back, which takes 250 ms at 115,200 baud.
const GARBLED_BYTES: usize = 2_880;

/// The longest usual answer, a read-back: a certificate and its chain.
const ANSWER_BYTES: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_with_the_time_that_the_bytes_need() {
        assert_eq!(damage_pause(None), Duration::from_millis(250));
        assert_eq!(damage_pause(Some(Speed::USUAL)), Duration::from_millis(250));
        assert_eq!(damage_pause(Speed::new(9_600).ok()), Duration::from_secs(3));
        assert_eq!(time_on_the_line(None, 3_000), Duration::ZERO);
        assert_eq!(time_on_the_line(Speed::new(10_240).ok(), 1_024), Duration::from_secs(5));
    }
}

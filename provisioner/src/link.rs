//! The link to a device: frames over a stream of bytes in each direction.

mod exec;
mod spec;

use std::collections::VecDeque;
use std::time::Duration;

use identity::DeviceId;
use link::{Decoder, FrameFault};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

pub(crate) use spec::{LinkSpec, LinkSpecError};

use exec::Process;

use crate::session::Outcome;

pub(crate) struct Link {
    reader: Box<dyn AsyncRead + Send + Unpin>,
    // `None` once it is closed.
    writer: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    process: Option<Process>,
    // What the command wrote to standard error, once it has ended.
    said: String,
    decoder: Decoder,
    received: VecDeque<Result<Vec<u8>, FrameFault>>,
    // Bytes since the last whole frame, or since the last [`Received::Noise`].
    pub(crate) noise_bytes: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received {
    Payload(Vec<u8>),
    /// A damaged frame, which is dropped.
    Damaged,
    /// So many bytes came without a whole frame among them.
    Noise(u64),
}

impl Link {
    pub(crate) async fn open(spec: &LinkSpec, device: &DeviceId, slot: usize) -> Result<Self, LinkError> {
        spec.accepts(device)?;
        let (reader, writer, process): (
            Box<dyn AsyncRead + Send + Unpin>,
            Box<dyn AsyncWrite + Send + Unpin>,
            _,
        ) = match spec {
            LinkSpec::Exec(words) => {
                let (process, reader, writer) = Process::start(words, device, slot)?;
                (Box::new(reader), Box::new(writer), Some(process))
            }
            LinkSpec::Tcp(address) => {
                let (host, port) = address.of(device, slot)?;
                let stream = dial::connect(&host, port, CONNECT_TIMEOUT).await?;
                // Requests are small and each waits for its answer. Without this option they are only slower.
                stream.set_nodelay(true).ok();
                let (reader, writer) = stream.into_split();
                (Box::new(reader), Box::new(writer), None)
            }
        };
        let (writer, said) = (Some(writer), String::new());
        let (decoder, received) = (Decoder::new(), VecDeque::new());
        Ok(Self { reader, writer, process, said, decoder, received, noise_bytes: 0 })
    }

    /// Sends a payload in a frame. If the device does not take it in time, the session sends it again.
    pub(crate) async fn send(&mut self, payload: &[u8]) -> Result<(), LinkError> {
        let frame = link::encode(payload)?;
        let Some(writer) = &mut self.writer else { return Err(LinkError::Ended(String::new())) };
        let write = async {
            writer.write_all(&frame).await?;
            writer.flush().await
        };
        match timeout(WRITE_TIMEOUT, write).await {
            Ok(Ok(())) | Err(_) => Ok(()),
            Ok(Err(error)) => Err(self.lost(&error.to_string()).await),
        }
    }

    /// Waits for the next frame. Nothing is lost when the future is dropped.
    pub(crate) async fn receive(&mut self) -> Result<Received, LinkError> {
        loop {
            match self.received.pop_front() {
                Some(Ok(payload)) => {
                    self.noise_bytes = 0;
                    return Ok(Received::Payload(payload));
                }
                Some(Err(_)) => return Ok(Received::Damaged),
                None => {}
            }
            if self.noise_bytes > NOISE_BYTES_MAX {
                return Ok(Received::Noise(std::mem::take(&mut self.noise_bytes)));
            }
            let mut buffer = [0; READ_BYTES];
            match self.reader.read(&mut buffer).await {
                Ok(0) => return Err(self.lost("it was closed").await),
                Ok(length) => {
                    self.noise_bytes = self.noise_bytes.saturating_add(length as u64);
                    let bytes = buffer.get(..length).unwrap_or_default();
                    self.received.extend(self.decoder.push(bytes));
                }
                Err(error) => return Err(self.lost(&error.to_string()).await),
            }
        }
    }

    /// Closes the link and ends its command. Returns the end of what it wrote to standard error.
    pub(crate) async fn close(mut self) -> String {
        self.writer = None;
        match self.process.take() {
            Some(process) => process.end().await.1,
            None => self.said,
        }
    }

    async fn lost(&mut self, what: &str) -> LinkError {
        self.writer = None;
        let Some(process) = self.process.take() else { return LinkError::Ended(what.to_owned()) };
        let (status, said) = process.end().await;
        let last = match last_words(&said) {
            Some(last) => format!("it said: {last}"),
            None => "it said nothing".to_owned(),
        };
        self.said = said;
        LinkError::Ended(format!("the command ended ({status}); {last}"))
    }
}

/// The most telling line that a command wrote: its last error with its causes, otherwise the last line.
pub(crate) fn last_words(said: &str) -> Option<String> {
    let lines: Vec<&str> = said.split(exec::LINE_SEPARATOR).map(str::trim).collect();
    let is_error = |line: &&str| {
        let line = line.to_ascii_lowercase();
        line.starts_with("error:") || line.contains(" error: ")
    };
    let words = match lines.iter().rposition(is_error) {
        Some(at) => {
            let causes = lines.iter().skip(at + 1).take_while(|line| line.contains("because: "));
            let all: Vec<&str> = lines.get(at).into_iter().chain(causes).copied().collect();
            all.join(exec::LINE_SEPARATOR)
        }
        None => (*lines.last()?).to_owned(),
    };
    (!words.is_empty()).then(|| words.chars().take(LAST_WORDS_CHARACTERS_MAX).collect())
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("cannot start {program}: {source}")]
    Start { program: String, source: std::io::Error },
    #[error(transparent)]
    Connect(#[from] dial::DialError),
    #[error(transparent)]
    Address(#[from] LinkSpecError),
    #[error("{0}")]
    Ended(String),
    #[error(transparent)]
    TooLong(#[from] link::PayloadTooLong),
}

impl From<LinkError> for Outcome {
    fn from(error: LinkError) -> Self {
        let detail = error.to_string();
        match error {
            LinkError::Start { .. } | LinkError::Address(_) => Self::LinkUnusable(detail),
            LinkError::Connect(error) if error.is_unresolved() => Self::LinkUnusable(detail),
            LinkError::Connect(_) => Self::NotConnected(detail),
            LinkError::Ended(_) | LinkError::TooLong(_) => Self::LinkLost(detail),
        }
    }
}

/// A device server on the line's own network answers at once or not at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// For one frame: 64 KiB at 115,200 baud take 6 s.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Three lines on a terminal.
const LAST_WORDS_CHARACTERS_MAX: usize = 240;

/// Sixteen of the longest frames: at 115,200 baud a minute and a half, which no request lasts.
const NOISE_BYTES_MAX: u64 = 1024 * 1024;

/// An Install message is about 3 kB, answers are shorter.
const READ_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_that_a_command_told_is_preferred_to_its_advice() {
        let said =
            "starting | x: error: the state is damaged | x: because: it is cut | x: next: look at the disk";
        let words = last_words(said).unwrap();
        assert_eq!(words, "x: error: the state is damaged | x: because: it is cut");
        assert_eq!(last_words("one | two").unwrap(), "two");
        assert_eq!(last_words(""), None);
    }

    #[tokio::test]
    async fn a_serial_number_that_leads_elsewhere_opens_no_link_wherever_it_came_from() {
        let spec = "exec:cat devices/{serial}".parse().unwrap();
        for serial in ["../pwn1", "..", "a/b"] {
            let device = format!("cam-2/{serial}").parse().unwrap();
            let Err(refused) = Link::open(&spec, &device, 1).await else { panic!("{serial}") };
            assert!(matches!(refused, LinkError::Address(LinkSpecError::Serial { .. })), "{refused}");
        }
    }

    #[tokio::test]
    async fn bytes_without_frames_are_counted_and_too_many_end_the_wait() {
        for command in ["exec:yes", "exec:cat /dev/zero"] {
            let spec = command.parse().unwrap();
            let mut link = Link::open(&spec, &"cam-2/SN1".parse().unwrap(), 1).await.unwrap();
            let received = link.receive().await.unwrap();
            assert!(matches!(received, Received::Noise(bytes) if bytes > NOISE_BYTES_MAX), "{received:?}");
            link.close().await;
        }
    }
}

//! The link to a device: frames over a stream of bytes in each direction.

mod driver;
mod exec;
mod serial;
mod spec;
mod tcp;

use std::collections::VecDeque;
use std::time::Duration;

use identity::DeviceId;
use link::{Decoder, FrameFault};
use serial_port::Speed;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

pub(crate) use driver::{LinkError, LinkLimits, damage_pause};
pub(crate) use spec::{LinkSpec, LinkSpecError};

use driver::{Place, time_on_the_line};
use exec::Process;

use crate::session::Outcome;

pub(crate) struct Link {
    reader: Box<dyn AsyncRead + Send + Unpin>,
    // `None` once it is closed.
    writer: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    process: Option<Process>,
    speed: Option<Speed>,
    limits: LinkLimits,
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
    pub(crate) async fn open(
        spec: &LinkSpec,
        device: &DeviceId,
        slot: usize,
        limits: &LinkLimits,
    ) -> Result<Self, LinkError> {
        let channel = spec.open(&Place { device, slot }, limits).await?;
        Ok(Self {
            reader: channel.reader,
            writer: Some(channel.writer),
            process: channel.process,
            speed: spec.speed(),
            limits: limits.clone(),
            said: String::new(),
            decoder: Decoder::new(),
            received: VecDeque::new(),
            noise_bytes: 0,
        })
    }

    /// Sends a payload in a frame. If the device does not take it in time, the session sends it again.
    /// Returns the time that the frame and its answer need on a serial line; zero on others.
    pub(crate) async fn send(&mut self, payload: &[u8]) -> Result<Duration, LinkError> {
        let frame = link::encode(payload).map_err(|error| LinkError::Lost(error.to_string()))?;
        let Some(writer) = &mut self.writer else { return Err(LinkError::Lost(String::new())) };
        let write = async {
            writer.write_all(&frame).await?;
            writer.flush().await
        };
        let on_the_line = self.speed.map_or(Duration::ZERO, |speed| speed.time_for(frame.len()));
        match timeout(self.limits.write + on_the_line, write).await {
            Ok(Ok(())) | Err(_) => Ok(time_on_the_line(self.speed, frame.len())),
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
            if self.noise_bytes > self.limits.noise_bytes_max {
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
        let Some(process) = self.process.take() else { return LinkError::Lost(what.to_owned()) };
        let (status, said) = process.end().await;
        let last = match last_words(&said) {
            Some(last) => format!("it said: {last}"),
            None => "it said nothing".to_owned(),
        };
        self.said = said;
        LinkError::Lost(format!("the command ended ({status}); {last}"))
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

impl From<LinkError> for Outcome {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::NobodyThere(detail) => Self::NotConnected(detail),
            LinkError::Unusable(detail) => Self::LinkUnusable(detail),
            LinkError::Lost(detail) => Self::LinkLost(detail),
        }
    }
}

/// Three lines on a terminal.
const LAST_WORDS_CHARACTERS_MAX: usize = 240;

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
            let Err(refused) = open(&spec, serial, &LinkLimits::default()).await else { panic!("{serial}") };
            assert!(matches!(refused, LinkError::Unusable(_)), "{refused}");
            assert!(refused.to_string().contains("cannot be filled in"), "{refused}");
        }
    }

    #[tokio::test]
    async fn bytes_without_frames_are_counted_and_too_many_end_the_wait() {
        let limits = LinkLimits::default();
        for command in ["exec:yes", "exec:cat /dev/zero"] {
            let mut link = open(&command.parse().unwrap(), "SN1", &limits).await.unwrap();
            let received = link.receive().await.unwrap();
            assert!(
                matches!(received, Received::Noise(bytes) if bytes > limits.noise_bytes_max),
                "{received:?}"
            );
            link.close().await;
        }
    }

    #[tokio::test]
    async fn a_device_that_takes_nothing_holds_a_write_for_its_limit_and_the_time_on_the_line() {
        let (_far, path) = pseudo_terminal();
        let limits = LinkLimits { write: Duration::from_millis(100), ..LinkLimits::default() };
        // 65,536 bytes take 655 ms at this speed.
        let spec = format!("serial:{path}:1000000").parse().unwrap();
        let mut link = open(&spec, "SN1", &limits).await.unwrap();
        let begun = tokio::time::Instant::now();
        let extra = link.send(&vec![7; link::FRAME_PAYLOAD_BYTES_MAX]).await.unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(750), "{:?}", begun.elapsed());
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        assert!(extra >= Duration::from_millis(655), "{extra:?}");
    }

    #[tokio::test]
    async fn a_port_that_is_away_is_waited_for_and_found_under_another_name() {
        let home = tempfile::tempdir().unwrap();
        let name = home.path().join("by-id");
        let limits = LinkLimits { port_patience: Duration::from_millis(300), ..LinkLimits::default() };
        let spec: LinkSpec = format!("serial:{}", name.display()).parse().unwrap();
        let begun = tokio::time::Instant::now();
        let Err(away) = open(&spec, "SN1", &limits).await else { panic!("nothing is there") };
        assert!(matches!(away, LinkError::NobodyThere(_)), "{away}");
        assert!(away.to_string().contains("the slot waited 300ms"), "{away}");
        assert!(begun.elapsed() >= limits.port_patience);

        let limits = LinkLimits { port_patience: Duration::from_secs(20), ..limits };
        for _ in 0..2 {
            let ((_far, path), name) = (pseudo_terminal(), name.clone());
            let plugged_in = async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                std::os::unix::fs::symlink(path, &name).unwrap();
            };
            let (opened, ()) = tokio::join!(open(&spec, "SN1", &limits), plugged_in);
            opened.unwrap().close().await;
            std::fs::remove_file(&name).unwrap();
        }
    }

    #[tokio::test]
    async fn what_no_waiting_helps_is_told_at_once() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        std::fs::write(&file, "").unwrap();
        let spec = format!("serial:{}", file.display()).parse().unwrap();
        let begun = tokio::time::Instant::now();
        let Err(refused) = open(&spec, "SN1", &LinkLimits::default()).await else { panic!("a file") };
        assert!(matches!(refused, LinkError::Unusable(_)), "{refused}");
        assert!(begun.elapsed() < LinkLimits::default().port_patience);
    }

    async fn open(spec: &LinkSpec, serial: &str, limits: &LinkLimits) -> Result<Link, LinkError> {
        Link::open(spec, &format!("cam-2/{serial}").parse().unwrap(), 1, limits).await
    }

    /// The far end, and the port's path.
    fn pseudo_terminal() -> (std::os::fd::OwnedFd, String) {
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        let far = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&far).unwrap();
        unlockpt(&far).unwrap();
        let path = ptsname(&far, Vec::new()).unwrap().into_string().unwrap();
        (far, path)
    }
}

//! The dialogue over a byte stream, with a limit for every wait.

use std::io;
use std::time::Duration;

use link::{Decoder, encode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::Dialogue;

/// Answers the station until it closes the stream, or has locked the device and is silent. Fails when the
/// stream breaks, or the station is silent for too long.
pub async fn serve(
    dialogue: &mut Dialogue,
    mut reader: impl AsyncRead + Unpin,
    mut writer: impl AsyncWrite + Unpin,
    limits: Limits,
) -> Result<End, ServeError> {
    let mut decoder = Decoder::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let wait = if dialogue.is_locked() { limits.after_lock } else { limits.idle };
        let count = match timeout(wait, reader.read(&mut buffer)).await {
            Ok(Ok(0)) => return Ok(End::Closed),
            Ok(Ok(count)) => count,
            Ok(Err(error)) => return Err(ServeError::Read(error)),
            Err(_) if dialogue.is_locked() => return Ok(End::Locked),
            Err(_) => return Err(ServeError::Silence(wait)),
        };
        for frame in decoder.push(buffer.get(..count).unwrap_or_default()) {
            let answer = match frame {
                Ok(payload) if Dialogue::is_echo(&payload) => return Err(ServeError::Echo),
                Ok(payload) => dialogue.answer(&payload),
                Err(_) => dialogue.damaged_frame(),
            };
            let frame = encode(&answer).map_err(|error| ServeError::Write(io::Error::other(error)))?;
            let write = async {
                writer.write_all(&frame).await?;
                writer.flush().await
            };
            match timeout(limits.idle, write).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(End::Closed),
                Ok(Err(error)) => return Err(ServeError::Write(error)),
                Err(_) => return Err(ServeError::Silence(limits.idle)),
            }
        }
    }
}

/// How a dialogue ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The station closed the stream. The device goes on from here with the next one.
    Closed,
    /// The device is locked, and the station is silent.
    Locked,
}

/// How long the device waits.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For the next byte, or until an answer is written.
    pub idle: Duration,
    /// After the lock, for a station that missed the answer.
    pub after_lock: Duration,
}

/// How a dialogue failed. The next one goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Reading failed.
    #[error("the station cannot be read")]
    Read(#[source] io::Error),
    /// Writing failed.
    #[error("the station cannot be answered")]
    Write(#[source] io::Error),
    /// The device's own answers came back to it.
    #[error(
        "the line echoes: this device receives its own answers; switch the echo of the port or adapter off"
    )]
    Echo,
    /// The station was silent for this long, which is too long.
    #[error("the station said nothing for {}", humantime::format_duration(*.0))]
    Silence(Duration),
}

/// At once from the stream: a UART gives less, a pipe has no more than 64 KiB.
const READ_BYTES: usize = 4096;

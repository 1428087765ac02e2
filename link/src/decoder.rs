//! From bytes to payloads.

use cobs::{DecodeResult, DecoderState};

use crate::{CHECKSUM_BYTES, FRAME_PAYLOAD_BYTES_MAX};

/// Finds the frames in a stream of bytes. Keeps at most one frame, and continues after any damage.
#[derive(Debug, Default)]
pub struct Decoder {
    state: DecoderState,
    content: Vec<u8>,
    too_long: bool,
}

impl Decoder {
    /// A decoder at the beginning of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the stream. Returns the completed payloads in order, each exactly as sent, and
    /// an error for each damaged frame. All of `bytes` is consumed, even if the iterator is dropped early.
    pub fn push(&mut self, bytes: &[u8]) -> impl Iterator<Item = Result<Vec<u8>, FrameFault>> + use<> {
        bytes.iter().filter_map(|byte| self.take(*byte)).collect::<Vec<_>>().into_iter()
    }

    /// Whether the stream is within a frame, which is lost if the stream ends here.
    pub fn is_inside_a_frame(&self) -> bool {
        !matches!(self.state, DecoderState::Idle)
    }

    fn take(&mut self, byte: u8) -> Option<Result<Vec<u8>, FrameFault>> {
        match self.state.feed(byte) {
            Ok(DecodeResult::NoData | DecodeResult::DataStart) => None,
            Ok(DecodeResult::DataContinue(byte)) => {
                if self.content.len() < FRAME_PAYLOAD_BYTES_MAX + CHECKSUM_BYTES {
                    self.content.push(byte);
                } else {
                    self.too_long = true;
                }
                None
            }
            Ok(DecodeResult::DataComplete) => Some(self.complete()),
            Err(_) => {
                let too_long = self.reset().1;
                Some(Err(if too_long { FrameFault::TooLong } else { FrameFault::Malformed }))
            }
        }
    }

    fn complete(&mut self) -> Result<Vec<u8>, FrameFault> {
        let (mut content, too_long) = self.reset();
        if too_long {
            return Err(FrameFault::TooLong);
        }
        let (payload, checksum) =
            content.split_last_chunk::<CHECKSUM_BYTES>().ok_or(FrameFault::Malformed)?;
        if crc32c::crc32c(payload) != u32::from_le_bytes(*checksum) {
            return Err(FrameFault::Checksum);
        }
        content.truncate(content.len() - CHECKSUM_BYTES);
        Ok(content)
    }

    /// Ends the frame; returns its content and whether it was too long.
    fn reset(&mut self) -> (Vec<u8>, bool) {
        (std::mem::take(&mut self.content), std::mem::take(&mut self.too_long))
    }
}

/// Why a frame was dropped. Ask for it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    /// Not COBS, or shorter than the checksum.
    #[error("a frame is cut or is not COBS")]
    Malformed,
    /// The checksum does not match.
    #[error("a frame's checksum is wrong")]
    Checksum,
    /// Longer than the limit.
    #[error("a frame is longer than {FRAME_PAYLOAD_BYTES_MAX} bytes")]
    TooLong,
}

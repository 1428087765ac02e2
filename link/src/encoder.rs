//! From payload to frame.

use crate::{CHECKSUM_BYTES, FRAME_PAYLOAD_BYTES_MAX};

/// The frame of a payload with both delimiters; it can be sent after anything.
///
/// # Errors
/// When the payload is longer than [`FRAME_PAYLOAD_BYTES_MAX`].
pub fn encode(payload: &[u8]) -> Result<Vec<u8>, PayloadTooLong> {
    if payload.len() > FRAME_PAYLOAD_BYTES_MAX {
        return Err(PayloadTooLong { bytes: payload.len() });
    }
    let mut content = Vec::with_capacity(payload.len() + CHECKSUM_BYTES);
    content.extend_from_slice(payload);
    content.extend_from_slice(&crc32c::crc32c(payload).to_le_bytes());
    Ok(cobs::encode_vec_including_sentinels(&content))
}

/// A payload is too long for a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a frame carries at most {FRAME_PAYLOAD_BYTES_MAX} bytes, not {bytes}")]
pub struct PayloadTooLong {
    /// The length in bytes.
    pub bytes: usize,
}

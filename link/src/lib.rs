//! Frames of the factory link: COBS with a CRC-32C over any byte stream. No I/O.
//!
//! One frame is a zero byte, the COBS encoding of payload and checksum (CRC-32C, Castagnoli, little-endian), and a zero byte.
//! The first zero ends whatever a noisy line has left in the receiver, so that garbage costs no frame but its own; zeros between
//! frames say nothing, so a lost or a doubled delimiter does no harm either.

mod decoder;
mod encoder;

pub use decoder::{Decoder, FrameFault};
pub use encoder::{PayloadTooLong, encode};

/// The longest payload of a frame. The largest message is `Install`: a certificate, a chain of two and four anchors are about
/// 10 kB; 64 KiB leaves room for RSA-4096 chains, and bounds what a stranger can make the receiver keep.
pub const FRAME_PAYLOAD_BYTES_MAX: usize = 64 * 1024;

/// CRC-32C, little-endian, after the payload.
const CHECKSUM_BYTES: usize = 4;

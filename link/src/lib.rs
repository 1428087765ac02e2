//! Frames of the factory link: COBS with a CRC-32C over any byte stream. No I/O.
//!
//! A frame is a zero byte, the COBS encoding of payload and checksum (CRC-32C, Castagnoli, little-endian),
//! and a zero byte. The first zero ends whatever noise the receiver has collected, so that noise costs no
//! other frame. Zeros between frames have no meaning, so a lost or doubled delimiter does no harm.

mod decoder;
mod encoder;

pub use decoder::{Decoder, FrameFault};
pub use encoder::{PayloadTooLong, encode};

/// The longest payload. The largest message is `Install`: a certificate, a chain of two and four anchors are
/// about 10 kB. 64 KiB leaves room for RSA-4096 chains and bounds the receiver's memory.
pub const FRAME_PAYLOAD_BYTES_MAX: usize = 64 * 1024;

const CHECKSUM_BYTES: usize = 4;

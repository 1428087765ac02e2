//! Frames of the factory link: COBS with a CRC-32C over any byte stream. No I/O.

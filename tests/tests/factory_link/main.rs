//! docs/protocol.md describes the factory link completely: the vectors beside it agree with what station and
//! device send, and an implementation that was written from the text alone works with both.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod second_implementation;
mod vectors;

//! Station, device and CA are killed between any two steps, in every combination, enumerated: each unit has
//! one identity or none, the counts are exact, and the journal explains it.
//!
//! Real processes, without fault points: a relay between two of them counts the frames of the factory link,
//! or the records of TLS, and kills at the one with a given number. A frame that is not passed on leaves its
//! sender behind its step and its receiver before the next one; one that is passed on meets the receiver in
//! its step. How many there are is measured in a run that is not cut, and every one of them is cut.
//!
//! Without more, each run is cut once: at frames station, device and both die, at records the CA and who
//! talks to it. `TOUCHMARK_CUTS=all` adds what takes hours: all combinations of the three at the frames of a
//! unit that is finished, every record where a first boot loses the CA, and all pairs, in which the run that
//! follows a cut is cut, too.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test"
)]

mod account;
mod cases;
mod cut;
mod enroll;
mod finish;
mod lane;
mod offline;
mod reconcile;
mod relay;

//! A small world around a device: issuers, a station at the other end of a pipe.
#![allow(dead_code, reason = "each suite uses its part")]

pub mod ca;
pub mod days;
pub mod disk;
pub mod issuers;
pub mod station;
pub mod unit;

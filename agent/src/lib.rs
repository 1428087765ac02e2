//! The device: a key that never leaves it, a birth certificate from the factory, an operational certificate from its owner's CA.
//!
//! Start at [`factory`] (on the bench) and [`enroll`] (first boot); both write only through [`state`], and only [`key`] sees a
//! private key.

pub mod certificate;
pub mod enroll;
pub mod factory;
pub mod key;
pub mod state;
pub mod status;
pub mod time_floor;

//! The device: a key that never leaves it, a birth certificate from the factory, an operational certificate
//! from its owner's CA.
//!
//! Start at [`factory`] (on the bench), [`enroll`] (first boot), [`renew`] (from one certificate to the next)
//! and [`daemon`] (for years). All of them call the CA through [`ca_client`] and write through [`state`];
//! only [`key`] sees a private key.

pub mod arguments;
pub mod ca_client;
pub mod certificate;
mod claim;
pub mod daemon;
pub mod doctor;
pub mod enroll;
pub mod factory;
pub mod hook;
pub mod key;
pub mod renew;
pub mod renewal;
pub mod state;
pub mod status;
pub mod text;
pub mod time_floor;

//! Touchmark's certificate authority.

pub mod config;
pub mod ledger;
pub mod signer;
pub mod store;
pub mod tls;

//! Touchmark's certificate authority.

pub mod config;
pub mod ledger;
pub mod signer;
pub mod tls;
pub mod store;

//! Touchmark's certificate authority.

pub mod ledger;
pub mod signer;
pub mod tls;

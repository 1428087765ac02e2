//! Touchmark's certificate authority.

pub mod ledger;

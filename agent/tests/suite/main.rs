//! The agent as a library and as a program. One executable, which links once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod damage;
mod deferral;
mod doctor;
mod enroll;
mod factory;
mod help;
mod interrupted_renewal;
mod key_stores;
mod power_cut;
mod renew;
mod run;
mod support;

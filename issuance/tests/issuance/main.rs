//! The rules, tested through the public API.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(unreachable_pub, reason = "modules of one test binary")]

mod boundary;
mod coverage;
mod crl;
mod golden;
mod ocsp;
mod pki;
mod profiles;
mod reading;
mod request;

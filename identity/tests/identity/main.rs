//! The shared value types through the public API.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(unreachable_pub, reason = "modules of one test binary")]

mod csr;
mod csr_cases;
mod csr_form;
mod fixture;
mod key;
mod name;
mod rsa;
mod serial_number;
mod time;

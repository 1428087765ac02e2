//! The harness of the whole-system suites: real processes, real mTLS, a real durable store.
//!
//! Suites are in `tests/tests`, a sentence each. They find the programs through [`Program`], run a
//! [`CertificateAuthority`] in a directory of its own, call it as a [`Caller`] and make [`Device`]s.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    missing_docs,
    reason = "a harness: what goes wrong here is a failed test, and its names say what they do"
)]

mod attack;
mod authority;
mod broker;
mod caller;
mod clock;
mod credentials;
mod debian;
mod device;
mod factory;
mod file_system;
mod fleet;
mod line;
mod notify;
mod operator;
mod order;
mod process;
mod program;
mod python;
mod raw;
mod refusal;
mod scripted_key;
mod seed;
mod sink;
mod site;
mod station;
mod terminal;
mod wait;

pub use attack::Attack;
pub use authority::{CertificateAuthority, ORGANIZATION};
pub use broker::{Admission, Broker};
pub use caller::Caller;
pub use clock::{WallClock, fake};
pub use credentials::{Credentials, KeyAndRequest};
pub use debian::{DebianRoot, ServiceUnit, base_root, former_programs, packages, packages_of};
pub use device::Device;
pub use factory::{Factory, OrderTerms};
pub use file_system::FileSystem;
pub use fleet::Fleet;
pub use line::{Answer, ask, ask_on_stream};
pub use notify::NotifySocket;
pub use operator::{Operator, json_lines};
pub use order::order_command;
pub use process::{Process, hearing_hang_ups};
pub use program::Program;
pub use python::python_program;
pub use raw::call_raw;
pub use refusal::{Refused, refusal, refused};
pub use scripted_key::{Multiple, ScriptedKey, ScriptedKeys};
pub use seed::{Seed, request_id};
pub use sink::Sink;
pub use site::{Holder, Site, plain_http};
pub use station::{Station, line_file};
pub use terminal::Terminal;
pub use wait::{eventually, within};

/// Every reason that the CA can give for a refusal.
pub fn reasons() -> impl Iterator<Item = proto::v1::Reason> {
    let pool = prost_reflect::DescriptorPool::decode(proto::FILE_DESCRIPTOR_SET).unwrap();
    let reasons = pool.get_enum_by_name("touchmark.v1.Reason").unwrap();
    let numbers: Vec<i32> =
        reasons.values().map(|value| value.number()).filter(|number| *number != 0).collect();
    numbers.into_iter().map(|number| proto::v1::Reason::try_from(number).unwrap())
}

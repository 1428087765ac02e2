//! A small world around a device: issuers, a station at the other end of a pipe.

pub mod ca;
pub mod days;
pub mod disk;
pub mod issuers;
pub mod keys;
pub mod station;
pub mod tls;
pub mod unit;

/// What most tests name.
pub mod prelude {
    pub use std::os::unix::fs::PermissionsExt;
    pub use std::path::Path;
    pub use std::process::{Output, Stdio};
    pub use std::sync::Arc;
    pub use std::time::{Duration, UNIX_EPOCH};

    pub use agent::ca_client::{ObtainError, RetryPolicy};
    pub use agent::certificate::Kind;
    pub use agent::state::{CredentialLocation, Disk, FileSystem, Slot, State, StateError, Storage, View};
    pub use identity::{Csr, ManualClock};
    pub use prost::Message;
    pub use proto::v1::device_message::Response;
    pub use rand::SeedableRng;
    pub use rand::rngs::StdRng;
    pub use tonic::Code;

    pub use super::ca::*;
    pub use super::days::*;
    pub use super::disk::*;
    pub use super::issuers::*;
    pub use super::keys::*;
    pub use super::station::*;
    pub use super::unit::*;
}

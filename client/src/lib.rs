//! How a program with a credential directory calls the CA: it reads the credential and connects by mutual TLS
//! 1.3.
//!
//! For stations, operators and relying parties. A device has its own way (`agent`): its key may be in
//! hardware, and it may have no clock.

mod connector;
mod credential;
mod diagnosis;
mod server;

pub use connector::{Connector, endpoint};
pub use credential::{CERTIFICATE_FILE, CHAIN_FILE, CredentialError, KEY_FILE, TRUST_FILE};
pub use diagnosis::{Diagnosis, diagnose};
pub use server::{ServerAddressError, server};

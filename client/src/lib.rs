//! How stations, operators and relying parties call the CA: by mutual TLS 1.3 with a credential directory. A
//! device uses `agent`: its key may be in hardware, and it may have no clock.

mod connector;
mod credential;
mod diagnosis;

pub use connector::{Connector, endpoint};
pub use credential::{CERTIFICATE_FILE, CHAIN_FILE, CredentialError, KEY_FILE, TRUST_FILE};
pub use diagnosis::{Diagnosis, diagnose};

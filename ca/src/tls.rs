//! TLS towards stations, devices and people (ADR 0008).

mod bare_key;
mod client_verifier;
mod credentials;
mod issuer;
mod server;

pub(crate) use bare_key::proof_of;
pub use client_verifier::RenewalGrace;
pub use credentials::{CredentialsError, ServerCredentials};
pub use server::{TlsError, server_config};

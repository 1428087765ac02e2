//! TLS towards stations, devices and people (ADR 0008).

mod clients;
mod credentials;
mod issuer;
mod server;

pub use clients::Late;
pub use credentials::{CredentialsError, ServerCredentials};
pub use server::{TlsError, server_config};

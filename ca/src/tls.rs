//! TLS towards stations, devices and people (DESIGN 4.10).

mod credentials;
mod peer;
mod server;

pub use credentials::{CredentialsError, ServerCredentials};
pub use peer::PeerCertificate;
pub use server::{TlsError, server_config};

//! TLS towards stations, devices and people (DESIGN 4.10).

mod clients;
mod credentials;
mod issuer;
mod peer;
mod server;

pub use clients::Late;
pub use credentials::{CredentialsError, ServerCredentials};
pub use peer::PeerCertificate;
pub use server::{TlsError, server_config};

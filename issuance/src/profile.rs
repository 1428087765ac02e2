//! Profiles: what a certificate may say, for how long, for which keys.

mod law;
mod params;

pub use law::{ExtendedKeyUsage, KeyUsage, Profile};
pub use params::crl_url;
pub(crate) use params::{key_identifier, plain_http};

//! Profiles: what a certificate may say, for how long, for which keys.

mod defaults;
mod params;

pub use defaults::{ExtendedKeyUsage, KeyUsage, Profile};
pub use params::crl_url;
pub(crate) use params::{key_identifier, plain_http};

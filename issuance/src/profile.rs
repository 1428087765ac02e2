//! Profiles: the content, lifetime and key types of each kind of certificate.

mod defaults;
mod params;

pub use defaults::{ExtendedKeyUsage, KeyUsage, Profile};
pub use params::crl_url;
pub(crate) use params::{key_identifier, plain_http};

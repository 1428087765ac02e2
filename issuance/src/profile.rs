//! Profiles: the content, lifetime and key types of each kind of certificate.

mod defaults;
mod params;

pub use defaults::Profile;
pub use params::crl_url;
pub(crate) use params::{key_identifier, plain_http};
pub use rcgen::{ExtendedKeyUsagePurpose as ExtendedKeyUsage, KeyUsagePurpose as KeyUsage};

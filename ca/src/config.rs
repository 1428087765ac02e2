//! Configuration: [`Config`] is what is written in `ca.toml`, [`Settings`] what was checked. Only [`Settings`] travels.

mod check;
mod document;
mod hardware_type;
mod manual;
mod mistake;
mod settings;

pub(crate) use check::{LISTEN_DEFAULT, METRICS_LISTEN_DEFAULT, check_enrollment_url, check_organization};
pub use document::{
    AfterRenewalName, Config, IssuersConfig, LdevidConfig, LimitsConfig, LogFormat, OnForkName,
    ProfilesConfig, ServerConfig, StoreConfig, StoreKind,
};
pub use hardware_type::{HardwareType, HardwareTypeError};
pub use manual::manual;
pub use mistake::{ConfigError, Mistake};
pub use settings::{IssuerSettings, Limits, ProfileSettings, RenewalSettings, Settings, StoreSettings};

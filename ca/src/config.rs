//! Configuration: [`Config`] is what is written in `ca.toml`, [`Settings`] what was checked. Only [`Settings`] travels.

mod blocked_keys;
mod check;
mod document;
mod exposure;
mod hardware_type;
mod manual;
mod mistake;
mod settings;

pub use blocked_keys::{BlockedKeysError, read_blocked_keys};
pub(crate) use check::{
    HTTP_LISTEN_DEFAULT, LISTEN_DEFAULT, METRICS_LISTEN_DEFAULT, check_enrollment_url, check_organization,
    check_public_url,
};
pub use document::{
    AfterRenewalName, ClockConfig, Config, FormerStoreKind, IssuersConfig, LdevidConfig, LimitsConfig,
    LogConfig, LogFormat, LogKind, OnForkName, ProfilesConfig, PublicationConfig, ServerConfig, StoreConfig,
};
pub use exposure::Exposure;
pub use hardware_type::{HardwareType, HardwareTypeError};
pub use manual::manual;
pub use mistake::{ConfigError, Mistake};
pub use settings::{
    BlockedKeysSettings, Limits, ProfileSettings, PublicationSettings, RenewalSettings, Settings,
};

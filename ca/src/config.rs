//! Configuration: [`Config`] is `ca.toml` as written, [`Settings`] as checked, which alone travels.

mod blocked_keys;
mod check;
mod document;
mod environment;
mod exposure;
mod hardware_type;
mod manual;
mod mistake;
mod settings;
#[cfg(test)]
mod tests;
mod urls;

use std::fs;
use std::path::Path;

use check::Check;

pub use blocked_keys::{BlockedKeysError, read_blocked_keys};
pub(crate) use check::{HTTP_LISTEN_DEFAULT, LISTEN_DEFAULT, METRICS_LISTEN_DEFAULT, check_organization};
pub use document::{
    AfterRenewalName, ClockConfig, Config, FormerStoreKind, IssuersConfig, LdevidConfig, LimitsConfig,
    LogConfig, LogFormat, LogKind, OnForkName, ProfilesConfig, PublicationConfig, ReservationsConfig,
    ServerConfig, StoreConfig,
};
pub use exposure::Exposure;
pub use hardware_type::{HardwareType, HardwareTypeError};
pub use manual::manual;
pub use mistake::{ConfigError, Mistake};
pub use settings::{BlockedKeysSettings, Limits, ProfileSettings, PublicationSettings, Settings};
pub(crate) use urls::{check_enrollment_url, check_public_url};

impl Settings {
    /// Reads and checks the file at `path`, with the `TOUCHMARK_CA_…` variables of `environment`, and the
    /// files and directories that it names.
    ///
    /// # Errors
    /// When the file cannot be read, or with all mistakes at once.
    pub fn read(
        path: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        Self::checked(path, environment, true)
    }

    /// As [`Self::read`], for a command that does not serve: the server's credentials may be missing.
    ///
    /// # Errors
    /// As of [`Self::read`].
    pub fn read_beside_the_server(
        path: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        Self::checked(path, environment, false)
    }

    fn checked(
        path: &Path,
        variables: impl IntoIterator<Item = (String, String)>,
        serves: bool,
    ) -> Result<Self, ConfigError> {
        let text =
            fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let base = path.parent().unwrap_or_else(|| Path::new(""));
        let mut check = Check { mistakes: Vec::new(), base, serves };
        let mut config = Config::parse(&text, &file, &mut check.mistakes);
        environment::apply(&mut config, variables, &mut check.mistakes);
        let settings = check.settings(config);
        match settings {
            Some(settings) if check.mistakes.is_empty() => Ok(settings),
            _ => Err(ConfigError::Mistakes { path: path.to_owned(), mistakes: check.mistakes }),
        }
    }
}

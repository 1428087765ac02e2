//! `station.toml`: read once, checked once; all mistakes are reported at once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use client::Connector;
use tonic::transport::Uri;

use crate::journal::JournalLocation;
use crate::session::Limits;

/// What is written in `station.toml`. Paths are relative to the file.
#[derive(Debug, Default)]
struct Config {
    /// `server = "https://ca.example.com:8443"`: the CA. Environment: `TOUCHMARK_STATION_SERVER`.
    server: Option<String>,
    /// `credentials = "DIR"`: holds `cert.pem`, `chain.pem`, `trust.pem` and `key.pem`. Environment:
    /// `TOUCHMARK_STATION_CREDENTIALS`.
    credentials: Option<String>,
    /// `journal = "DIR"`: the station's journal. By default `$STATE_DIRECTORY/journal`, or a directory beside
    /// the credential directory, with `-journal` behind its name. Environment: `TOUCHMARK_STATION_JOURNAL`.
    journal: Option<String>,
    /// `answer-timeout-ms = 3000`: a request to a device is sent again after this time; 10 to 600,000.
    answer_timeout_ms: Option<i64>,
    /// `sends-max = 10`: how often one request is sent to a device in all; 1 to 100.
    sends_max: Option<i64>,
    /// `ca-patience-s = 60`: how long a call to the CA is repeated while it cannot answer; 0 to 3,600.
    ca_patience_s: Option<i64>,
    /// The service's state directory, from systemd's `STATE_DIRECTORY`.
    state_directory: Option<String>,
}

/// The configuration, checked.
pub(crate) struct Settings {
    pub(crate) server: Uri,
    pub(crate) connector: Connector,
    pub(crate) journal: JournalLocation,
    /// The credential directory.
    pub(crate) credentials: PathBuf,
    pub(crate) limits: Limits,
    /// How long one call to the CA is repeated.
    pub(crate) ca_patience: Duration,
}

impl Settings {
    /// Reads and checks a file; `environment` overrides it. The error has all mistakes.
    pub(crate) fn read(
        path: &Path,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let mut mistakes = Vec::new();
        let Some(config) = load(path, environment, &mut mistakes) else {
            return Err(ConfigError { path: path.to_owned(), mistakes });
        };
        let directory = path.parent().unwrap_or_else(|| Path::new(""));
        let mut wanted = |value: Option<String>, key: &str, example: &str| {
            if value.is_none() {
                mistakes.push(format!("{key} is missing, for example {key} = \"{example}\""));
            }
            value
        };
        let server = wanted(config.server, "server", "https://ca.example.com:8443");
        let credentials = wanted(config.credentials, "credentials", ".");
        let credentials = credentials.map(|credentials| directory.join(credentials));
        let server = server.and_then(|server| match client::server(&server) {
            Ok(uri) => Some(uri),
            Err(error) => {
                mistakes.push(format!("server: {error}"));
                None
            }
        });
        let answer_timeout_ms =
            within(config.answer_timeout_ms, "answer-timeout-ms", 10..=600_000, 3_000, &mut mistakes);
        let sends_max = within(config.sends_max, "sends-max", 1..=100, 10, &mut mistakes);
        let ca_patience_s = within(config.ca_patience_s, "ca-patience-s", 0..=3_600, 60, &mut mistakes);
        let connector = credentials.as_ref().zip(server.as_ref()).and_then(|(credentials, server)| {
            Connector::new(credentials, server)
                .map_err(|found| {
                    mistakes.extend(found.iter().map(|mistake| format!("credentials: {mistake}")))
                })
                .ok()
        });
        let (true, Some(server), Some(connector), Some(credentials)) =
            (mistakes.is_empty(), server, connector, credentials)
        else {
            return Err(ConfigError { path: path.to_owned(), mistakes });
        };
        let journal = match config.journal {
            Some(journal) => JournalLocation::named(directory.join(journal)),
            None => JournalLocation::beside(&credentials, config.state_directory.as_deref()),
        };
        let ca_patience = Duration::from_secs(ca_patience_s);
        let limits = Limits {
            answer_timeout: Duration::from_millis(answer_timeout_ms),
            sends_max: u32::try_from(sends_max).unwrap_or(1),
            ca_timeout: ca_patience * 2 + CA_MARGIN,
        };
        Ok(Self { server, connector, journal, credentials, limits, ca_patience })
    }
}

fn load(
    path: &Path,
    environment: impl Fn(&str) -> Option<String>,
    mistakes: &mut Vec<String>,
) -> Option<Config> {
    let mut table = match std::fs::read_to_string(path).map(|text| text.parse::<toml::Table>()) {
        Ok(Ok(table)) => table,
        Ok(Err(error)) => {
            mistakes.push(format!("not TOML: {}", error.message()));
            return None;
        }
        Err(error) => {
            mistakes.push(format!("cannot be read: {error}"));
            return None;
        }
    };
    let mut text = |key: &str| {
        let variable = format!("TOUCHMARK_STATION_{}", key.to_uppercase());
        match (environment(&variable), table.remove(key)) {
            (Some(value), _) => Some(value),
            (None, Some(toml::Value::String(value))) => Some(value),
            (None, Some(_)) => {
                mistakes.push(format!("{key} must be a text in quotes"));
                None
            }
            (None, None) => None,
        }
    };
    let (server, credentials, journal) = (text("server"), text("credentials"), text("journal"));
    let mut number = |key: &str| match table.remove(key) {
        Some(toml::Value::Integer(value)) => Some(value),
        Some(_) => {
            mistakes.push(format!("{key} must be a whole number"));
            None
        }
        None => None,
    };
    let answer_timeout_ms = number("answer-timeout-ms");
    let sends_max = number("sends-max");
    let ca_patience_s = number("ca-patience-s");
    mistakes.extend(table.keys().map(|key| format!("{key} is not known; see touchmark-station --help")));
    let state_directory = environment("STATE_DIRECTORY");
    Some(Config {
        server,
        credentials,
        journal,
        answer_timeout_ms,
        sends_max,
        ca_patience_s,
        state_directory,
    })
}

fn within(
    value: Option<i64>,
    key: &str,
    range: std::ops::RangeInclusive<u64>,
    default: u64,
    mistakes: &mut Vec<String>,
) -> u64 {
    let Some(value) = value else { return default };
    match u64::try_from(value) {
        Ok(value) if range.contains(&value) => value,
        _ => {
            mistakes.push(format!("{key} must be {} to {}, not {value}", range.start(), range.end()));
            default
        }
    }
}

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[error("{}:\n  {}", path.display(), mistakes.join("\n  "))]
pub(crate) struct ConfigError {
    pub(crate) path: PathBuf,
    pub(crate) mistakes: Vec<String>,
}

/// A session waits longer for the CA than the calls do, so that the calls give up first.
const CA_MARGIN: Duration = Duration::from_secs(60);

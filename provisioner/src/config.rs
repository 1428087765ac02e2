//! `station.toml`: read once, checked once; all mistakes are reported at once.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use client::{Connector, CredentialError};
use tonic::transport::Uri;

use crate::crew::Shifts;
use crate::journal::JournalLocation;
use crate::link::{LinkLimits, damage_pause};
use crate::metrics::MetricsAddress;
use crate::mode::Mode;
use crate::offline::Offline;
use crate::on_fail::OnFail;
use crate::scan::{ScannerPort, SlotCodes};
use crate::session::Limits;
use crate::stock::ReserveTerms;

pub(crate) struct Settings {
    pub(crate) server: Uri,
    pub(crate) connector: Connector,
    pub(crate) journal: JournalLocation,
    pub(crate) credentials: PathBuf,
    pub(crate) limits: Limits,
    pub(crate) link_limits: LinkLimits,
    pub(crate) ca_patience: Duration,
    pub(crate) bench: BenchSettings,
    pub(crate) reserve: ReserveTerms,
    pub(crate) shifts: Shifts,
    /// Where the figures of a run are served; `None`: nowhere.
    pub(crate) metrics: Option<MetricsAddress>,
    pub(crate) offline: Offline,
}

/// How units come and how the bench waits for them.
#[derive(Debug, Clone)]
pub(crate) struct BenchSettings {
    pub(crate) mode: Option<Mode>,
    pub(crate) scanner: Option<ScannerPort>,
    pub(crate) slot_codes: SlotCodes,
    /// A scan that begins with it is the name of whoever works from now on.
    pub(crate) operator_prefix: Option<String>,
    /// Whether Enter must confirm the slot that is shown for a scan.
    pub(crate) confirms_slot: bool,
    /// How often a fixture is asked whether a unit is there.
    pub(crate) probe_interval: Duration,
    /// So many failures in a row with one reason pause the line; 0 never.
    pub(crate) pause_after_failures: u32,
    /// Whether a run is shown on the whole terminal.
    pub(crate) has_screen: bool,
    pub(crate) on_fail: OnFail,
}

/// The fields of `station.toml`, which `provision --help` describes. Paths are relative to the file; the
/// environment overrides texts.
struct Fields<E> {
    table: toml::Table,
    environment: E,
    mistakes: Vec<String>,
}

impl Settings {
    /// Reads and checks a file; `environment` overrides it. The error has all mistakes.
    pub(crate) fn read(
        path: &Path,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let refused = |mistakes| ConfigError { path: path.to_owned(), mistakes };
        let mut fields = Fields::read(path, environment).map_err(|mistake| refused(vec![mistake]))?;
        let directory = path.parent().unwrap_or_else(|| Path::new(""));
        let server = fields.required("server", "https://ca.example.com:8443");
        let server = server.and_then(|server| {
            dial::server(&server).map_err(|error| fields.mistakes.push(format!("server: {error}"))).ok()
        });
        let credentials = fields.required("credentials", ".").map(|credentials| directory.join(credentials));
        let journal = fields.text("journal").map(|journal| directory.join(journal));
        let answer_timeout_ms = fields.number("answer-timeout-ms", 10..=600_000, 3_000);
        let sends_max = fields.number("sends-max", 1..=100, 10);
        let link_limits = fields.link_limits(directory);
        let ca_patience = Duration::from_secs(fields.number("ca-patience-s", 0..=3_600, 60));
        let connector = credentials.as_ref().zip(server.as_ref()).and_then(|(credentials, server)| {
            let found = Connector::new(credentials, server);
            let told = |mistake: &CredentialError| format!("credentials: {mistake}");
            found.map_err(|found| fields.mistakes.extend(found.iter().map(told))).ok()
        });
        let bench = BenchSettings::read(&mut fields);
        let reserve = fields.reserve_terms();
        let shifts = fields.shifts();
        let metrics = fields.text("metrics").and_then(|text| {
            let wrong = |what: String| fields.mistakes.push(format!("metrics: {what}"));
            text.parse().map_err(wrong).ok()
        });
        let offline = fields.offline();
        let state_directory = (fields.environment)("STATE_DIRECTORY");
        let mistakes = fields.all_mistakes();
        let (true, Some(server), Some(connector), Some(credentials)) =
            (mistakes.is_empty(), server, connector, credentials)
        else {
            return Err(refused(mistakes));
        };
        let journal = match journal {
            Some(journal) => JournalLocation::named(journal),
            None => JournalLocation::beside(&credentials, state_directory.as_deref()),
        };
        let limits = Limits {
            answer_timeout: Duration::from_millis(answer_timeout_ms),
            damage_pause: damage_pause(None),
            sends_max: u32::try_from(sends_max).unwrap_or(1),
            ca_timeout: ca_patience * 2 + CA_MARGIN,
        };
        Ok(Self {
            server,
            connector,
            journal,
            credentials,
            limits,
            link_limits,
            ca_patience,
            bench,
            reserve,
            shifts,
            metrics,
            offline,
        })
    }
}

impl BenchSettings {
    fn read<E: Fn(&str) -> Option<String>>(fields: &mut Fields<E>) -> Self {
        let mode = fields.text("mode").and_then(|text| {
            let unknown = |_| fields.mistakes.push(format!("mode is scan, device or list, not {text:?}"));
            Mode::from_str(&text, false).map_err(unknown).ok()
        });
        let scanner = fields.text("scanner").and_then(|text| {
            let wrong = |what: String| fields.mistakes.push(format!("scanner: {what}"));
            text.parse().map_err(wrong).ok()
        });
        let slot_codes = SlotCodes::new(fields.texts("slot-codes"));
        let slot_codes = slot_codes.unwrap_or_else(|what| {
            fields.mistakes.push(format!("slot-codes: {what}"));
            SlotCodes::default()
        });
        let operator_prefix = fields.text("operator-prefix").filter(|prefix| {
            let fits = (1..=PREFIX_BYTES_MAX).contains(&prefix.len())
                && prefix.bytes().all(|c| c.is_ascii_graphic());
            if !fits {
                let what =
                    format!("operator-prefix is 1 to {PREFIX_BYTES_MAX} characters of ASCII without spaces");
                fields.mistakes.push(what);
            }
            fits
        });
        let confirms_slot = fields.flag("confirm-slot");
        let probe_interval = Duration::from_millis(fields.number("probe-interval-ms", 50..=60_000, 1_000));
        let pause_after_failures = fields.number("pause-after-failures", 0..=1_000, 3);
        let pause_after_failures = u32::try_from(pause_after_failures).unwrap_or_default();
        let has_screen = fields.flag("screen");
        let on_fail = fields.on_fail();
        Self {
            mode,
            scanner,
            slot_codes,
            operator_prefix,
            confirms_slot,
            probe_interval,
            pause_after_failures,
            has_screen,
            on_fail,
        }
    }
}

impl<E: Fn(&str) -> Option<String>> Fields<E> {
    fn read(path: &Path, environment: E) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
        let table =
            text.parse().map_err(|error: toml::de::Error| format!("not TOML: {}", error.message()))?;
        Ok(Self { table, environment, mistakes: Vec::new() })
    }

    fn text(&mut self, key: &str) -> Option<String> {
        let variable = format!("TOUCHMARK_STATION_{}", key.to_uppercase());
        match ((self.environment)(&variable), self.table.remove(key)) {
            (Some(value), _) | (None, Some(toml::Value::String(value))) => return Some(value),
            (None, Some(_)) => self.mistakes.push(format!("{key} must be a text in quotes")),
            (None, None) => {}
        }
        None
    }

    fn required(&mut self, key: &str, example: &str) -> Option<String> {
        let value = self.text(key);
        if value.is_none() {
            self.mistakes.push(format!("{key} is missing, for example {key} = \"{example}\""));
        }
        value
    }

    fn texts(&mut self, key: &str) -> Vec<String> {
        let texts: Option<Vec<String>> = match self.table.remove(key) {
            None => return Vec::new(),
            Some(toml::Value::Array(values)) => {
                values.into_iter().map(|value| value.as_str().map(str::to_owned)).collect()
            }
            Some(_) => None,
        };
        texts.unwrap_or_else(|| {
            self.mistakes.push(format!("{key} must be a list of texts in quotes, [\"A\", \"B\"]"));
            Vec::new()
        })
    }

    fn on_fail(&mut self) -> OnFail {
        match self.table.get("on-fail") {
            None => OnFail::Nothing,
            Some(toml::Value::String(text)) if text == "bell" => {
                self.table.remove("on-fail");
                OnFail::Bell
            }
            Some(toml::Value::Array(_)) => match self.texts("on-fail") {
                command if command.first().is_some_and(|program| !program.is_empty()) => {
                    OnFail::Command(command)
                }
                _ => self.wrong_on_fail(),
            },
            Some(_) => self.wrong_on_fail(),
        }
    }

    fn wrong_on_fail(&mut self) -> OnFail {
        self.table.remove("on-fail");
        self.mistakes.push(
            "on-fail is \"bell\", or a command as a list of texts, [\"PROGRAM\", \"ARGUMENT\"]".to_owned(),
        );
        OnFail::Nothing
    }

    fn flag(&mut self, key: &str) -> bool {
        match self.table.remove(key) {
            None => false,
            Some(toml::Value::Boolean(value)) => value,
            Some(_) => {
                self.mistakes.push(format!("{key} must be true or false"));
                false
            }
        }
    }

    fn number(&mut self, key: &str, range: RangeInclusive<u64>, default: u64) -> u64 {
        let value = match self.table.remove(key) {
            None => return default,
            Some(toml::Value::Integer(value)) => value,
            Some(_) => {
                self.mistakes.push(format!("{key} must be a whole number"));
                return default;
            }
        };
        match u64::try_from(value) {
            Ok(value) if range.contains(&value) => value,
            _ => {
                let (from, to) = range.into_inner();
                self.mistakes.push(format!("{key} must be {from} to {to}, not {value}"));
                default
            }
        }
    }

    fn shifts(&mut self) -> Shifts {
        let written = match self.table.remove("shifts") {
            None => return Shifts::default(),
            Some(toml::Value::Table(table)) => table,
            Some(_) => {
                self.mistakes.push("shifts must be a table, [shifts], of names and times".to_owned());
                return Shifts::default();
            }
        };
        let mut texts = Vec::new();
        for (name, times) in written {
            match times {
                toml::Value::String(times) => texts.push((name, times)),
                _ => self.mistakes.push(format!("shifts.{name} must be a text in quotes")),
            }
        }
        let (shifts, mistakes) = Shifts::read(texts);
        self.mistakes.extend(mistakes);
        shifts
    }

    fn link_limits(&mut self, directory: &Path) -> LinkLimits {
        let usual = LinkLimits::default();
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let connect = self.number("connect-timeout-ms", 10..=600_000, millis(usual.connect));
        let write = self.number("write-timeout-ms", 10..=600_000, millis(usual.write));
        let patience = self.number("port-patience-s", 0..=86_400, usual.port_patience.as_secs());
        LinkLimits {
            connect: Duration::from_millis(connect),
            write: Duration::from_millis(write),
            noise_bytes_max: self.number("noise-bytes-max", 1_024..=1 << 30, usual.noise_bytes_max),
            port_patience: Duration::from_secs(patience),
            device_root: self.text("device-root").map_or(usual.device_root, |root| directory.join(root)),
        }
    }

    fn reserve_terms(&mut self) -> ReserveTerms {
        let units = self.number_if_any("reserve-units", 1..=1_000);
        let hours = self.number_if_any("reserve-hours", 1..=168);
        ReserveTerms {
            units: units.and_then(|units| u32::try_from(units).ok()),
            duration: hours.map(|hours| Duration::from_secs(hours * 3_600)),
            keeps: self.flag("keep-reservation"),
        }
    }

    fn offline(&mut self) -> Offline {
        let Some(text) = self.text("offline") else { return Offline::default() };
        Offline::from_str(&text, false).unwrap_or_else(|_| {
            self.mistakes.push(format!("offline is never or allowed, not {text:?}"));
            Offline::default()
        })
    }

    fn number_if_any(&mut self, key: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let least = *range.start();
        self.table.contains_key(key).then(|| self.number(key, range, least))
    }

    fn all_mistakes(self) -> Vec<String> {
        let unknown = self
            .table
            .keys()
            .map(|key| format!("{key} is not known; see touchmark-station provision --help"));
        self.mistakes.into_iter().chain(unknown).collect()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{}:\n  {}", path.display(), mistakes.join("\n  "))]
pub(crate) struct ConfigError {
    pub(crate) path: PathBuf,
    pub(crate) mistakes: Vec<String>,
}

/// The rest of a scan is the name.
const PREFIX_BYTES_MAX: usize = 16;

/// A session waits longer for the CA than the calls do, so that the calls give up first.
const CA_MARGIN: Duration = Duration::from_secs(60);

//! Turns [`Config`] into [`Settings`], field by field, and collects all mistakes.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use authority::{RenewalPolicy, ReservationLimits};
use identity::is_unseen;
use signer::{IssuerKeys, IssuerSettings};
use store::{CHECKPOINT_ENTRIES_DEFAULT, LogSettings, SEGMENT_BYTES_DEFAULT, StoreSettings};

use super::blocked_keys::{BlockedKeysError, read_blocked_keys};
use super::document::{
    AfterRenewalName, Config, LdevidConfig, LogConfig, OnForkName, ReservationsConfig, StoreConfig,
};
use super::settings::{BlockedKeysSettings, Limits, ProfileSettings, PublicationSettings, Settings};
use super::urls::{check_enrollment_url, check_public_url};
use super::{HardwareTypeError, Mistake};
use crate::clock::ClockLimits;
use crate::open::check_passphrase_file;

pub(super) struct Check<'a> {
    pub(super) mistakes: Vec<Mistake>,
    pub(super) base: &'a Path,
    /// Whether the server's credentials must exist.
    pub(super) serves: bool,
}

impl Check<'_> {
    fn mistake(&mut self, place: &str, what: impl Into<String>) {
        self.mistakes.push(Mistake { place: place.to_owned(), what: what.into() });
    }

    pub(super) fn settings(&mut self, config: Config) -> Option<Settings> {
        let organization = self.organization(config.organization.as_deref());
        let listen = self.address("listen", config.listen.as_deref(), LISTEN_DEFAULT);
        let metrics_listen =
            self.address("metrics-listen", config.metrics_listen.as_deref(), METRICS_LISTEN_DEFAULT);
        let http_listen = self.address("http-listen", config.http_listen.as_deref(), HTTP_LISTEN_DEFAULT);
        let same = |one: Option<SocketAddr>, other| one == other && one.is_some_and(|one| one.port() != 0);
        if same(listen, metrics_listen) {
            self.mistake("metrics-listen", "must not be the same address as listen");
        }
        if same(http_listen, listen) || same(http_listen, metrics_listen) {
            self.mistake("http-listen", "must not be the same address as listen or metrics-listen");
        }
        let public_url = self.checked("public-url", config.public_url.as_deref(), check_public_url);
        let enrollment_url =
            self.checked("enrollment-url", config.enrollment_url.as_deref(), check_enrollment_url);
        if enrollment_url.is_none() && listen.is_some_and(|listen| listen.ip().is_unspecified()) {
            self.mistake(
                "enrollment-url",
                "must be there when listen is every address: write the name at which devices reach this CA, for example \
                 https://ca.example.com:8443",
            );
        }
        let profiles = self.profiles(&config);
        let reservations = self.reservations(&config.reservations);
        let limits = self.limits(&config);
        let clock = self.clock(&config);
        let backdate =
            self.number("publication.backdate-seconds", config.publication.backdate_seconds, 300, 0, 3600);
        let blocked_keys = self.blocked_keys(config.blocked_keys_file);
        let warnings = former_names(&config.store);
        let store = self.store(config.log, config.store);
        let issuers = IssuerSettings {
            dir: self.directory("issuers.dir", config.issuers.dir, "issuers"),
            keys: IssuerKeys::Files { passphrase_file: self.passphrase_file(config.issuers.passphrase_file) },
        };
        let server_credentials = self.server_credentials(config.server.credentials);
        Some(Settings {
            organization: organization?,
            listen: listen?,
            metrics_listen: metrics_listen?,
            http_listen: http_listen?,
            public_url,
            enrollment_url,
            log_format: config.log_format.unwrap_or_default(),
            blocked_keys,
            store,
            warnings,
            issuers,
            server_credentials,
            publication: PublicationSettings {
                dir: self.base.join(config.publication.dir.unwrap_or_else(|| "publication".into())),
                epoch_file: self
                    .base
                    .join(config.publication.epoch_file.unwrap_or_else(|| "crl-epoch".into())),
                backdate: Duration::from_secs(backdate),
            },
            profiles,
            reservations,
            clock,
            limits,
        })
    }

    fn store(&mut self, log: LogConfig, store: StoreConfig) -> StoreSettings {
        let (field, segment_mib) = match log.segment_mib {
            None if store.segment_mib.is_some() => ("store.segment-mib", store.segment_mib),
            value => ("log.segment-mib", value),
        };
        let segment_mib = self.number(field, segment_mib, u64::from(SEGMENT_BYTES_DEFAULT) / MIB, 1, 1024);
        StoreSettings {
            dir: self.directory("store.dir", store.dir, "store"),
            log: LogSettings::Files {
                segment_bytes: u32::try_from(segment_mib * MIB).unwrap_or(u32::MAX),
                preallocate: log.preallocate.or(store.preallocate).unwrap_or(false),
                archive_dir: log.archive_dir.map(|dir| self.base.join(dir)),
            },
            accept_lost_end: false,
            checkpoint_entries: CHECKPOINT_ENTRIES_DEFAULT,
        }
    }

    fn checked<T>(
        &mut self,
        field: &str,
        value: Option<&str>,
        check: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        check(value?).map_err(|what| self.mistake(field, what)).ok()
    }

    fn organization(&mut self, organization: Option<&str>) -> Option<String> {
        if organization.is_none() {
            self.mistake("organization", "must be there: the name of who makes the devices");
        }
        self.checked("organization", organization, |text| check_organization(text).map(|()| text.to_owned()))
    }

    fn address(&mut self, field: &str, text: Option<&str>, default: &str) -> Option<SocketAddr> {
        self.checked(field, Some(text.unwrap_or(default)), |text| {
            text.parse().map_err(|_| {
                format!("{text:?} is not an address and port; write for example 127.0.0.1:8443 or [::]:8443")
            })
        })
    }

    fn blocked_keys(&mut self, file: Option<PathBuf>) -> BlockedKeysSettings {
        let Some(file) = file.map(|file| self.base.join(file)) else { return BlockedKeysSettings::default() };
        let keys = match read_blocked_keys(&file) {
            Ok(keys) => Arc::new(keys),
            Err(BlockedKeysError::Mistakes { path, mistakes }) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                for mistake in mistakes.iter().take(LIST_MISTAKES_MAX) {
                    self.mistake(&format!("{name}:{}", mistake.line), mistake.what);
                }
                if let Some(more @ 1..) = mistakes.len().checked_sub(LIST_MISTAKES_MAX) {
                    self.mistake(
                        "blocked-keys-file",
                        format!("{} has {more} more such lines", path.display()),
                    );
                }
                Arc::default()
            }
            Err(error) => {
                self.mistake("blocked-keys-file", diagnostics::error_chain(&error));
                Arc::default()
            }
        };
        BlockedKeysSettings { file: Some(file), keys }
    }

    fn profiles(&mut self, config: &Config) -> ProfileSettings {
        let profiles = &config.profiles;
        let backdate_minutes =
            self.number("profiles.backdate-minutes", profiles.backdate_minutes, 60, 0, 1440);
        let lifetime_days =
            self.number("profiles.ldevid.lifetime-days", profiles.ldevid.lifetime_days, 30, 1, 90);
        let parse = |text: &str| text.parse().map_err(|error: HardwareTypeError| error.to_string());
        let hardware_type = self.checked("profiles.hardware-type", profiles.hardware_type.as_deref(), parse);
        ProfileSettings {
            backdate: Duration::from_secs(backdate_minutes * 60),
            ldevid_lifetime: Duration::from_secs(lifetime_days * 24 * 60 * 60),
            renewal: self.renewal(&profiles.ldevid),
            hardware_type,
            rsa_keys: profiles.rsa_keys.unwrap_or(false),
        }
    }

    fn renewal(&mut self, ldevid: &LdevidConfig) -> RenewalPolicy {
        let grace_days =
            self.number("profiles.ldevid.renewal-grace-days", ldevid.renewal_grace_days, 7, 0, 90);
        let hours = self.number("profiles.ldevid.superseded-hours", ldevid.superseded_hours, 24, 1, 2160);
        let after_renewal = ldevid.after_renewal.unwrap_or_default();
        if ldevid.superseded_hours.is_some() && after_renewal != AfterRenewalName::Grace {
            self.mistake("profiles.ldevid.superseded-hours", "is only for after-renewal = \"grace\"");
        }
        RenewalPolicy {
            grace: Duration::from_secs(grace_days * 24 * 60 * 60),
            superseded_for: match after_renewal {
                AfterRenewalName::Expire => None,
                AfterRenewalName::Revoke => Some(Duration::ZERO),
                AfterRenewalName::Grace => Some(Duration::from_secs(hours * 60 * 60)),
            },
            hold_on_fork: ldevid.on_fork.unwrap_or_default() == OnForkName::Hold,
        }
    }

    fn clock(&mut self, config: &Config) -> ClockLimits {
        let clock = &config.clock;
        let jump = self.number("clock.jump-seconds", clock.jump_seconds, 300, 10, 86_400);
        let behind = self.number("clock.behind-ledger-seconds", clock.behind_ledger_seconds, 300, 10, 86_400);
        let ahead = self.number("clock.ahead-of-ledger-days", clock.ahead_of_ledger_days, 30, 1, 3650);
        ClockLimits {
            jump_max: Duration::from_secs(jump),
            behind_ledger_max: Duration::from_secs(behind),
            ahead_of_ledger_max: Duration::from_secs(ahead * 24 * 60 * 60),
        }
    }

    fn limits(&mut self, config: &Config) -> Limits {
        let limits = &config.limits;
        let mut number = |field: &str, value, default, range: RangeInclusive<u32>| {
            let (min, max) = (u64::from(*range.start()), u64::from(*range.end()));
            let value = self.number(&format!("limits.{field}"), value, default, min, max);
            u32::try_from(value).unwrap_or(u32::MAX)
        };
        let anonymous = limits.anonymous_connections_max;
        let handshake_seconds =
            number("handshake-timeout-seconds", limits.handshake_timeout_seconds, 10, 1..=60);
        let shutdown_seconds = number("shutdown-seconds", limits.shutdown_seconds, 20, 1..=600);
        Limits {
            connections_max: number("connections-max", limits.connections_max, 8192, 16..=100_000) as usize,
            anonymous_connections_max: number("anonymous-connections-max", anonymous, 256, 1..=10_000)
                as usize,
            handshakes_max: number("handshakes-max", limits.handshakes_max, 1024, 16..=10_000) as usize,
            handshake_timeout: Duration::from_secs(handshake_seconds.into()),
            requests_max: number("requests-max", limits.requests_max, 4096, 16..=100_000) as usize,
            connection_requests_max: number(
                "connection-requests-max",
                limits.connection_requests_max,
                256,
                1..=4096,
            ),
            shutdown_timeout: Duration::from_secs(shutdown_seconds.into()),
        }
    }

    fn reservations(&mut self, config: &ReservationsConfig) -> ReservationLimits {
        let units = self.number("reservations.units", config.units, 500, 1, 1000);
        let hours_max = self.number("reservations.hours-max", config.hours_max, 168, 1, 168);
        let hours =
            self.number("reservations.hours", config.hours, HOURS_DEFAULT.min(hours_max), 1, hours_max);
        let station = config.station_units_max;
        let station_units_max = self.number("reservations.station-units-max", station, 10_000, 1, 10_000);
        ReservationLimits {
            units,
            duration: Duration::from_secs(hours * 60 * 60),
            duration_max: Duration::from_secs(hours_max * 60 * 60),
            station_units_max,
        }
    }

    fn number(&mut self, field: &str, value: Option<u64>, default: u64, min: u64, max: u64) -> u64 {
        let value = value.unwrap_or(default);
        if !(min..=max).contains(&value) {
            self.mistake(field, format!("{value} is out of range; write {min} to {max}"));
            return default;
        }
        value
    }

    fn directory(&mut self, field: &str, path: Option<PathBuf>, default: &str) -> PathBuf {
        let path = self.base.join(path.unwrap_or_else(|| default.into()));
        if !path.is_dir() {
            self.mistake(
                field,
                format!(
                    "there is no directory {}; touchmark-ca init makes it, restore it or correct the path",
                    path.display()
                ),
            );
        }
        path
    }

    fn server_credentials(&mut self, path: Option<PathBuf>) -> PathBuf {
        let path = self.base.join(path.unwrap_or_else(|| "server".into()));
        if self.serves && !path.is_dir() {
            self.mistake(
                "server.credentials",
                format!(
                    "there is no directory {0}; correct the path, or make the server's credentials again: touchmark-ca credential --config \
                     FILE --out {0} --host NAME",
                    path.display()
                ),
            );
        }
        path
    }

    fn passphrase_file(&mut self, path: Option<PathBuf>) -> PathBuf {
        let path = self.base.join(path.unwrap_or_else(|| "passphrase".into()));
        if let Err(what) = check_passphrase_file(&path) {
            self.mistake("issuers.passphrase-file", what);
        }
        path
    }
}

/// Checks that a name can be `O` in a certificate (`ub-organization-name` is 64, RFC 5280, appendix A.1).
pub(crate) fn check_organization(organization: &str) -> Result<(), String> {
    let characters = organization.chars().count();
    if !(1..=64).contains(&characters) {
        return Err(format!("has 1 to 64 characters, not {characters}"));
    }
    if organization.trim() != organization || organization.chars().any(is_unseen) {
        return Err(
            "neither starts nor ends with a space, and has no control characters and no invisible ones"
                .to_owned(),
        );
    }
    Ok(())
}

const LIST_MISTAKES_MAX: usize = 20;

/// A shift, and what it runs over.
const HOURS_DEFAULT: u64 = 12;

pub(crate) const HTTP_LISTEN_DEFAULT: &str = "127.0.0.1:8080";
pub(crate) const LISTEN_DEFAULT: &str = "127.0.0.1:8443";
pub(crate) const METRICS_LISTEN_DEFAULT: &str = "127.0.0.1:9443";

/// A warning for each former name that the file still uses.
fn former_names(store: &StoreConfig) -> Vec<&'static str> {
    let used = [
        (store.kind.is_some(), "[store] kind = \"sled\" is now [log] kind = \"files\""),
        (store.segment_mib.is_some(), "[store] segment-mib is now [log] segment-mib"),
        (store.preallocate.is_some(), "[store] preallocate is now [log] preallocate"),
    ];
    used.into_iter().filter_map(|(used, warning)| used.then_some(warning)).collect()
}

const MIB: u64 = 1024 * 1024;

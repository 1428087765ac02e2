//! What may be written in `ca.toml`. The comments on the fields are the manual.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Deserialize;

use super::Mistake;

/// `ca.toml`. Relative paths are relative to the file. A field that is absent has the value that its comment
/// names.
///
/// The variables `TOUCHMARK_CA_ORGANIZATION`, `_LISTEN`, `_METRICS_LISTEN`, `_HTTP_LISTEN`, `_PUBLIC_URL`,
/// `_ENROLLMENT_URL`, `_LOG_FORMAT`, `_BLOCKED_KEYS_FILE`, `_STORE_DIR`, `_ISSUERS_DIR`, `_PASSPHRASE_FILE`
/// and `_SERVER_CREDENTIALS` go before the file. There is none for a secret: secrets are files.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// Who makes the devices: `O` in every certificate. 1 to 64 characters. Must be there.
    pub organization: Option<String>,
    /// Where gRPC is served; port 0 takes any free one. Default `127.0.0.1:8443`.
    pub listen: Option<String>,
    /// Where `/metrics`, `/healthz` and `/readyz` are served, in plain HTTP: keep it on the loopback. Default
    /// `127.0.0.1:9443`.
    pub metrics_listen: Option<String>,
    /// Where CRLs, OCSP responses and the issuers' certificates are served without authentication, in plain
    /// HTTP; port 0 takes any free one. Default `127.0.0.1:8080`.
    pub http_listen: Option<String>,
    /// The URL of `http-listen` for everybody who checks certificates: `http://HOST[:PORT]`. It is written
    /// into certificates, also into birth certificates, which never expire: take a name that you keep.
    /// Default: certificates have no CRL and OCSP URLs.
    pub public_url: Option<String>,
    /// The URL at which devices reach this CA at first boot, given to each one in the factory:
    /// `https://HOST[:PORT]`, and HOST must be a name in the server's certificate. Default: what `listen`
    /// says.
    pub enrollment_url: Option<String>,
    /// How logs are written to stderr: `text` or `json`. Default `text`.
    pub log_format: Option<LogFormat>,
    /// A file of keys that get no certificate, besides the published test keys, which never do: one entry a
    /// line, the SHA-256 over the SubjectPublicKeyInfo in hex, or its first 30 digits or more; # begins a
    /// comment. Write the next version beside it and move it here: it is loaded within seconds, without a
    /// restart. At most 64 MiB. Default: no file.
    pub blocked_keys_file: Option<PathBuf>,
    /// What keeps the ledger.
    #[serde(default)]
    pub log: LogConfig,
    /// Where the ledger is.
    #[serde(default)]
    pub store: StoreConfig,
    /// Where the issuers are.
    #[serde(default)]
    pub issuers: IssuersConfig,
    /// How the CA proves itself to callers.
    #[serde(default)]
    pub server: ServerConfig,
    /// Where CRLs are kept.
    #[serde(default)]
    pub publication: PublicationConfig,
    /// What certificates say, where an installation may choose.
    #[serde(default)]
    pub profiles: ProfilesConfig,
    /// How much stations may reserve.
    #[serde(default)]
    pub reservations: ReservationsConfig,
    /// When the CA stops trusting its own clock.
    #[serde(default)]
    pub clock: ClockConfig,
    /// How much is taken on at once.
    #[serde(default)]
    pub limits: LimitsConfig,
}

/// `[log]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LogConfig {
    /// What keeps the ledger: `files`, local files below `store.dir`. Default `files`.
    pub kind: Option<LogKind>,
    /// The size of a ledger file, in MiB, 1 to 1024. Default 64.
    pub segment_mib: Option<u64>,
    /// Whether a ledger file gets its full size when it is made: faster to sync, and a full disk is known
    /// early. Default `false`.
    pub preallocate: Option<bool>,
    /// The directory of archives of old ledger files (`touchmark-ca archive`), also on another disk. Archives
    /// that are not in it are read where they were put. Default: none.
    pub archive_dir: Option<PathBuf>,
}

/// `[store]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StoreConfig {
    /// The directory of the ledger and of what is derived from it; `init` makes it. Default `store`.
    pub dir: Option<PathBuf>,
    /// The former name of `log.kind`: `sled` means `files`. Accepted with a warning.
    pub kind: Option<FormerStoreKind>,
    /// The former name of `log.segment-mib`. Accepted with a warning.
    pub segment_mib: Option<u64>,
    /// The former name of `log.preallocate`. Accepted with a warning.
    pub preallocate: Option<bool>,
}

/// `[issuers]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct IssuersConfig {
    /// The directory with `NAME.cert.pem` for `root`, `factory`, `operational` and `infrastructure`, and
    /// `NAME.key.pem` (encrypted PKCS#8, mode 0600) for all but the root, whose key belongs offline. Default
    /// `issuers`.
    pub dir: Option<PathBuf>,
    /// The file, mode 0600, with the passphrase of these keys in one line. Default `passphrase`.
    pub passphrase_file: Option<PathBuf>,
}

/// `[server]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ServerConfig {
    /// The directory with the server's `cert.pem`, `chain.pem`, `trust.pem` and `key.pem` (mode 0600).
    /// Default `server`.
    pub credentials: Option<PathBuf>,
}

/// `[publication]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PublicationConfig {
    /// The directory of the CRLs. It may be deleted while the CA does not serve: they are made again. Default
    /// `publication`.
    pub dir: Option<PathBuf>,
    /// The file with the last CRL number and the head of the ledger, which `init` makes. It must not be
    /// restored together with an older ledger. Default `crl-epoch`.
    pub epoch_file: Option<PathBuf>,
    /// How many seconds before its signature thisUpdate of a CRL or an OCSP response is, for brokers and
    /// servers whose clocks are behind: they refuse all clients while a CRL is from their future. 0 to 3600.
    /// Default 300.
    pub backdate_seconds: Option<u64>,
}

/// `[clock]`: when it is further off than this, the CA issues and publishes nothing until the clock is right
/// again, or until touchmark-ca confirm-time says that it is right. Revoking and holding stay possible.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ClockConfig {
    /// How many seconds the clock may part from the monotonic clock within a day while the CA runs, 10 to
    /// 86400: a clock that is set by more has jumped. Default 300.
    pub jump_seconds: Option<u64>,
    /// How many seconds the clock may be behind the last entry of the ledger, 10 to 86400. Default 300.
    pub behind_ledger_seconds: Option<u64>,
    /// How many days the clock may be ahead of the last entry of the ledger when the CA starts, 1 to 3650:
    /// longer than it ever stands still or nothing is recorded. Default 30.
    pub ahead_of_ledger_days: Option<u64>,
}

/// `[profiles]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ProfilesConfig {
    /// How many minutes before its making a certificate becomes valid, for clocks that are late, 0 to 1440.
    /// Default 60.
    pub backdate_minutes: Option<u64>,
    /// The object identifier of your hardware, below your own enterprise number; birth certificates then say
    /// it in `hardwareModuleName` (RFC 4108, section 5). Default: none, and no such name.
    pub hardware_type: Option<String>,
    /// Whether devices may have RSA keys of 2048, 3072 or 4096 bits besides P-256, for hardware that can do
    /// no better. They are compared with one another for common primes, also while the CA serves: with many
    /// of them that takes a fifth of a core for hours each night. Default false.
    pub rsa_keys: Option<bool>,
    /// Operational certificates.
    #[serde(default)]
    pub ldevid: LdevidConfig,
}

/// `[profiles.ldevid]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LdevidConfig {
    /// How many days an operational certificate lives, 1 to 90. Default 30.
    pub lifetime_days: Option<u64>,
    /// For how many days after its end an operational certificate still lets its device ask for the next one,
    /// and for nothing else, 0 to 90; later the device enrols again with its birth certificate. Default 7.
    pub renewal_grace_days: Option<u64>,
    /// What becomes of an operational certificate whose successor is in use: "expire" leaves it to its end,
    /// "revoke" revokes it at once, "grace" revokes it after superseded-hours. Revoked ones are on CRLs until
    /// their end: with "revoke" and "grace" that is a third of all devices at any time. Default "expire".
    pub after_renewal: Option<AfterRenewalName>,
    /// With after-renewal = "grace": for how many hours it stays good, 1 to 2160. Default 24.
    pub superseded_hours: Option<u64>,
    /// What happens when a certificate whose successor is in use asks for another one, as a clone does:
    /// "report" refuses it and raises an alarm, "hold" also puts the device on hold until an operator
    /// releases it. Default "report".
    pub on_fork: Option<OnForkName>,
}

/// `[reservations]`: units of a work order that a station has before it makes them, so that a line goes on
/// without the CA. They are spent from the order until they come home unused.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReservationsConfig {
    /// The units of a reservation when the station does not say how many, 1 to 1000. Default 500.
    pub units: Option<u64>,
    /// How many hours a station may make the units of a reservation when it does not say how long, at most
    /// hours-max. Default 12, or hours-max if that is less.
    pub hours: Option<u64>,
    /// The most hours that a station may ask for, 1 to 168. Default 168.
    pub hours_max: Option<u64>,
    /// The most units that may be out for one station at a time, 1 to 10000. Default 10000.
    pub station_units_max: Option<u64>,
}

/// `[limits]`: what comes on top is refused or has to wait; what was begun goes on.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LimitsConfig {
    /// Open connections of devices, stations, relying parties and services, 16 to 100000. A device has at
    /// most 16, all devices at most seven eighths, any other principal at most a quarter, with however many
    /// certificates. Operators have 256 of their own. Default 8192.
    pub connections_max: Option<u64>,
    /// Open connections whose other end showed no certificate, 1 to 10000: the oldest is cut for a fresh one.
    /// Default 256.
    pub anonymous_connections_max: Option<u64>,
    /// TLS handshakes in flight, 16 to 10000: the oldest is cut for a fresh one. Default 1024.
    pub handshakes_max: Option<u64>,
    /// Seconds that a TLS handshake may take, 1 to 60. Default 10.
    pub handshake_timeout_seconds: Option<u64>,
    /// Requests in flight, of all connections, 16 to 100000, shared as connections are: a device has at most
    /// 64. Operators have 1024 of their own. Default 4096.
    pub requests_max: Option<u64>,
    /// Requests in flight on one connection, 1 to 4096. Default 256.
    pub connection_requests_max: Option<u64>,
    /// Seconds that a stop waits for what was begun, 1 to 600. Default 20.
    pub shutdown_seconds: Option<u64>,
}

/// What becomes of a certificate whose successor is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AfterRenewalName {
    /// Left to its end.
    #[default]
    Expire,
    /// Revoked at once.
    Revoke,
    /// Revoked after a while.
    Grace,
}

/// What a fork does to the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnForkName {
    /// An alarm.
    #[default]
    Report,
    /// An alarm, and the device is on hold.
    Hold,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What keeps the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogKind {
    /// Local files.
    Files,
}

/// What `store.kind` could be before there was `log.kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FormerStoreKind {
    /// Local files, with a projection in sled.
    Sled,
}

impl Config {
    /// Reads as much as possible. What cannot be read is added to `mistakes`, skipped, and has its default.
    pub(super) fn parse(text: &str, file: &str, mistakes: &mut Vec<Mistake>) -> Self {
        let mut remaining = text.to_owned();
        let mut lines_passed = BTreeSet::new();
        loop {
            let error = match toml::from_str(&remaining) {
                Ok(config) => return config,
                Err(error) => error,
            };
            let line = error.span().map(|span| line_of(text, span.start));
            let place = line.map_or_else(|| file.to_owned(), |line| format!("{file}:{}", line + 1));
            let field = line.and_then(|line| text.lines().nth(line)).map(str::trim).unwrap_or_default();
            mistakes.push(Mistake {
                place,
                what: format!("{} in `{field}`", error.message().replace('\n', " ")),
            });
            // Skip the line and parse the rest; stop where that does not help.
            match line {
                Some(line) if lines_passed.insert(line) && mistakes.len() < MISTAKES_MAX => {
                    remaining = without_line(&remaining, line);
                }
                _ => return Self::default(),
            }
        }
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

/// The text with the line blanked, and all that belongs to it if it is the heading of a table. Offsets stay
/// as they are.
fn without_line(text: &str, line: usize) -> String {
    let is_heading = |text: &str| text.trim_start().starts_with('[');
    let mut blank = false;
    let mut kept = String::with_capacity(text.len());
    for (number, content) in text.split_inclusive('\n').enumerate() {
        if number == line {
            blank = true;
        } else if number > line && (is_heading(content) || !text.lines().nth(line).is_some_and(is_heading)) {
            blank = false;
        }
        if blank {
            kept.extend(content.chars().map(|c| if c == '\n' { "\n" } else { " " }.repeat(c.len_utf8())));
        } else {
            kept.push_str(content);
        }
    }
    kept
}

/// The most mistakes that are reported of one file.
const MISTAKES_MAX: usize = 50;

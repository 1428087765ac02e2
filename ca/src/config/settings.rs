//! The checked configuration: plain data.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use authority::{RenewalPolicy, ReservationLimits};
use issuance::BlockedKeys;
use signer::IssuerSettings;
use store::StoreSettings;

use super::HardwareType;
use super::document::LogFormat;
use crate::clock::ClockLimits;

/// The checked configuration. Paths are relative to the working directory or absolute.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `O` in every certificate.
    pub organization: String,
    /// Address of gRPC.
    pub listen: SocketAddr,
    /// Address of metrics and health, in plain HTTP.
    pub metrics_listen: SocketAddr,
    /// Address of CRLs, OCSP and issuers' certificates, in plain HTTP.
    pub http_listen: SocketAddr,
    /// The URL of that address, without a `/` at its end; `None`: certificates have no URLs.
    pub public_url: Option<String>,
    /// The URL at which devices reach this CA; `None`: the bound address of gRPC.
    pub enrollment_url: Option<String>,
    /// The format of logs.
    pub log_format: LogFormat,
    /// Keys that get no certificate.
    pub blocked_keys: BlockedKeysSettings,
    /// The store.
    pub store: StoreSettings,
    /// Warnings about former names in the file.
    pub warnings: Vec<&'static str>,
    /// The issuers' certificates and keys.
    pub issuers: IssuerSettings,
    /// The server's credential directory.
    pub server_credentials: PathBuf,
    /// CRLs and OCSP.
    pub publication: PublicationSettings,
    /// What certificates contain, where an installation can choose.
    pub profiles: ProfileSettings,
    /// How much stations may reserve.
    pub reservations: ReservationLimits,
    /// When the clock is in doubt.
    pub clock: ClockLimits,
    /// Limits of the server.
    pub limits: Limits,
}

/// Keys that get no certificate.
#[derive(Debug, Clone, Default)]
pub struct BlockedKeysSettings {
    /// The file; `None`: there is none.
    pub file: Option<PathBuf>,
    /// Its entries when the settings were read.
    pub keys: Arc<BlockedKeys>,
}

/// CRLs and OCSP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicationSettings {
    /// Directory of the CRLs, created when it is missing.
    pub dir: PathBuf,
    /// File of the last CRL number and the head of the ledger.
    pub epoch_file: PathBuf,
    /// How long before its signature thisUpdate of a CRL or an OCSP response is.
    pub backdate: Duration,
}

/// What certificates contain, where an installation can choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileSettings {
    /// How long before its signature notBefore of a certificate is.
    pub backdate: Duration,
    /// Lifetime of operational certificates.
    pub ldevid_lifetime: Duration,
    /// Renewal of operational certificates.
    pub renewal: RenewalPolicy,
    /// For `hardwareModuleName` in birth certificates.
    pub hardware_type: Option<HardwareType>,
    /// Whether devices may have RSA keys.
    pub rsa_keys: bool,
}

/// Limits of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in `LimitsConfig`")]
pub struct Limits {
    pub connections_max: usize,
    pub anonymous_connections_max: usize,
    pub handshakes_max: usize,
    pub handshake_timeout: Duration,
    pub requests_max: usize,
    pub connection_requests_max: u32,
    pub shutdown_timeout: Duration,
}

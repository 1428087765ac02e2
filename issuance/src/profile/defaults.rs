//! The profiles as Touchmark ships them.

use std::time::Duration;

use identity::{IssuerName, KeyType, ProfileName};

use super::{ExtendedKeyUsage, KeyUsage};

/// The content of one kind of certificate. Certificates are linted whatever the profile says (R-5280-23).
#[derive(Debug, Clone)]
pub struct Profile {
    /// The profile's name.
    pub name: ProfileName,
    /// The issuer that signs it.
    pub issuer: IssuerName,
    /// The lifetime unless the request asks for another; `None`: no well-defined expiration.
    pub lifetime: Option<Duration>,
    /// The longest lifetime that can be requested; `None`: no limit.
    pub lifetime_max: Option<Duration>,
    /// How far notBefore lies before now, for clocks that are slow (R-5280-06).
    pub backdate: Duration,
    /// The accepted kinds of keys (R-AR-01, R-KEY-01).
    pub key_types: Vec<KeyType>,
    /// keyUsage.
    pub key_usages: Vec<KeyUsage>,
    /// extendedKeyUsage; empty: the extension is absent.
    pub extended_key_usages: Vec<ExtendedKeyUsage>,
    /// pathLenConstraint of a CA (R-5280-10); `None`: not a CA.
    pub path_length: Option<u8>,
    /// Whether the subject key identifier is present (R-5280-08, R-AR-06).
    pub subject_key_identifier: bool,
    /// Base http URL of the issuer's CRLs (R-5280-16): the certificate names `BASE/SHARD.crl`, or without a
    /// shard `BASE/full.crl`. `None`: no CRL distribution point.
    pub crl_base_url: Option<String>,
    /// http URL of the issuer's certificate (R-5280-17).
    pub issuer_certificate_url: Option<String>,
    /// http URL of the OCSP responder (R-5280-17).
    pub ocsp_url: Option<String>,
    /// The arcs of the manufacturer's hardware type. Adds a hardwareModuleName to the subjectAltName of
    /// device certificates (R-AR-08, R-AR-13).
    pub hardware_type: Option<Vec<u64>>,
}

impl Profile {
    /// The shipped profile: P-256 first, no URLs, no hardware type.
    pub fn standard(name: ProfileName) -> Self {
        match name {
            ProfileName::Root => {
                Self { lifetime: None, lifetime_max: None, ..Self::ca(name, IssuerName::Root, 2) }
            }
            // Chains are validated as of now: an IDevID without end needs issuers without end (R-AR-09).
            ProfileName::FactoryCa => Self {
                lifetime: None,
                lifetime_max: None,
                extended_key_usages: vec![ExtendedKeyUsage::ClientAuth],
                ..Self::ca(name, IssuerName::Root, 0)
            },
            ProfileName::OperationalCa => Self {
                extended_key_usages: vec![ExtendedKeyUsage::ClientAuth],
                ..Self::ca(name, IssuerName::Root, 0)
            },
            ProfileName::InfrastructureCa => Self {
                extended_key_usages: vec![ExtendedKeyUsage::ServerAuth, ExtendedKeyUsage::ClientAuth],
                ..Self::ca(name, IssuerName::Root, 0)
            },
            ProfileName::Idevid => Self {
                lifetime: None,
                lifetime_max: None,
                extended_key_usages: vec![],
                subject_key_identifier: false,
                ..Self::leaf(name, IssuerName::Factory, 0, 0)
            },
            ProfileName::Ldevid => Self::leaf(name, IssuerName::Operational, 30, 90),
            ProfileName::Credential(role) if role.is_server() => Self {
                extended_key_usages: vec![ExtendedKeyUsage::ServerAuth],
                key_types: vec![KeyType::P256, KeyType::P384],
                ..Self::leaf(name, IssuerName::Infrastructure, 90, 100)
            },
            ProfileName::Credential(_) => Self {
                key_types: vec![KeyType::P256, KeyType::P384],
                ..Self::leaf(name, IssuerName::Infrastructure, 365, 825)
            },
            // Each issuer has its own OCSP signer (R-OCSP-06); the caller sets the issuer.
            ProfileName::OcspSigner => Self {
                extended_key_usages: vec![ExtendedKeyUsage::OcspSigning],
                ..Self::leaf(name, IssuerName::Operational, OCSP_SIGNER_DAYS, OCSP_SIGNER_DAYS)
            },
            // Below the root: the purposes of the other issuers make S/MIME verifiers refuse it (R-DOC-01).
            ProfileName::Document => Self {
                extended_key_usages: vec![ExtendedKeyUsage::EmailProtection],
                ..Self::leaf(name, IssuerName::Root, DOCUMENT_DAYS, DOCUMENT_DAYS_MAX)
            },
        }
    }

    fn ca(name: ProfileName, issuer: IssuerName, path_length: u8) -> Self {
        Self {
            name,
            issuer,
            lifetime: Some(days(ISSUER_DAYS)),
            lifetime_max: Some(days(ISSUER_DAYS_MAX)),
            backdate: BACKDATE,
            key_types: vec![KeyType::P256, KeyType::P384],
            key_usages: vec![KeyUsage::KeyCertSign, KeyUsage::CrlSign],
            extended_key_usages: vec![],
            path_length: Some(path_length),
            subject_key_identifier: true,
            crl_base_url: None,
            issuer_certificate_url: None,
            ocsp_url: None,
            hardware_type: None,
        }
    }

    fn leaf(name: ProfileName, issuer: IssuerName, days_usual: u64, days_max: u64) -> Self {
        Self {
            lifetime: Some(days(days_usual)),
            lifetime_max: Some(days(days_max)),
            key_types: vec![KeyType::P256],
            key_usages: vec![KeyUsage::DigitalSignature],
            extended_key_usages: vec![ExtendedKeyUsage::ClientAuth],
            path_length: None,
            ..Self::ca(name, issuer, 0)
        }
    }
}

fn days(days: u64) -> Duration {
    Duration::from_secs(days * 24 * 60 * 60)
}

/// Clocks at first boot and on factory lines are slow by less (R-5280-06: at most 24 hours).
const BACKDATE: Duration = Duration::from_secs(60 * 60);

/// 14 days with the longest backdating. An OCSP signer cannot be revoked (id-pkix-ocsp-nocheck), so its life
/// is short (R-OCSP-06).
const OCSP_SIGNER_DAYS: u64 = 13;

/// Five years: the root's key is fetched for the next one.
const DOCUMENT_DAYS: u64 = 1_825;

/// Ten years.
const DOCUMENT_DAYS_MAX: u64 = 3_650;

/// Issuers of short-lived certificates: ten years leave time to plan a rollover.
const ISSUER_DAYS: u64 = 3_650;

/// Twenty years: the longest cryptoperiod of a CA key (R-CA-03).
const ISSUER_DAYS_MAX: u64 = 7_300;

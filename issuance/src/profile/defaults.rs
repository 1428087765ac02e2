//! The law of each kind of certificate, as Touchmark ships it.

use std::time::Duration;

use identity::{IssuerName, KeyType, ProfileName};

/// The law of one kind of certificate. What is built from it is linted, whatever it says (R-5280-23).
#[derive(Debug, Clone)]
pub struct Profile {
    /// Which.
    pub name: ProfileName,
    /// Who signs it.
    pub issuer: IssuerName,
    /// How long it lives if nothing else is asked; `None`: no well-defined expiration.
    pub lifetime: Option<Duration>,
    /// The longest that may be asked for; `None`: without end.
    pub lifetime_max: Option<Duration>,
    /// How far notBefore lies before now, for clocks that are late (R-5280-06).
    pub backdate: Duration,
    /// Which keys it is for (R-AR-01, R-KEY-01).
    pub key_types: Vec<KeyType>,
    /// What the key may do.
    pub key_usages: Vec<KeyUsage>,
    /// What the certificate is for; empty: the extension is absent.
    pub extended_key_usages: Vec<ExtendedKeyUsage>,
    /// For a CA, how many CAs may follow below it (R-5280-10); `None`: not a CA.
    pub path_length: Option<u8>,
    /// Whether the subject key identifier is in it (R-5280-08, R-AR-06).
    pub subject_key_identifier: bool,
    /// Below which http URL its issuer's revocation lists are (R-5280-16): the certificate names `BASE/SHARD.crl`, and without a shard
    /// `BASE/full.crl`. `None`: it does not say.
    pub crl_base_url: Option<String>,
    /// Where the issuer's certificate is: an http URL (R-5280-17).
    pub issuer_certificate_url: Option<String>,
    /// Where its status can be asked for: an http URL (R-5280-17).
    pub ocsp_url: Option<String>,
    /// The manufacturer's object identifier for the hardware type, as arcs: puts a hardwareModuleName in the subjectAltName of a
    /// device's certificate (R-AR-08, R-AR-13).
    pub hardware_type: Option<Vec<u64>>,
}

impl Profile {
    /// The profile as Touchmark ships it: P-256 first, no URLs, no hardware type.
    pub fn standard(name: ProfileName) -> Self {
        match name {
            ProfileName::Root => {
                Self { lifetime: None, lifetime_max: None, ..Self::ca(name, IssuerName::Root, 2) }
            }
            // A certificate chain is judged as of now: an IDevID without end needs issuers without end (R-AR-09).
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
            ProfileName::Service => Self {
                extended_key_usages: vec![ExtendedKeyUsage::ServerAuth],
                key_types: vec![KeyType::P256, KeyType::P384],
                ..Self::leaf(name, IssuerName::Infrastructure, 90, 100)
            },
            ProfileName::Station | ProfileName::Operator | ProfileName::RelyingParty => Self {
                key_types: vec![KeyType::P256, KeyType::P384],
                ..Self::leaf(name, IssuerName::Infrastructure, 365, 825)
            },
            // Each issuer has one of its own (R-OCSP-06): whoever drafts says which.
            ProfileName::OcspSigner => Self {
                extended_key_usages: vec![ExtendedKeyUsage::OcspSigning],
                ..Self::leaf(name, IssuerName::Operational, OCSP_SIGNER_DAYS, OCSP_SIGNER_DAYS)
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

/// What a key may do (RFC 5280, section 4.2.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyUsage {
    /// Sign what is neither a certificate nor a revocation list: handshakes.
    DigitalSignature,
    /// Wrap keys; only RSA can.
    KeyEncipherment,
    /// Sign certificates.
    KeyCertSign,
    /// Sign revocation lists.
    CrlSign,
}

/// What a certificate is for (RFC 5280, section 4.2.1.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExtendedKeyUsage {
    /// id-kp-serverAuth.
    ServerAuth,
    /// id-kp-clientAuth.
    ClientAuth,
    /// id-kp-OCSPSigning.
    OcspSigning,
    /// anyExtendedKeyUsage. Refused by the lint wherever it is put (R-AR-10).
    Any,
}

fn days(days: u64) -> Duration {
    Duration::from_secs(days * 24 * 60 * 60)
}

/// Clocks of first boots and of factory lines are late by less (R-5280-06: at most 24 hours).
const BACKDATE: Duration = Duration::from_secs(60 * 60);

/// With the longest backdating 14 days: nobody can revoke it (id-pkix-ocsp-nocheck), so it must end by itself (R-OCSP-06).
const OCSP_SIGNER_DAYS: u64 = 13;

/// Issuers whose leaves are short-lived: ten years, so that a rollover is planned, not met.
const ISSUER_DAYS: u64 = 3_650;

/// Twenty years: longest cryptoperiod of a CA key (R-CA-03).
const ISSUER_DAYS_MAX: u64 = 7_300;

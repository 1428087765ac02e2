//! From request to certificate, one step consuming the one before: [`draft`] → [`Draft::prepare`] → [`Prepared::seal`].

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use identity::{DeviceId, PrincipalName, PublicKey, SerialNumber};

use crate::{Certificate, Profile, Refusal};

/// What a certificate is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The key, possession of which was proven (or, for a CA, that our signer holds).
    pub public_key: PublicKey,
    /// Whose it is.
    pub subject: Subject,
    /// How long it shall live; `None`: as the profile says.
    pub lifetime: Option<Duration>,
}

/// Whose certificate it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A CA: its common name.
    Issuer(String),
    /// A device.
    Device(DeviceId),
    /// A station, an operator, a relying party.
    Principal(PrincipalName),
    /// A server and the names it answers to.
    Service(PrincipalName, Names),
}

/// Names of a server for its subjectAltName.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    /// DNS names, lower case.
    pub dns: Vec<String>,
    /// Addresses.
    pub addresses: Vec<IpAddr>,
}

/// How a signer signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// ECDSA with SHA-256 on P-256.
    EcdsaP256Sha256,
    /// ECDSA with SHA-384 on P-384.
    EcdsaP384Sha384,
}

/// A certificate that the profile allows, not yet encoded.
#[derive(Debug)]
pub struct Draft {}

/// An encoded, linted certificate that waits for its signature.
#[derive(Debug)]
pub struct Prepared {}

/// Applies the profile to the request. `issuer` is the certificate that will sign; `None` makes a self-signed root.
///
/// # Errors
/// When the profile forbids what is asked.
pub fn draft(
    _request: Request,
    _profile: &Profile,
    _organization: &str,
    _issuer: Option<&Certificate>,
    _serial: SerialNumber,
    _now: SystemTime,
) -> Result<Draft, Refusal> {
    todo!("issuance: draft")
}

impl Draft {
    /// Encodes and lints; fails closed (R-5280-23).
    ///
    /// # Errors
    /// When a rule would be broken.
    pub fn prepare(self) -> Result<Prepared, Refusal> {
        todo!("issuance: prepare")
    }
}

impl Prepared {
    /// The exact bytes to sign.
    pub fn to_be_signed(&self) -> &[u8] {
        todo!("issuance: tbs")
    }

    /// The certificate with its signature (ECDSA: DER). Does not verify the signature.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn seal(self, _signature: &[u8]) -> Result<Certificate, Refusal> {
        todo!("issuance: seal")
    }
}

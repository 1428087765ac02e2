//! Names of the issuers.

use std::fmt;
use std::str::FromStr;

/// One of the CAs of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IssuerName {
    /// The root: signs the other issuers and itself.
    Root,
    /// Signs birth certificates (IDevID).
    Factory,
    /// Signs operational certificates (LDevID).
    Operational,
    /// Signs servers, stations, operators and relying parties, but no devices.
    Infrastructure,
}

impl IssuerName {
    /// Every issuer.
    pub const ALL: [Self; 4] = [Self::Root, Self::Factory, Self::Operational, Self::Infrastructure];
}

impl fmt::Display for IssuerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Root => "root",
            Self::Factory => "factory",
            Self::Operational => "operational",
            Self::Infrastructure => "infrastructure",
        })
    }
}

impl FromStr for IssuerName {
    type Err = UnknownIssuer;

    fn from_str(text: &str) -> Result<Self, UnknownIssuer> {
        Self::ALL.into_iter().find(|issuer| issuer.to_string() == text).ok_or(UnknownIssuer)
    }
}

/// The text is not the name of an issuer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no such issuer: use root, factory, operational or infrastructure")]
pub struct UnknownIssuer;

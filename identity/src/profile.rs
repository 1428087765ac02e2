//! Names of the profiles.

use std::fmt;
use std::str::FromStr;

use crate::Role;

/// The name of a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProfileName {
    /// The self-signed root.
    Root,
    /// The issuer of birth certificates.
    FactoryCa,
    /// The issuer of operational certificates.
    OperationalCa,
    /// The issuer of all other certificates.
    InfrastructureCa,
    /// A device's birth certificate.
    Idevid,
    /// A device's operational certificate.
    Ldevid,
    /// The credential of a principal with this role; its name is the role's.
    Credential(Role),
    /// The signer of OCSP responses for one issuer (RFC 6960, section 4.2.2.2).
    OcspSigner,
    /// The signer of documents that the CA makes, such as closing reports.
    Document,
}

impl ProfileName {
    /// Every profile.
    pub fn all() -> impl Iterator<Item = Self> {
        let cas = [Self::Root, Self::FactoryCa, Self::OperationalCa, Self::InfrastructureCa];
        let credentials = Role::ALL.into_iter().map(Self::Credential);
        let devices = [Self::Idevid, Self::Ldevid];
        cas.into_iter().chain(devices).chain(credentials).chain([Self::OcspSigner, Self::Document])
    }

    /// Whether its certificates are CA certificates (`CA:TRUE`).
    #[must_use]
    pub fn is_ca(self) -> bool {
        matches!(self, Self::Root | Self::FactoryCa | Self::OperationalCa | Self::InfrastructureCa)
    }

    /// Whether its certificates are for devices.
    #[must_use]
    pub fn is_device(self) -> bool {
        matches!(self, Self::Idevid | Self::Ldevid)
    }

    /// Whether its certificates are for servers, and have their names.
    #[must_use]
    pub fn is_server(self) -> bool {
        matches!(self, Self::Credential(role) if role.is_server())
    }
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Root => "root",
            Self::FactoryCa => "factory-ca",
            Self::OperationalCa => "operational-ca",
            Self::InfrastructureCa => "infrastructure-ca",
            Self::Idevid => "idevid",
            Self::Ldevid => "ldevid",
            Self::Credential(role) => role.as_str(),
            Self::OcspSigner => "ocsp-signer",
            Self::Document => "document",
        })
    }
}

impl FromStr for ProfileName {
    type Err = UnknownProfile;

    fn from_str(text: &str) -> Result<Self, UnknownProfile> {
        Self::all().find(|profile| profile.to_string() == text).ok_or(UnknownProfile)
    }
}

/// The text is not the name of a profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no such profile")]
pub struct UnknownProfile;

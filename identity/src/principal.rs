//! Principals: the callers that mTLS authenticates.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::{DeviceId, ProfileName};

/// A caller. Written `station:line-3`, `operator:alice`, `device:cam-2/SN000123`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Principal {
    /// A principal other than a device.
    Named {
        /// The principal's role.
        role: Role,
        /// The name, unique in its role.
        name: PrincipalName,
    },
    /// A device.
    Device(DeviceId),
}

impl Principal {
    /// A principal that is not a device.
    pub fn named(role: Role, name: PrincipalName) -> Self {
        Self::Named { role, name }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named { role, name } => write!(f, "{role}:{name}"),
            Self::Device(device) => write!(f, "device:{device}"),
        }
    }
}

impl FromStr for Principal {
    type Err = PrincipalNameError;

    fn from_str(text: &str) -> Result<Self, PrincipalNameError> {
        let (kind, name) = text.split_once(':').ok_or(PrincipalNameError::NoRole)?;
        if kind == "device" {
            return Ok(Self::Device(name.parse().map_err(|_| PrincipalNameError::Device)?));
        }
        Ok(Self::Named { role: kind.parse()?, name: name.parse()? })
    }
}

/// The role of a principal that is not a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// A station on the factory line.
    Station,
    /// An operator.
    Operator,
    /// A relying party: a broker, gateway or cloud service.
    RelyingParty,
    /// A server.
    Service,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Station, Self::Operator, Self::RelyingParty, Self::Service];

    /// The profile of its credentials.
    pub const fn profile(self) -> ProfileName {
        match self {
            Self::Station => ProfileName::Station,
            Self::Operator => ProfileName::Operator,
            Self::RelyingParty => ProfileName::RelyingParty,
            Self::Service => ProfileName::Service,
        }
    }

    /// The role's name in text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Station => "station",
            Self::Operator => "operator",
            Self::RelyingParty => "relying-party",
            Self::Service => "service",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = PrincipalNameError;

    fn from_str(text: &str) -> Result<Self, PrincipalNameError> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(PrincipalNameError::NoRole)
    }
}

/// The name of a principal: 1 to [`PRINCIPAL_CHARACTERS_MAX`] lower-case letters, digits, `-` and `.`, with a
/// letter or digit at both ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrincipalName(Arc<str>);

impl PrincipalName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PrincipalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PrincipalName {
    type Err = PrincipalNameError;

    fn from_str(text: &str) -> Result<Self, PrincipalNameError> {
        let word = |c: &u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        let bytes = text.as_bytes();
        let fits = (1..=PRINCIPAL_CHARACTERS_MAX).contains(&bytes.len())
            && bytes.iter().all(|c| word(c) || b"-.".contains(c))
            && bytes.first().is_some_and(word)
            && bytes.last().is_some_and(word);
        if fits { Ok(Self(text.into())) } else { Err(PrincipalNameError::Name) }
    }
}

/// Why a text is not a principal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrincipalNameError {
    /// The role is missing or unknown.
    #[error("a role is one of station, operator, relying-party, service")]
    NoRole,
    /// The name is malformed.
    #[error(
        "a name has 1 to {PRINCIPAL_CHARACTERS_MAX} lower-case letters, digits, - and ., with a letter or digit at both ends"
    )]
    Name,
    /// The text after `device:` is not a device.
    #[error("a device is written device:product/serial")]
    Device,
}

/// The longest name: fits with its role in a common name of 64 characters (X.520 `ub-common-name`).
pub const PRINCIPAL_CHARACTERS_MAX: usize = 48;

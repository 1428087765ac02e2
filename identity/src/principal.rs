//! Who calls, as proven by mTLS.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::DeviceId;

/// Who calls. Written `station:line-3`, `operator:alice`, `device:cam-2/SN000123`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Principal {
    /// One that is not a device.
    Named {
        /// What it may be.
        role: Role,
        /// Unique in its role.
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

/// What a principal that is not a device may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The line computer.
    Station,
    /// Operations.
    Operator,
    /// Decides whether a device is still good.
    RelyingParty,
    /// A server.
    Service,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Station, Self::Operator, Self::RelyingParty, Self::Service];

    /// The word for it.
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

/// The name of a principal: 1 to [`PRINCIPAL_CHARACTERS_MAX`] lower-case letters, digits, `-` and `.`, with a letter or digit
/// at both ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrincipalName(Arc<str>);

impl PrincipalName {
    /// The name.
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

/// Why a text does not name a principal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrincipalNameError {
    /// No role, or one that does not exist.
    #[error("a role is one of station, operator, relying-party, service")]
    NoRole,
    /// The name does not fit.
    #[error(
        "a name has 1 to {PRINCIPAL_CHARACTERS_MAX} lower-case letters, digits, - and ., with a letter or digit at both ends"
    )]
    Name,
    /// What follows `device:` is not a device.
    #[error("a device is written device:product/serial")]
    Device,
}

/// Longest name of a principal: fits with its role in a common name of 64 characters (X.520 `ub-common-name`).
pub const PRINCIPAL_CHARACTERS_MAX: usize = 48;

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

named! {
    /// The role of a principal that is not a device. A further role is a line here and a row in
    /// `Role::terms`; its certificates, its form in messages and the documents follow from these two, its
    /// rights from the table in `authority`.
    Role, unknown: PrincipalNameError = PrincipalNameError::NoRole;
    /// A station on the factory line.
    Station = "station",
    /// An operator.
    Operator = "operator",
    /// A relying party: a broker, gateway or cloud service.
    RelyingParty = "relying-party",
    /// A server.
    Service = "service",
}

/// What sets the credentials of a role apart.
struct RoleTerms {
    unit: &'static str,
    is_server: bool,
    settings_file: Option<&'static str>,
}

impl Role {
    const fn terms(self) -> RoleTerms {
        let (unit, is_server, settings_file) = match self {
            Self::Station => ("stations", false, Some("station.toml")),
            Self::Operator => ("operators", false, Some("touchmark.toml")),
            Self::RelyingParty => ("relying-parties", false, Some("touchmark.toml")),
            Self::Service => ("services", true, None),
        };
        RoleTerms { unit, is_server, settings_file }
    }

    /// The profile of its credentials.
    pub const fn profile(self) -> ProfileName {
        ProfileName::Credential(self)
    }

    /// The `OU` of its certificates.
    pub const fn unit(self) -> &'static str {
        self.terms().unit
    }

    /// Whether its certificates are for servers and have their names; all others are for clients.
    pub const fn is_server(self) -> bool {
        self.terms().is_server
    }

    /// The settings file in its credential directory, for the program that uses the credential.
    pub const fn settings_file(self) -> Option<&'static str> {
        self.terms().settings_file
    }
}

/// The name of a principal: 1 to [`PRINCIPAL_CHARACTERS_MAX`] lower-case letters, digits, `-` and `.`, with a
/// letter or digit at both ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrincipalName(Arc<str>);

text!(PrincipalName);

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
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum PrincipalNameError {
    #[error("a role is one of {}", Role::ALL.map(Role::as_str).join(", "))]
    NoRole,
    #[error(
        "a name has 1 to {PRINCIPAL_CHARACTERS_MAX} lower-case letters, digits, - and ., with a letter or digit at both ends"
    )]
    Name,
    #[error("a device is written device:product/serial")]
    Device,
}

/// The longest name: fits with its role in a common name of 64 characters (X.520 `ub-common-name`).
pub const PRINCIPAL_CHARACTERS_MAX: usize = 48;

//! Who calls.

use std::fmt;

use identity::{KeyFingerprint, Principal, PrincipalName, ProfileName, Role, SerialNumber, Validity};

use super::Timeliness;

/// Who calls, by a proof that was good when this was made. All of that may change: see
/// [`Authority::check_caller`](crate::Authority::check_caller).
#[derive(Debug, Clone)]
pub struct Caller {
    /// `None`: a bare key, which has no name on record.
    pub(super) principal: Option<Principal>,
    pub(super) kind: CallerKind,
    pub(super) proof: CallerProof,
}

#[derive(Debug, Clone)]
pub(crate) enum CallerProof {
    Certificate(CallerCertificate),
    BareKey(KeyFingerprint),
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct CallerCertificate {
    pub(crate) serial_number: SerialNumber,
    pub(crate) validity: Validity,
    pub(crate) timeliness: Timeliness,
    /// Whether it is an operational certificate that was never used before, as far as the ledger knows.
    pub(crate) unconfirmed: bool,
}

impl Caller {
    pub(super) fn by_bare_key(key: KeyFingerprint) -> Self {
        Self { principal: None, kind: CallerKind::BareKey, proof: CallerProof::BareKey(key) }
    }

    /// The principal; `None`: a bare key, which has no name on record.
    pub fn principal(&self) -> Option<&Principal> {
        self.principal.as_ref()
    }

    /// What it is.
    pub fn kind(&self) -> CallerKind {
        self.kind
    }

    /// The serial number of its certificate; `None`: it calls without one.
    pub fn credential(&self) -> Option<SerialNumber> {
        self.certificate().map(|certificate| certificate.serial_number)
    }

    /// The key that it proved, if that is all that it proved.
    pub fn bare_key(&self) -> Option<KeyFingerprint> {
        match &self.proof {
            CallerProof::BareKey(key) => Some(*key),
            CallerProof::Certificate(_) => None,
        }
    }

    /// Whether its certificate expired within the grace: it is good for its renewal only (R-LIFE-05).
    pub fn is_late(&self) -> bool {
        self.certificate().is_some_and(|certificate| certificate.timeliness == Timeliness::Late)
    }

    /// Whether its certificate is not valid yet: it is good for its renewal only (ADR 0035).
    pub fn is_early(&self) -> bool {
        self.certificate().is_some_and(|certificate| certificate.timeliness == Timeliness::Early)
    }

    /// Whether this is the first call with an operational certificate, as far as the ledger knows.
    pub fn is_unconfirmed(&self) -> bool {
        self.certificate().is_some_and(|certificate| certificate.unconfirmed)
    }

    /// Its name as a station; `None` for every other caller.
    pub fn station(&self) -> Option<&PrincipalName> {
        match &self.principal {
            Some(Principal::Named { role: Role::Station, name }) => Some(name),
            _ => None,
        }
    }

    pub(crate) fn certificate(&self) -> Option<&CallerCertificate> {
        match &self.proof {
            CallerProof::Certificate(certificate) => Some(certificate),
            CallerProof::BareKey(_) => None,
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.principal, &self.proof) {
            (Some(principal), _) => principal.fmt(f),
            (None, CallerProof::BareKey(key)) => write!(f, "key:{key}"),
            (None, CallerProof::Certificate(_)) => f.write_str("nobody"),
        }
    }
}

/// What a caller is: the rows of the table of roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallerKind {
    /// A principal that is not a device.
    Named(Role),
    /// A device with its birth certificate.
    DeviceBirth,
    /// A device with an operational certificate.
    DeviceOperational,
    /// Whoever has a key, and no certificate of ours for it (ADR 0057).
    BareKey,
}

impl CallerKind {
    /// The kind of a principal with a certificate of this profile; `None`: the two do not belong together.
    pub(super) fn of(principal: &Principal, profile: ProfileName) -> Option<Self> {
        match (principal, profile) {
            (Principal::Named { role, .. }, profile) if role.profile() == profile => Some(Self::Named(*role)),
            (Principal::Device(_), ProfileName::Idevid) => Some(Self::DeviceBirth),
            (Principal::Device(_), ProfileName::Ldevid) => Some(Self::DeviceOperational),
            _ => None,
        }
    }

    /// Whether it is a device.
    pub fn is_device(self) -> bool {
        matches!(self, Self::DeviceBirth | Self::DeviceOperational)
    }
}

//! The messages between station and device.

use std::sync::Arc;

use identity::{DeviceId, DeviceSerial, Product, SerialNumber};

use super::Taken;

/// What every unit of a work order is given beside its certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProvisioningBundle {
    /// The issuer's chain without the root, the leaf's issuer first. X.509 DER.
    pub(crate) chain: Vec<Vec<u8>>,
    pub(crate) anchors_version: u64,
    /// Self-signed roots that the unit must trust. X.509 DER.
    pub(crate) anchors: Vec<Vec<u8>>,
    pub(crate) enrollment_url: String,
}

/// A birth certificate that is on record at the CA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BirthCertificate {
    /// X.509 DER.
    pub(crate) der: Vec<u8>,
    pub(crate) serial_number: SerialNumber,
    /// The ledger entry that recorded it.
    pub(crate) ledger_entry: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DeviceRequest {
    /// Names the unit and asks how far it is.
    Hello {
        /// The serial number that the unit gets; `None` asks for its own.
        serial: Option<DeviceSerial>,
        product: Product,
    },
    GenerateKey,
    Install {
        /// X.509 DER; `None`: it is deferred, and comes without its chain.
        certificate: Option<Vec<u8>>,
        bundle: Arc<ProvisioningBundle>,
    },
    /// Asks for what is installed, and for a signature over the nonce.
    ReadBack {
        nonce: [u8; 32],
    },
    /// Ends the factory commands for ever.
    Lock,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DeviceResponse {
    Hello(Greeting),
    /// The answer to GenerateKey: PKCS#10 DER, unchecked.
    Csr(Vec<u8>),
    Installed,
    ReadBack(ReadBack),
    Locked,
    Fault {
        code: FaultCode,
        /// The device's text, shortened and without control characters.
        message: String,
    },
}

impl DeviceResponse {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Hello(_) => "a hello",
            Self::Csr(_) => "a certificate request",
            Self::Installed => "an installation",
            Self::ReadBack(_) => "a read-back",
            Self::Locked => "a lock",
            Self::Fault { .. } => "a fault",
        }
    }
}

/// How a unit gets its serial number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Assignment {
    /// No other unit has it: the unit on the bench gets it.
    Assign,
    /// A unit has it, and the journal does not know which: the unit on the bench must name itself.
    Identify(Taken),
    /// The unit on the bench has named itself so: it is told no serial number.
    Named,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Greeting {
    pub(crate) protocol_version: u32,
    /// Its identity, if it has a valid one.
    pub(crate) device: Option<DeviceId>,
    /// Its firmware version, for people.
    pub(crate) firmware: String,
    pub(crate) key_types: Vec<String>,
    pub(crate) step: FactoryStep,
    /// Whether it has all but its certificate.
    pub(crate) certificate_deferred: bool,
    /// Whether it can be locked before it has its certificate.
    pub(crate) takes_deferral: bool,
}

/// How far a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FactoryStep {
    /// It has no key.
    Blank,
    /// It has a key and no certificate.
    KeyReady,
    /// It has a key and a certificate, or its certificate is deferred.
    Installed,
    /// It takes no further factory commands, but for a certificate that is deferred.
    Locked,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReadBack {
    /// X.509 DER; empty: it is deferred.
    pub(crate) certificate: Vec<u8>,
    /// X.509 DER.
    pub(crate) chain: Vec<Vec<u8>>,
    /// SHA-256, see [`super::anchors_digest`].
    pub(crate) anchors_digest: Vec<u8>,
    /// ECDSA with SHA-256 as DER, over [`super::read_back_message`].
    pub(crate) signature: Vec<u8>,
}

/// What can go wrong on a device: `DeviceFaultCode` in factory_link.proto.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultCode {
    DamagedFrame,
    Locked,
    /// The request names another unit.
    WrongDevice,
    /// Another code, by its stable name.
    Other(&'static str),
}

impl FaultCode {
    /// The stable name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::DamagedFrame => "DAMAGED_FRAME",
            Self::Locked => "LOCKED",
            Self::WrongDevice => "WRONG_DEVICE",
            Self::Other(name) => name,
        }
    }
}

//! What a station and a device say to each other, as the session sees it.

use std::sync::Arc;

use identity::{DeviceId, DeviceSerial, Product, SerialNumber};

use super::Taken;

/// What every unit of a work order is given beside its certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kit {
    /// The issuer's chain without the root, leaf's issuer first. X.509 DER.
    pub(crate) chain: Vec<Vec<u8>>,
    /// Version of the anchors.
    pub(crate) anchors_version: u64,
    /// Self-signed roots that the unit must trust. X.509 DER.
    pub(crate) anchors: Vec<Vec<u8>>,
    /// Where the unit enrols at first boot.
    pub(crate) enrollment_url: String,
}

/// A birth certificate that is on record at the CA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BirthCertificate {
    /// X.509 DER.
    pub(crate) der: Vec<u8>,
    /// Its serial number.
    pub(crate) serial_number: SerialNumber,
    /// The ledger entry that recorded it.
    pub(crate) ledger_entry: u64,
}

/// From the station.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    /// Who are you? With the serial number that the line gives to the unit.
    Hello {
        /// Assigned; `None`: the device is asked for its own and told nothing.
        serial: Option<DeviceSerial>,
        /// Of the work order.
        product: Product,
        /// Serial numbers that were given to units of this line and belong to others.
        withdrawn: Vec<DeviceSerial>,
    },
    /// Make your key.
    GenerateKey,
    /// Keep this.
    Install {
        /// X.509 DER.
        certificate: Vec<u8>,
        /// What goes with it.
        kit: Arc<Kit>,
    },
    /// Show what you kept.
    ReadBack {
        /// To be signed.
        nonce: [u8; 32],
    },
    /// Take no more factory commands.
    Lock,
}

/// From the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// To Hello.
    Hello(Greeting),
    /// To GenerateKey: PKCS#10 DER, unchecked.
    Csr(Vec<u8>),
    /// To Install.
    Installed,
    /// To ReadBack.
    ReadBack(ReadBack),
    /// To Lock.
    Locked,
    /// It cannot do it.
    Fault {
        /// Why.
        code: FaultCode,
        /// For people; cut and cleaned by whoever read it from the wire.
        message: String,
    },
}

impl Answer {
    /// For people.
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
    /// No other unit has it: it is told to the unit on the bench.
    Tell {
        /// What the unit takes it in place of, if it was told one of these and has no certificate.
        withdrawn: Vec<DeviceSerial>,
    },
    /// A unit has it, by the CA's record, and this station does not know which: the unit on the bench must say itself that it is that one.
    Ask(Taken),
}

/// Who the device is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Greeting {
    /// Of the protocol that it speaks.
    pub(crate) protocol_version: u32,
    /// Its identity, if it names one that can be.
    pub(crate) device: Option<DeviceId>,
    /// For people.
    pub(crate) firmware: String,
    /// Names of the key types that it can make.
    pub(crate) key_types: Vec<String>,
    /// How far it is.
    pub(crate) step: FactoryStep,
}

/// How far a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FactoryStep {
    /// No key.
    Blank,
    /// A key, no certificate.
    KeyReady,
    /// Key and certificate.
    Installed,
    /// Takes no more factory commands.
    Locked,
}

/// What a device shows of what it keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReadBack {
    /// X.509 DER.
    pub(crate) certificate: Vec<u8>,
    /// X.509 DER.
    pub(crate) chain: Vec<Vec<u8>>,
    /// SHA-256, see [`super::anchors_digest`].
    pub(crate) anchors_digest: Vec<u8>,
    /// ECDSA with SHA-256 as DER, over [`super::read_back_message`].
    pub(crate) signature: Vec<u8>,
}

/// What can go wrong on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultCode {
    /// It could not read the last frame.
    DamagedFrame,
    /// It takes no more factory commands.
    Locked,
    /// Not at this step.
    Unexpected,
    /// What was to be installed does not fit.
    Rejected,
    /// It cannot read or write its state.
    Storage,
    /// It is another unit.
    WrongDevice,
    /// A code that we do not know.
    Unknown,
}

impl FaultCode {
    /// Stable, for reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::DamagedFrame => "DAMAGED_FRAME",
            Self::Locked => "LOCKED",
            Self::Unexpected => "UNEXPECTED",
            Self::Rejected => "REJECTED",
            Self::Storage => "STORAGE",
            Self::WrongDevice => "WRONG_DEVICE",
            Self::Unknown => "UNKNOWN",
        }
    }
}

//! The value types that all crates share. Each is checked when it is made. No I/O and no policy.

#[macro_use]
mod value;

mod clock;
mod csr;
pub mod der;
mod device;
mod host;
mod issuer;
mod key;
mod principal;
mod profile;
mod request;
mod revocation;
mod secret;
mod serial_number;
mod serial_pattern;
mod text;
mod traces;
mod validity;

pub use clock::{Clock, ClockDoubt, ClockFault, ManualClock, SystemClock};
pub use csr::{
    COMPROMISE_PROOF_NAME, CSR_BYTES_MAX, CompromiseProof, CompromiseProofError, Csr, CsrError, FormFault,
};
pub use device::{
    DeviceId, DeviceIdError, DeviceSerial, PRODUCT_CHARACTERS_MAX, Product, SERIAL_CHARACTERS_MAX,
    unencodable,
};
pub use host::{Host, HostError};
pub use issuer::{IssuerName, UnknownIssuer};
pub use key::{KeyError, KeyFingerprint, KeyType, PublicKey};
pub use principal::{PRINCIPAL_CHARACTERS_MAX, Principal, PrincipalName, PrincipalNameError, Role};
pub use profile::{ProfileName, UnknownProfile};
pub use request::{RequestId, RequestIdError};
pub use revocation::{RevocationReason, UnknownRevocationReason};
pub use secret::Secret;
pub use serial_number::{SerialNumber, SerialNumberError};
pub use serial_pattern::{SerialPattern, SerialPatternError};
pub use text::is_unseen;
pub use traces::{GeneratorTraces, KEY_END_BYTES, KeyEnds};
pub use validity::{Validity, ValidityError, no_well_defined_expiration};

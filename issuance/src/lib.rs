//! Builds and lints certificates, CRLs and OCSP responses. Pure and synchronous: no private keys, clock,
//! randomness or storage.

mod blocked;
mod certificate;
mod cms;
mod crl;
mod draft;
mod encode;
mod extension;
mod lint;
mod name;
mod ocsp;
mod prepared;
mod primes;
mod profile;
mod reading;
mod refusal;
mod time;

pub use blocked::{
    BlockedKey, BlockedKeys, FINGERPRINT_PREFIX_BYTES_MIN, ListMistake, TRIVIAL_PRIVATE_KEYS_MAX,
};
pub use certificate::{Certificate, CertificateError};
pub use cms::CmsDraft;
pub use crl::{
    CrlDraft, CrlEntry, CrlFields, CrlHash, CrlNumber, CrlReadError, CrlScope, CrlSummary, PreparedCrl,
    SealedCrl, seal_crl,
};
pub use draft::{Draft, Names, Request, SignatureAlgorithm, Subject, draft};
pub use ocsp::{
    CERT_IDS_MAX, CertId, OcspCertStatus, OcspError, OcspIssuer, OcspRequest, OcspSigner, PreparedOcsp,
    SingleResponse, ocsp_response,
};
pub use prepared::{Prepared, signed_elsewhere};
pub use primes::{Modulus, RECENT_MODULI_MIN, RecentModuli, shared_primes, shared_primes_between};
pub use profile::{ExtendedKeyUsage, KeyUsage, Profile, crl_url};
pub use refusal::{LintFinding, Refusal};

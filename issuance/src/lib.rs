//! The law of certificates: profile and request in, certificate out. Pure and synchronous: no private key, no clock, no
//! randomness, no store.

mod certificate;
mod draft;
mod encode;
mod extension;
mod lint;
mod name;
mod prepared;
mod profile;
mod reading;
mod refusal;

pub use certificate::{Certificate, CertificateError};
pub use draft::{Draft, Names, Request, SignatureAlgorithm, Subject, draft};
pub use prepared::Prepared;
pub use profile::{ExtendedKeyUsage, IssuerName, KeyUsage, Profile, ProfileName, UnknownProfile, crl_url};
pub use refusal::{LintFinding, Refusal};

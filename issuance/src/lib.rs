//! The law of certificates: profile and request in, certificate out. Pure and synchronous: no private key, no clock, no
//! randomness, no store.

mod certificate;
mod draft;
mod profile;
mod refusal;

pub use certificate::{Certificate, CertificateError};
pub use draft::{Draft, Names, Prepared, Request, SignatureAlgorithm, Subject, draft};
pub use profile::{IssuerName, Profile, ProfileName, UnknownProfile};
pub use refusal::{LintFinding, Refusal};

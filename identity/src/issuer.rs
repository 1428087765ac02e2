//! Names of the issuers.

named! {
    /// One of the CAs of an installation.
    IssuerName, unknown: UnknownIssuer = UnknownIssuer;
    /// The root: signs the other issuers and itself.
    Root = "root",
    /// Signs birth certificates (IDevID).
    Factory = "factory",
    /// Signs operational certificates (LDevID).
    Operational = "operational",
    /// Signs servers, stations, operators and relying parties, but no devices.
    Infrastructure = "infrastructure",
}

/// The text is not the name of an issuer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no such issuer: use root, factory, operational or infrastructure")]
pub struct UnknownIssuer;

//! Certificate signing requests: a claim, of which only the key and the proof of possession are used.

use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

use crate::{KeyError, PublicKey};

/// A PKCS#10 request (RFC 2986) whose sender was shown to have the private key. Nothing else of it is kept (R-5280-21).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csr {
    public_key: PublicKey,
}

impl Csr {
    /// Reads and checks a request in strict DER: size, form, key (R-KEY-01 to R-KEY-08), and proof of possession over the exact
    /// bytes (R-KEY-09).
    ///
    /// # Errors
    /// One for each thing that may be wrong with it.
    pub fn from_der(der: &[u8]) -> Result<Self, CsrError> {
        if der.len() > CSR_BYTES_MAX {
            return Err(CsrError::TooLarge { bytes: der.len() });
        }
        let (rest, csr) = X509CertificationRequest::from_der(der).map_err(|_| CsrError::NotDer)?;
        if !rest.is_empty() {
            return Err(CsrError::NotDer);
        }
        csr.verify_signature().map_err(|_| CsrError::ProofOfPossession)?;
        let public_key = PublicKey::from_spki(csr.certification_request_info.subject_pki.raw)?;
        Ok(Self { public_key })
    }

    /// The key, possession of which was proven.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CsrError {
    /// Longer than [`CSR_BYTES_MAX`].
    #[error("a certificate request has at most {CSR_BYTES_MAX} bytes, not {bytes}")]
    TooLarge {
        /// How long it was.
        bytes: usize,
    },
    /// Not PKCS#10 in strict DER, or followed by something else.
    #[error("the certificate request is not strict DER")]
    NotDer,
    /// The signature does not prove possession of the key.
    #[error("the certificate request is not signed by its own key")]
    ProofOfPossession,
    /// The key is refused.
    #[error("the key of the certificate request is refused")]
    Key(#[from] KeyError),
}

/// The largest request we parse: an RSA-4096 request with ten names is about 2 kB.
pub const CSR_BYTES_MAX: usize = 8 * 1024;

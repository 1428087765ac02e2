//! Certificate signing requests. Only the key and the proof of possession are used.

use crate::der::{Element, NotDer};
use crate::{GeneratorTraces, KeyError, PublicKey};

mod attribute;
mod compromise;
mod form;
mod private_key;
mod signature;

pub use compromise::{COMPROMISE_PROOF_NAME, CompromiseProof, CompromiseProofError};
pub use form::FormFault;

/// A PKCS#10 request (RFC 2986) whose sender has the private key. Nothing but the key, and what
/// the proof of possession shows of the random generator, is kept (R-5280-21).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csr {
    public_key: PublicKey,
    traces: GeneratorTraces,
}

impl Csr {
    /// Reads and checks a request in strict DER: size, form, key (R-KEY-01 to R-KEY-08), and proof of
    /// possession over the exact bytes (R-KEY-09).
    pub fn from_der(der: &[u8]) -> Result<Self, CsrError> {
        if der.len() > CSR_BYTES_MAX {
            return Err(CsrError::TooLarge { bytes: der.len() });
        }
        let Parts { info, spki, algorithm, signature, .. } =
            form::parts(der).map_err(|fault| private_key::explain(der, fault))?;
        let key = PublicKey::shaped(spki).map_err(|error| match error {
            KeyError::NotDer => CsrError::NotDer(FormFault::of(
                "its subjectPublicKeyInfo",
                "is not an AlgorithmIdentifier and a BIT STRING (RFC 5280, section 4.1)",
            )),
            other => CsrError::Key(other),
        })?;
        // Before the costly search for factors, so that nonsense is cheap to refuse.
        signature::verify(&key, algorithm, info, signature)?;
        let traces = GeneratorTraces::of(&key, signature)
            .map_err(|NotDer| CsrError::SignatureForm { what: "is not a SEQUENCE of two INTEGERs" })?;
        let public_key = key.strong()?;
        Ok(Self { public_key, traces })
    }

    /// The key whose possession was proven.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// What the key and the proof of possession show of the random generator that made them.
    pub fn traces(&self) -> GeneratorTraces {
        self.traces
    }
}

/// The fields of a `CertificationRequest`, borrowed from the bytes.
struct Parts<'a> {
    /// The exact bytes that are signed.
    info: &'a [u8],
    subject: &'a [u8],
    spki: &'a [u8],
    algorithm: Element<'a>,
    signature: &'a [u8],
}

/// Why a request is refused. The sender must act.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum CsrError {
    #[error("a certificate request has at most {CSR_BYTES_MAX} bytes, not {bytes}")]
    TooLarge {
        /// The length in bytes.
        bytes: usize,
    },
    /// Not PKCS#10 version 0 in strict DER, or followed by other bytes (R-5280-20).
    #[error("the certificate request is not PKCS#10 in strict DER: {} {}", .0.part, .0.rule)]
    NotDer(FormFault),
    #[error("the certificate request is PEM; send the DER that is in it")]
    Pem,
    #[error("the certificate request is base64 text; send the bytes that it stands for")]
    Base64,
    /// A private key in place of a request; it is no longer secret (R-KEY-13).
    #[error("this is a private key, not a certificate request: it is no longer secret, make another")]
    PrivateKey,
    #[error(
        "the certificate request is not signed by its own key: the signature does not verify with the key that is in it"
    )]
    ProofOfPossession,
    #[error("the signatureAlgorithm of the certificate request {what}")]
    SignatureAlgorithm { what: &'static str },
    #[error("the signature of the certificate request {what}")]
    SignatureForm { what: &'static str },
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// The largest request we parse: an RSA-4096 request with ten names is about 2 kB.
pub const CSR_BYTES_MAX: usize = 8 * 1024;

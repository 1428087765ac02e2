//! The signer of documents: a key that signs what the CA tells others, such as closing reports, and nothing
//! that a peer takes for a certificate (R-CA-02).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use identity::KeyFingerprint;
use issuance::{Certificate, SignatureAlgorithm};

use super::issuers::read_certificate;
use super::{
    FileSigner, IssuerKeys, IssuerSettings, IssuersError, KeyFileError, Passphrase, PassphraseError, Signer,
    SignerCheckError, check_signer,
};

/// The signer of documents: its certificate, which the root issued, and its key.
#[derive(Clone)]
pub struct DocumentSigner {
    certificate: Arc<Certificate>,
    signer: Arc<dyn Signer>,
}

impl DocumentSigner {
    /// Opens the signer whose certificate is in the issuers' directory; `None`: there is none, as in
    /// installations that are older than documents.
    ///
    /// # Errors
    /// When the certificate or its key is damaged, or the key is missing or another one.
    pub async fn open(settings: &IssuerSettings) -> Result<Option<Self>, DocumentSignerError> {
        let path = settings.dir.join(document_certificate_file());
        if !path.exists() {
            return Ok(None);
        }
        let certificate = read_certificate(&path).map_err(DocumentSignerError::Certificate)?;
        let IssuerKeys::Files { passphrase_file } = settings.keys.clone();
        let key = settings.dir.join(document_key_file(&certificate.public_key().fingerprint()));
        // Deriving the key of the file from the passphrase takes tens of milliseconds.
        let opening = tokio::task::spawn_blocking(move || open_key(&key, &passphrase_file));
        let signer = opening.await.unwrap_or(Err(DocumentSignerError::Thread))?;
        Self::new(certificate, Arc::new(signer)).await.map(Some)
    }

    /// From a certificate and the key of it.
    ///
    /// # Errors
    /// When the key is not the certificate's, is no P-256 key, or does not sign.
    pub async fn new(certificate: Certificate, signer: Arc<dyn Signer>) -> Result<Self, DocumentSignerError> {
        // The signatures of documents are ES256, which every reader of CMS and JWS has.
        if signer.algorithm() != SignatureAlgorithm::EcdsaP256Sha256 {
            return Err(DocumentSignerError::Algorithm);
        }
        check_signer(&*signer, &certificate).await?;
        Ok(Self { certificate: Arc::new(certificate), signer })
    }

    /// Its certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Its key, which signs ECDSA with SHA-256 on P-256.
    pub fn signer(&self) -> &dyn Signer {
        &*self.signer
    }
}

/// The name of the certificate in the issuers' directory.
pub fn document_certificate_file() -> &'static str {
    "document.cert.pem"
}

/// The name of the key of a certificate with this key in the issuers' directory: a certificate and its key
/// cannot be of two ceremonies.
pub fn document_key_file(key: &KeyFingerprint) -> String {
    let short: String = key.to_string().chars().take(FINGERPRINT_CHARACTERS).collect();
    format!("document-{short}.key.pem")
}

fn open_key(path: &Path, passphrase_file: &Path) -> Result<FileSigner, DocumentSignerError> {
    let passphrase = Passphrase::read(passphrase_file)?;
    FileSigner::open(path, &passphrase)
        .map_err(|source| DocumentSignerError::Key { path: path.to_owned(), source })
}

/// Why documents cannot be signed: the operator must act.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum DocumentSignerError {
    #[error("the certificate of the signer of documents cannot be used")]
    Certificate(#[source] IssuersError),
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    #[error("the key of the signer of documents, {}, cannot be used", path.display())]
    Key { path: PathBuf, source: KeyFileError },
    #[error("the signer of documents has no P-256 key")]
    Algorithm,
    #[error("the signer of documents cannot be used")]
    Check(#[from] SignerCheckError),
    /// A bug.
    #[error("a thread that opened a key panicked")]
    Thread,
}

/// Of the fingerprint in a file's name.
const FINGERPRINT_CHARACTERS: usize = 16;

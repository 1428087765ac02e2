//! The server's own credential directory: `cert.pem`, `chain.pem`, `trust.pem`, `key.pem`.

use std::fs;
use std::path::{Path, PathBuf};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use signer::{KEY_FILE_BYTES_MAX, KeyFileError, read_private};

/// The server's certificate chain, its key, and the roots of its clients. The key is wiped when dropped.
pub struct ServerCredentials {
    /// The server's certificate, then its issuers, without the root.
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) trust: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl ServerCredentials {
    /// Reads the directory. `key.pem` must be of mode 0600 or stricter.
    ///
    /// # Errors
    /// When a file is missing or damaged, or others may read the key.
    pub fn read(dir: &Path) -> Result<Self, CredentialsError> {
        let mut chain = certificates(&dir.join("cert.pem"))?;
        chain.extend(certificates(&dir.join("chain.pem"))?);
        let trust = certificates(&dir.join("trust.pem"))?;
        let path = dir.join("key.pem");
        let pem = read_private(&path, KEY_FILE_BYTES_MAX)?;
        let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| KeyFileError::NotAKey(path))?;
        Ok(Self { chain, trust, key })
    }

    /// The server's own certificate, X.509 DER.
    pub fn certificate(&self) -> &[u8] {
        self.chain.first().map_or(&[], |certificate| certificate)
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CredentialsError> {
    let pem = fs::read(path).map_err(|source| CredentialsError::Read { path: path.to_owned(), source })?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(CredentialsError::NoCertificate { path: path.to_owned() }),
    }
}

/// Why a credential directory cannot be used: the operator must act.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum CredentialsError {
    #[error("{} cannot be read", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{} holds no certificate in PEM, or it is damaged", path.display())]
    NoCertificate { path: PathBuf },
    #[error("the server's key cannot be used")]
    Key(#[from] KeyFileError),
}

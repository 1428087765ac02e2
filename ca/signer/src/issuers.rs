//! The issuers that this CA signs for: each a certificate and the key that belongs to it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use identity::{IssuerName, KeyFingerprint};
use issuance::Certificate;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::{FileSigner, KeyFileError, Passphrase, Signer};

/// One issuer: its certificate, and the key that signs for it.
#[derive(Clone)]
pub struct Issuer {
    /// Which.
    pub name: IssuerName,
    /// Its certificate.
    pub certificate: Arc<Certificate>,
    /// The key of that certificate.
    pub signer: Arc<dyn Signer>,
}

/// All issuers that are at hand. The root is here by its certificate only: its key stays offline (R-CA-04).
#[derive(Clone)]
pub struct Issuers {
    /// The trust anchor.
    pub root: Arc<Certificate>,
    /// Signs birth certificates.
    pub factory: Issuer,
    /// Signs operational certificates.
    pub operational: Issuer,
    /// Signs servers, stations, operators and relying parties.
    pub infrastructure: Issuer,
}

impl Issuers {
    /// Reads `NAME.cert.pem` and, but for the root, `NAME.key.pem` from `dir`; checks that every key belongs to its certificate
    /// and signs, and that no key has two purposes (R-CA-02).
    ///
    /// # Errors
    /// When one of them is missing, damaged, or does not belong to another.
    pub fn open(dir: &Path, passphrase: &Passphrase) -> Result<Self, IssuersError> {
        let root = Arc::new(read_certificate(&dir.join(certificate_file(IssuerName::Root)))?);
        // Deriving the keys of the files takes a while each.
        let open = |name| move || open_issuer(dir, name, passphrase);
        let (factory, operational, infrastructure) = std::thread::scope(|scope| {
            let factory = scope.spawn(open(IssuerName::Factory));
            let operational = scope.spawn(open(IssuerName::Operational));
            let infrastructure = open(IssuerName::Infrastructure)();
            (factory.join(), operational.join(), infrastructure)
        });
        let issuers = Self {
            root,
            factory: factory.map_err(|_| IssuersError::Thread)??,
            operational: operational.map_err(|_| IssuersError::Thread)??,
            infrastructure: infrastructure?,
        };
        issuers.check_purposes()?;
        Ok(issuers)
    }

    /// The issuer that can sign as `name`; `None` for the root, which is offline.
    pub fn signing(&self, name: IssuerName) -> Option<&Issuer> {
        match name {
            IssuerName::Root => None,
            IssuerName::Factory => Some(&self.factory),
            IssuerName::Operational => Some(&self.operational),
            IssuerName::Infrastructure => Some(&self.infrastructure),
        }
    }

    /// The certificate of an issuer.
    pub fn certificate(&self, name: IssuerName) -> &Arc<Certificate> {
        self.signing(name).map_or(&self.root, |issuer| &issuer.certificate)
    }

    fn check_purposes(&self) -> Result<(), IssuersError> {
        let mut owners: HashMap<KeyFingerprint, IssuerName> = HashMap::new();
        for name in IssuerName::ALL {
            let key = self.certificate(name).public_key().fingerprint();
            if let Some(other) = owners.insert(key, name) {
                return Err(IssuersError::OneKeyTwoPurposes { first: other, second: name });
            }
        }
        Ok(())
    }
}

/// The name of an issuer's certificate in the issuers' directory.
pub fn certificate_file(name: IssuerName) -> String {
    format!("{name}.cert.pem")
}

/// The name of an issuer's key in the issuers' directory.
pub fn key_file(name: IssuerName) -> String {
    format!("{name}.key.pem")
}

fn open_issuer(dir: &Path, name: IssuerName, passphrase: &Passphrase) -> Result<Issuer, IssuersError> {
    let certificate = read_certificate(&dir.join(certificate_file(name)))?;
    let path = dir.join(key_file(name));
    let signer = FileSigner::open(&path, passphrase).map_err(IssuersError::Key)?;
    if signer.public_key().fingerprint() != certificate.public_key().fingerprint() {
        return Err(IssuersError::Mismatch { path, issuer: name });
    }
    if !signer.signs_well() {
        return Err(IssuersError::SelfTest { path });
    }
    Ok(Issuer { name, certificate: Arc::new(certificate), signer: Arc::new(signer) })
}

fn read_certificate(path: &Path) -> Result<Certificate, IssuersError> {
    let pem = std::fs::read(path).map_err(|source| IssuersError::Read { path: path.to_owned(), source })?;
    let damaged = || IssuersError::NotACertificate { path: path.to_owned() };
    let der = CertificateDer::from_pem_slice(&pem).map_err(|_| damaged())?;
    Certificate::from_der(&der).map_err(|_| damaged())
}

/// Why the issuers cannot be used: the operator must act.
#[derive(Debug, thiserror::Error)]
pub enum IssuersError {
    /// A certificate is not there.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A certificate is damaged.
    #[error("{} is not a certificate of Touchmark in PEM, or it is damaged", path.display())]
    NotACertificate {
        /// The file.
        path: PathBuf,
    },
    /// A key cannot be used.
    #[error("an issuer's key cannot be used")]
    Key(#[source] KeyFileError),
    /// A key belongs elsewhere.
    #[error("{} is not the key of the {issuer} issuer's certificate", path.display())]
    Mismatch {
        /// The key's file.
        path: PathBuf,
        /// Whose key it should be.
        issuer: IssuerName,
    },
    /// A key is damaged.
    #[error("{} makes signatures that do not verify; restore the key from its backup", path.display())]
    SelfTest {
        /// The key's file.
        path: PathBuf,
    },
    /// R-CA-02.
    #[error("the issuers {first} and {second} have the same key; every issuer needs a key of its own")]
    OneKeyTwoPurposes {
        /// One.
        first: IssuerName,
        /// The other.
        second: IssuerName,
    },
    /// A bug.
    #[error("a thread that opened a key panicked")]
    Thread,
}

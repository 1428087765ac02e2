//! The issuers of this CA: each a certificate and a signer with its key.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use identity::{IssuerName, KeyFingerprint};
use issuance::Certificate;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::{
    FileSigner, KeyFileError, Passphrase, PassphraseError, Signer, SignerCheckError, SignerError,
    check_signer,
};

/// Where the issuers are.
#[derive(Debug, Clone)]
pub struct IssuerSettings {
    /// The directory of their certificates, and of keys that are in files.
    pub dir: PathBuf,
    /// What holds their keys.
    pub keys: IssuerKeys,
}

/// What holds the issuers' keys.
#[derive(Debug, Clone)]
pub enum IssuerKeys {
    /// Encrypted PKCS#8 files beside the certificates.
    Files {
        /// The file of the passphrase that decrypts them.
        passphrase_file: PathBuf,
    },
}

/// One issuer: its certificate, and the key that signs for it.
#[derive(Clone)]
pub struct Issuer {
    /// Its name.
    pub name: IssuerName,
    /// Its certificate.
    pub certificate: Arc<Certificate>,
    /// The key of that certificate.
    pub signer: Arc<dyn Signer>,
}

/// All issuers. Of the root only the certificate is here: its key stays offline (R-CA-04).
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
    /// Opens all issuers but the root, whose certificate is read; checks that every key belongs to its
    /// certificate and signs, and that no key has two purposes (R-CA-02).
    ///
    /// # Errors
    /// When one of them is missing, damaged, or does not belong to another.
    pub async fn open(settings: &IssuerSettings) -> Result<Self, IssuersError> {
        let IssuerKeys::Files { passphrase_file } = settings.keys.clone();
        let dir = settings.dir.clone();
        let names = [IssuerName::Factory, IssuerName::Operational, IssuerName::Infrastructure];
        // Deriving the keys of the files from the passphrase takes tens of milliseconds each.
        let opening = tokio::task::spawn_blocking(move || {
            let (dir, passphrase) = (&dir, &Passphrase::read(&passphrase_file)?);
            std::thread::scope(|scope| {
                names
                    .map(|name| scope.spawn(move || open_file(dir, name, passphrase)))
                    .map(|opened| opened.join().unwrap_or(Err(IssuersError::Thread)))
                    .into_iter()
                    .collect::<Result<Vec<_>, _>>()
            })
        });
        let mut signers = opening.await.unwrap_or(Err(IssuersError::Thread))?.into_iter().zip(names);
        let mut next = async || {
            let (signer, name) = signers.next().ok_or(IssuersError::Thread)?;
            let certificate = read_certificate(&settings.dir.join(certificate_file(name)))?;
            let signer = checked(name, &certificate, signer).await?;
            Ok::<_, IssuersError>(Issuer { name, certificate: Arc::new(certificate), signer })
        };
        let issuers = Self {
            root: Arc::new(read_certificate(&settings.dir.join(certificate_file(IssuerName::Root)))?),
            factory: next().await?,
            operational: next().await?,
            infrastructure: next().await?,
        };
        issuers.check_purposes()?;
        Ok(issuers)
    }

    /// Opens the key of the root, whose certificate is here, for the time that it is needed.
    ///
    /// # Errors
    /// When it is not here, or is not the certificate's.
    pub async fn open_root(&self, settings: &IssuerSettings) -> Result<Arc<dyn Signer>, IssuersError> {
        let IssuerKeys::Files { passphrase_file } = &settings.keys;
        let signer = open_file(&settings.dir, IssuerName::Root, &Passphrase::read(passphrase_file)?)?;
        checked(IssuerName::Root, &self.root, signer).await
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

    /// The issuer that can sign as `name`.
    ///
    /// # Errors
    /// [`SignerError::Offline`] for the root.
    pub fn signer_of(&self, name: IssuerName) -> Result<&Issuer, SignerError> {
        self.signing(name).ok_or(SignerError::Offline(name))
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

fn open_file(dir: &Path, name: IssuerName, passphrase: &Passphrase) -> Result<Arc<dyn Signer>, IssuersError> {
    let signer = FileSigner::open(&dir.join(key_file(name)), passphrase).map_err(IssuersError::Key)?;
    Ok(Arc::new(signer))
}

async fn checked(
    issuer: IssuerName,
    certificate: &Certificate,
    signer: Arc<dyn Signer>,
) -> Result<Arc<dyn Signer>, IssuersError> {
    match check_signer(&*signer, certificate).await {
        Ok(()) => Ok(signer),
        Err(SignerCheckError::OtherKey) => Err(IssuersError::Mismatch(issuer)),
        Err(SignerCheckError::SelfTest) => Err(IssuersError::SelfTest(issuer)),
        Err(SignerCheckError::Signer(error)) => Err(error.into()),
    }
}

pub(super) fn read_certificate(path: &Path) -> Result<Certificate, IssuersError> {
    let pem = std::fs::read(path).map_err(|source| IssuersError::Read { path: path.to_owned(), source })?;
    let damaged = || IssuersError::NotACertificate(path.to_owned());
    let der = CertificateDer::from_pem_slice(&pem).map_err(|_| damaged())?;
    Certificate::from_der(&der).map_err(|_| damaged())
}

/// Why the issuers cannot be used: the operator must act.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the name and the type of some fields say all")]
pub enum IssuersError {
    /// A certificate cannot be read.
    #[error("{} cannot be read", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// A certificate is damaged.
    #[error("{} is not a certificate of Touchmark in PEM, or it is damaged", .0.display())]
    NotACertificate(PathBuf),
    /// The passphrase cannot be used.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// A key cannot be opened.
    #[error("an issuer's key cannot be used")]
    Key(#[source] KeyFileError),
    /// A key does not sign.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// A key is not the certificate's.
    #[error("the key of the {0} issuer is not that of its certificate")]
    Mismatch(IssuerName),
    /// The signatures of a key do not verify.
    #[error("the key of the {0} issuer makes signatures that do not verify; restore the key from its backup")]
    SelfTest(IssuerName),
    /// Two issuers have one key (R-CA-02).
    #[error("the issuers {first} and {second} have the same key; every issuer needs a key of its own")]
    OneKeyTwoPurposes { first: IssuerName, second: IssuerName },
    /// A thread that opened a key panicked: a bug.
    #[error("a thread that opened a key panicked")]
    Thread,
}

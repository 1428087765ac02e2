//! Reads a credential directory. No other file of this crate handles the private key.

use std::io;
use std::path::{Path, PathBuf};

use files::{PrivateFileError, Readers, read_private};
use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// The holder's certificate, PEM.
pub const CERTIFICATE_FILE: &str = "cert.pem";
/// Intermediate certificates, the holder's issuer first, without the root, PEM.
pub const CHAIN_FILE: &str = "chain.pem";
/// Root certificates, PEM.
pub const TRUST_FILE: &str = "trust.pem";
/// The private key, PKCS#8 PEM, mode 0600.
pub const KEY_FILE: &str = "key.pem";

/// The content of a credential directory.
pub(crate) struct Credential {
    /// The holder's certificate and its issuers', without the root.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    /// The roots that the holder trusts.
    pub(crate) anchors: RootCertStore,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl Credential {
    /// Reads a directory, or finds all its mistakes.
    pub(crate) fn read(directory: &Path) -> Result<Self, Vec<CredentialError>> {
        let mut mistakes = Vec::new();
        let mut read = |name: &str| {
            certificates(&directory.join(name)).unwrap_or_else(|mistake| {
                mistakes.push(mistake);
                Vec::new()
            })
        };
        let mut chain = read(CERTIFICATE_FILE);
        chain.extend(read(CHAIN_FILE));
        let trust = read(TRUST_FILE);
        let key = key(&directory.join(KEY_FILE)).map_err(|mistake| mistakes.push(mistake)).ok();
        let mut anchors = RootCertStore::empty();
        for anchor in trust {
            if anchors.add(anchor).is_err() {
                mistakes.push(CredentialError::NotCertificates(directory.join(TRUST_FILE)));
            }
        }
        match key {
            Some(key) if mistakes.is_empty() => Ok(Self { chain, anchors, key }),
            _ => Err(mistakes),
        }
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CredentialError> {
    let pem = std::fs::read(path).map_err(|source| CredentialError::File(path.to_owned(), source))?;
    match CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>() {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(CredentialError::NotCertificates(path.to_owned())),
    }
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, CredentialError> {
    let pem = read_private(path, KEY_BYTES_MAX, Readers::Nobody).map_err(|error| match error {
        PrivateFileError::Read(source) => CredentialError::File(path.to_owned(), source),
        PrivateFileError::Exposed { mode } => CredentialError::KeyIsReadable(path.to_owned(), mode),
        PrivateFileError::Unexpected => CredentialError::NotAKey(path.to_owned()),
    })?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| CredentialError::NotAKey(path.to_owned()))
}

/// Why a credential cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// A file cannot be read.
    #[error("{0}: {1}")]
    File(PathBuf, #[source] io::Error),
    /// A file holds no certificates.
    #[error("{0}: no certificates in PEM")]
    NotCertificates(PathBuf),
    /// The file holds no private key.
    #[error("{0}: not a private key in PEM")]
    NotAKey(PathBuf),
    /// Others than its owner can read the key; it has this mode.
    #[error("{0}: others than its owner can use this key (mode {1:03o}); run: chmod 600 {0}")]
    KeyIsReadable(PathBuf, u32),
    /// The name of the server is not a host.
    #[error("{0} is neither a host name nor an address")]
    ServerName(String),
    /// Certificate and key in the directory do not belong together.
    #[error("{0}: {1}")]
    Unusable(PathBuf, #[source] rustls::Error),
}

/// Larger than every key that is made or accepted: RSA-4096 as PEM has 3.2 kB.
const KEY_BYTES_MAX: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn credential(directory: &Path) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        for name in [CERTIFICATE_FILE, CHAIN_FILE, TRUST_FILE] {
            fs::write(directory.join(name), made.cert.pem()).unwrap();
        }
        fs::write(directory.join(KEY_FILE), made.signing_key.serialize_pem()).unwrap();
        fs::set_permissions(directory.join(KEY_FILE), fs::Permissions::from_mode(0o600)).unwrap();
    }

    #[test]
    fn a_whole_credential_is_read() {
        let directory = tempfile::tempdir().unwrap();
        credential(directory.path());
        assert_eq!(Credential::read(directory.path()).ok().unwrap().chain.len(), 2);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        credential(directory.path());
        fs::set_permissions(directory.path().join(KEY_FILE), fs::Permissions::from_mode(0o640)).unwrap();
        let mistakes = Credential::read(directory.path()).err().unwrap();
        assert!(matches!(mistakes[..], [CredentialError::KeyIsReadable(_, 0o640)]), "{mistakes:?}");
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let directory = tempfile::tempdir().unwrap();
        credential(directory.path());
        fs::write(directory.path().join(CHAIN_FILE), "-----BEGIN CERTIFICATE-----\n").unwrap();
        fs::write(directory.path().join(KEY_FILE), "no key").unwrap();
        fs::remove_file(directory.path().join(TRUST_FILE)).unwrap();
        let mistakes = Credential::read(directory.path()).err().unwrap();
        let said: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
        assert!(
            matches!(
                mistakes[..],
                [
                    CredentialError::NotCertificates { .. },
                    CredentialError::File { .. },
                    CredentialError::NotAKey { .. }
                ]
            ),
            "{said:?}"
        );
    }
}

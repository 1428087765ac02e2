//! Verifies every chain with webpki and OpenSSL, from the files of the devices.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use client::{CERTIFICATE_FILE, CHAIN_FILE, TRUST_FILE};
use identity::{Clock, SystemClock};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use tokio::process::Command;
use webpki::{
    BorrowedCertRevocationList, CertRevocationList, EndEntityCert, KeyUsage, RevocationOptionsBuilder,
    anchor_from_trusted_cert,
};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::workspace::Workspace;
use crate::failure::Failure;

#[derive(Debug)]
pub(crate) struct Verified {
    pub(crate) chains: usize,
    pub(crate) verifiers: Vec<&'static str>,
}

/// Verifies both certificates of every device. No serial number and no key may occur twice.
pub(crate) async fn verify_all(workspace: &Workspace, serials: &[String]) -> Result<Verified, Failure> {
    let verifiers = Verifiers::without_crls().await;
    let (mut numbers, mut keys, mut chains) = (HashSet::new(), HashSet::new(), 0);
    for serial in serials {
        for kind in ["idevid", "current"] {
            let directory = workspace.devices.join(serial).join(kind);
            verifiers.all_find(&directory, Expected::Good).await?;
            let leaf = leaf(&directory)?;
            let (_, certificate) = X509Certificate::from_der(&leaf)
                .map_err(|_| Failure::local(format!("{}: not a certificate", directory.display())))?;
            let names_it = certificate
                .subject()
                .iter_by_oid(&x509_parser::oid_registry::OID_X509_SERIALNUMBER)
                .any(|attribute| attribute.as_str() == Ok(serial));
            let fresh = numbers.insert(certificate.raw_serial().to_vec())
                && keys.insert(certificate.public_key().raw.to_vec());
            if !names_it || !fresh {
                return Err(Failure::local(format!(
                    "{}: of another device, or a serial number or key that is there twice",
                    directory.display()
                )));
            }
            chains += 1;
        }
    }
    Ok(Verified { chains, verifiers: verifiers.names() })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    Good,
    /// Found only with CRLs.
    Revoked,
}

/// webpki, and openssl if the machine has it.
#[derive(Debug)]
pub(crate) struct Verifiers {
    /// The CRLs of all issuers, DER, and their file in PEM.
    crls: Option<(Vec<CertificateRevocationListDer<'static>>, PathBuf)>,
    openssl: bool,
}

impl Verifiers {
    pub(crate) async fn without_crls() -> Self {
        Self { crls: None, openssl: openssl_is_there().await }
    }

    /// Also checks every certificate of a chain against the CRLs of a file.
    pub(crate) async fn with_crls(path: &Path) -> Result<Self, Failure> {
        let pem = std::fs::read(path).map_err(|source| Failure::file(path, source))?;
        let crls = CertificateRevocationListDer::pem_slice_iter(&pem)
            .collect::<Result<_, _>>()
            .map_err(|_| Failure::local(format!("{}: not CRLs in PEM", path.display())))?;
        Ok(Self { crls: Some((crls, path.to_path_buf())), openssl: openssl_is_there().await })
    }

    pub(crate) fn names(&self) -> Vec<&'static str> {
        let openssl = match self.crls {
            Some(_) => "openssl verify -crl_check_all",
            None => "openssl verify -x509_strict",
        };
        let all = [("webpki", true), (openssl, self.openssl)];
        all.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| name).collect()
    }

    /// Verifies the certificate of one directory. An error if a verifier finds something else.
    pub(crate) async fn all_find(&self, directory: &Path, expected: Expected) -> Result<(), Failure> {
        let otherwise = |judge: &str, said: &str| {
            let what = format!("{}: {judge} does not find it {expected:?}: {said}", directory.display());
            Err(Failure::local(what))
        };
        match (self.webpki(directory)?, expected) {
            (Ok(()), Expected::Good) | (Err(webpki::Error::CertRevoked), Expected::Revoked) => {}
            (Ok(()), Expected::Revoked) => return otherwise("webpki", "it is accepted"),
            (Err(error), _) => return otherwise("webpki", &error.to_string()),
        }
        if !self.openssl {
            return Ok(());
        }
        let output = self.openssl(directory).await?;
        let said = String::from_utf8_lossy(&output.stderr);
        let found = match expected {
            Expected::Good => output.status.success(),
            Expected::Revoked => !output.status.success() && said.contains("certificate revoked"),
        };
        if found { Ok(()) } else { otherwise("openssl", said.trim()) }
    }

    fn webpki(&self, directory: &Path) -> Result<Result<(), webpki::Error>, Failure> {
        let (leaf, chain) = (leaf(directory)?, certificates(&directory.join(CHAIN_FILE))?);
        let trust = certificates(&directory.join(TRUST_FILE))?;
        let now = SystemClock.now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let judge = || {
            let anchors = trust.iter().map(anchor_from_trusted_cert).collect::<Result<Vec<_>, _>>()?;
            let crls = self.crls.iter().flat_map(|(crls, _)| crls);
            let crls: Vec<CertRevocationList<'_>> = crls
                .map(|der| Ok(BorrowedCertRevocationList::from_der(der)?.to_owned()?.into()))
                .collect::<Result<_, webpki::Error>>()?;
            let crls: Vec<_> = crls.iter().collect();
            let options = RevocationOptionsBuilder::new(&crls).ok().map(RevocationOptionsBuilder::build);
            EndEntityCert::try_from(&leaf)?
                .verify_for_usage(
                    webpki::ALL_VERIFICATION_ALGS,
                    &anchors,
                    &chain,
                    UnixTime::since_unix_epoch(now),
                    KeyUsage::client_auth(),
                    options,
                    None,
                )
                .map(drop)
        };
        Ok(judge())
    }

    async fn openssl(&self, directory: &Path) -> Result<Output, Failure> {
        let mut openssl = Command::new("openssl");
        openssl.args(["verify", "-x509_strict"]);
        if let Some((_, path)) = &self.crls {
            openssl.args(["-crl_check_all", "-CRLfile"]).arg(path);
        }
        openssl.arg("-CAfile").arg(directory.join(TRUST_FILE));
        openssl.arg("-untrusted").arg(directory.join(CHAIN_FILE)).arg(directory.join(CERTIFICATE_FILE));
        let output = openssl.stdin(Stdio::null()).output().await;
        output.map_err(|source| Failure::local(format!("openssl: {source}")))
    }
}

fn leaf(directory: &Path) -> Result<CertificateDer<'static>, Failure> {
    let leaf = certificates(&directory.join(CERTIFICATE_FILE))?.into_iter().next();
    leaf.ok_or_else(|| Failure::local(format!("{}: no certificate", directory.display())))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let pem = std::fs::read(path).map_err(|source| Failure::file(path, source))?;
    CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|_| Failure::local(format!("{}: not certificates in PEM", path.display())))
}

async fn openssl_is_there() -> bool {
    let mut version = Command::new("openssl");
    version.arg("version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    version.status().await.is_ok_and(|status| status.success())
}

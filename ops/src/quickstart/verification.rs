//! Strangers judge: every chain is verified as a peer would, from the files as they lie.

use std::collections::HashSet;
use std::path::Path;
use std::process::Stdio;

use caller::{CERTIFICATE_FILE, CHAIN_FILE, TRUST_FILE};
use identity::{Clock, SystemClock};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, UnixTime};
use tokio::process::Command;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::place::Place;
use crate::failure::Failure;

/// What was verified, and by whom.
#[derive(Debug)]
pub(crate) struct Verified {
    pub(crate) chains: usize,
    pub(crate) judges: Vec<&'static str>,
}

/// Verifies the birth and the operational certificate of every device, that each names its device, and that no serial number and
/// no key is there twice.
///
/// # Errors
/// At the first that is not so.
pub(crate) async fn verify_all(place: &Place, serials: &[String]) -> Result<Verified, Failure> {
    let openssl = openssl_is_there().await;
    let (mut numbers, mut keys, mut chains) = (HashSet::new(), HashSet::new(), 0);
    for serial in serials {
        for kind in ["idevid", "current"] {
            let directory = place.devices().join(serial).join(kind);
            let leaf = verify(&directory)?;
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
            if openssl {
                verify_with_openssl(&directory).await?;
            }
            chains += 1;
        }
    }
    let judges = if openssl { vec!["webpki", "openssl verify -x509_strict"] } else { vec!["webpki"] };
    Ok(Verified { chains, judges })
}

/// Verifies one directory with webpki; its certificate.
fn verify(directory: &Path) -> Result<CertificateDer<'static>, Failure> {
    let refused =
        |error: webpki::Error| Failure::local(format!("{}: not valid: {error}", directory.display()));
    let leaf = certificates(&directory.join(CERTIFICATE_FILE))?.into_iter().next();
    let leaf = leaf.ok_or_else(|| Failure::local(format!("{}: no certificate", directory.display())))?;
    let chain = certificates(&directory.join(CHAIN_FILE))?;
    let trust = certificates(&directory.join(TRUST_FILE))?;
    let anchors: Vec<_> =
        trust.iter().map(anchor_from_trusted_cert).collect::<Result<_, _>>().map_err(refused)?;
    let now = SystemClock.now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    EndEntityCert::try_from(&leaf)
        .and_then(|end| {
            end.verify_for_usage(
                webpki::ALL_VERIFICATION_ALGS,
                &anchors,
                &chain,
                UnixTime::since_unix_epoch(now),
                KeyUsage::client_auth(),
                None,
                None,
            )
            .map(|_| ())
        })
        .map_err(refused)?;
    Ok(leaf)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let pem = std::fs::read(path).map_err(|source| Failure::file(path, source))?;
    CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|_| Failure::local(format!("{}: not certificates in PEM", path.display())))
}

async fn verify_with_openssl(directory: &Path) -> Result<(), Failure> {
    let output = Command::new("openssl")
        .args(["verify", "-x509_strict", "-CAfile"])
        .arg(directory.join(TRUST_FILE))
        .arg("-untrusted")
        .arg(directory.join(CHAIN_FILE))
        .arg(directory.join(CERTIFICATE_FILE))
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|source| Failure::local(format!("openssl: {source}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Failure::local(format!("{}: openssl does not accept it: {}", directory.display(), said.trim())))
}

async fn openssl_is_there() -> bool {
    let mut version = Command::new("openssl");
    version.arg("version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    version.status().await.is_ok_and(|status| status.success())
}

//! A profile as rcgen's parameters. Every default of rcgen is overridden: its serial number repeats, its key
//! identifiers follow no RFC, its times are 1975 and 4096 (ADR 0001).

use aws_lc_rs::digest::{SHA256, digest};
use identity::{ProfileName, PublicKey};
use rcgen::{BasicConstraints, CertificateParams, CrlDistributionPoint, IsCa, KeyIdMethod};

use super::Profile;
use crate::{LintFinding, Refusal, extension};

impl Profile {
    /// The parameters that follow from the profile and the key. The caller sets names, times and the serial
    /// number.
    pub(crate) fn params(&self, key: &PublicKey, shard: Option<u32>) -> Result<CertificateParams, Refusal> {
        self.check()?;
        let mut params = CertificateParams::default();
        let identifier = key_identifier(key);
        if self.subject_key_identifier && self.path_length.is_none() {
            params.custom_extensions.push(extension::subject_key_identifier(&identifier));
        }
        params.key_identifier_method = KeyIdMethod::PreSpecified(identifier.to_vec());
        params.is_ca = match self.path_length {
            Some(length) => IsCa::Ca(BasicConstraints::Constrained(length)),
            None => IsCa::NoCa,
        };
        params.key_usages.clone_from(&self.key_usages);
        params.extended_key_usages.clone_from(&self.extended_key_usages);
        if let Some(base) = &self.crl_base_url {
            params.crl_distribution_points.push(CrlDistributionPoint { uris: vec![crl_url(base, shard)] });
        }
        if self.name == ProfileName::OcspSigner {
            params.custom_extensions.push(extension::ocsp_no_check());
        }
        let (issuer, ocsp) = (self.issuer_certificate_url.as_deref(), self.ocsp_url.as_deref());
        if issuer.is_some() || ocsp.is_some() {
            params.custom_extensions.push(extension::authority_information_access(issuer, ocsp));
        }
        Ok(params)
    }

    /// Checks values that rcgen and the writers in `extension` do not check.
    fn check(&self) -> Result<(), Refusal> {
        let broken = |rule, what: &str| Err(Refusal::Lint(LintFinding { rule, what: what.to_owned() }));
        if !self.crl_base_url.iter().all(|url| plain_http(url)) {
            return broken("R-5280-16", "a CRL is at an http URL");
        }
        if ![&self.issuer_certificate_url, &self.ocsp_url].into_iter().flatten().all(|url| plain_http(url)) {
            return broken("R-5280-17", "issuer certificate and OCSP are at http URLs");
        }
        match self.hardware_type.as_deref() {
            None | Some([0 | 1, 0..40, _, ..] | [2, 0..0x1_0000, _, ..]) => Ok(()),
            Some(_) => broken("R-AR-13", "the hardware type is not an object identifier"),
        }
    }
}

/// URL of a shard's CRL; `None`: of the issuer's full CRL. Certificate and CRL contain the same text
/// (R-CRL-08).
pub fn crl_url(base: &str, shard: Option<u32>) -> String {
    match shard {
        Some(shard) => format!("{base}/{shard}.crl"),
        None => format!("{base}/full.crl"),
    }
}

/// RFC 7093 method 1: the leftmost 160 bits of SHA-256 over the value of the BIT STRING (R-5280-08).
pub(crate) fn key_identifier(key: &PublicKey) -> [u8; 20] {
    let hash = digest(&SHA256, key.key_bits());
    let mut identifier = [0; 20];
    identifier.iter_mut().zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
    identifier
}

/// An http URL in printable ASCII; https would need the certificates that it serves (R-5280-16).
pub(crate) fn plain_http(url: &str) -> bool {
    url.strip_prefix("http://").is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
        && url.len() <= URL_BYTES_MAX
        && url.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Keeps certificates small.
const URL_BYTES_MAX: usize = 256;

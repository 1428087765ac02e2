//! Reads the URLs of a certificate: CRL, OCSP responder and issuer.

use serde::Serialize;
use x509_parser::extensions::{DistributionPointName, GeneralName, ParsedExtension};
use x509_parser::oid_registry::{OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS, OID_PKIX_ACCESS_DESCRIPTOR_OCSP};
use x509_parser::prelude::{FromDer, X509Certificate};

#[derive(Debug, Default, Serialize)]
pub(crate) struct RevocationUrls {
    /// cRLDistributionPoints, RFC 5280, section 4.2.1.13.
    #[serde(rename = "revocation_list_urls")]
    pub(crate) revocation_list: Vec<String>,
    /// The OCSP responder (authorityInfoAccess, RFC 5280, section 4.2.2.1).
    #[serde(rename = "ocsp_urls")]
    pub(crate) ocsp: Vec<String>,
    /// The issuer's certificate (authorityInfoAccess).
    #[serde(rename = "issuer_urls")]
    pub(crate) issuer: Vec<String>,
}

impl RevocationUrls {
    /// Reads the URLs of a certificate; none if it cannot be read.
    pub(crate) fn of(der: &[u8]) -> Self {
        let mut urls = Self::default();
        let Ok((_, certificate)) = X509Certificate::from_der(der) else { return urls };
        for extension in certificate.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::CRLDistributionPoints(points) => {
                    for point in points.iter().filter_map(|point| point.distribution_point.as_ref()) {
                        if let DistributionPointName::FullName(names) = point {
                            urls.revocation_list.extend(names.iter().filter_map(url));
                        }
                    }
                }
                ParsedExtension::AuthorityInfoAccess(access) => {
                    for description in access.iter() {
                        let url = url(&description.access_location);
                        if description.access_method == OID_PKIX_ACCESS_DESCRIPTOR_OCSP {
                            urls.ocsp.extend(url);
                        } else if description.access_method == OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS {
                            urls.issuer.extend(url);
                        }
                    }
                }
                _ => {}
            }
        }
        urls
    }
}

fn url(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::URI(url) => Some((*url).to_owned()),
        _ => None,
    }
}

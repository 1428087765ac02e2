//! Where a certificate says that the world can see whether it is revoked, and who issued it.

use serde::Serialize;
use x509_parser::extensions::{DistributionPointName, GeneralName, ParsedExtension};
use x509_parser::oid_registry::{OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS, OID_PKIX_ACCESS_DESCRIPTOR_OCSP};
use x509_parser::prelude::{FromDer, X509Certificate};

/// The URLs in a certificate.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Places {
    /// Of the CRL that it would be on (cRLDistributionPoints, RFC 5280, section 4.2.1.13).
    #[serde(rename = "revocation_list_urls")]
    pub(crate) revocation_list: Vec<String>,
    /// Of the OCSP responder (authorityInfoAccess, RFC 5280, section 4.2.2.1).
    #[serde(rename = "ocsp_urls")]
    pub(crate) ocsp: Vec<String>,
    /// Of its issuer's certificate.
    #[serde(rename = "issuer_urls")]
    pub(crate) issuer: Vec<String>,
}

impl Places {
    /// Reads them; none from what is not a certificate.
    pub(crate) fn of(der: &[u8]) -> Self {
        let mut places = Self::default();
        let Ok((_, certificate)) = X509Certificate::from_der(der) else { return places };
        for extension in certificate.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::CRLDistributionPoints(points) => {
                    for point in points.iter().filter_map(|point| point.distribution_point.as_ref()) {
                        if let DistributionPointName::FullName(names) = point {
                            places.revocation_list.extend(names.iter().filter_map(url));
                        }
                    }
                }
                ParsedExtension::AuthorityInfoAccess(access) => {
                    for description in access.iter() {
                        let url = url(&description.access_location);
                        if description.access_method == OID_PKIX_ACCESS_DESCRIPTOR_OCSP {
                            places.ocsp.extend(url);
                        } else if description.access_method == OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS {
                            places.issuer.extend(url);
                        }
                    }
                }
                _ => {}
            }
        }
        places
    }
}

fn url(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::URI(url) => Some((*url).to_owned()),
        _ => None,
    }
}

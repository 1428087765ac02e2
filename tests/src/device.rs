//! A unit on the line, as the CA sees it.

use prost::bytes::Bytes;
use proto::v1::{DeviceId, IssueBirthCertificateRequest, TrustBundle};

use crate::seed::fresh_request_id;
use crate::{Credentials, KeyAndRequest};

/// A unit with its own key and the request that it repeats.
#[derive(Debug)]
pub struct Device {
    pub id: DeviceId,
    pub key: KeyAndRequest,
    pub request_id: Bytes,
}

impl Device {
    pub fn new(product: &str, serial: &str) -> Self {
        Self::with_key(product, serial, KeyAndRequest::fresh())
    }

    pub fn with_key(product: &str, serial: &str, key: KeyAndRequest) -> Self {
        let id = DeviceId { product: product.to_owned(), serial: serial.to_owned() };
        Self { id, key, request_id: fresh_request_id() }
    }

    /// The station's request for it.
    pub fn birth_request(&self, work_order: &str) -> IssueBirthCertificateRequest {
        IssueBirthCertificateRequest {
            deferral: None,
            request_id: self.request_id.clone(),
            work_order: work_order.to_owned(),
            device: Some(self.id.clone()),
            csr: self.key.csr.clone(),
            shift: String::new(),
            operator: String::new(),
        }
    }

    /// Its credentials once it has a certificate.
    pub fn credentials(&self, certificate: &[u8], chain: &[Bytes], trust: &TrustBundle) -> Credentials {
        Credentials::from_der(&self.key.key, certificate, chain, &trust.anchors)
    }
}

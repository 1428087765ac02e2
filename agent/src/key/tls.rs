//! Lets rustls sign handshakes with a key that it never sees.

use std::sync::Arc;

use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::sign::{Signer, SigningKey};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};

use super::DeviceKey;

/// A device key as rustls wants it.
#[derive(Debug, Clone)]
pub struct TlsKey(pub Arc<dyn DeviceKey>);

impl SigningKey for TlsKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered.contains(&SCHEME).then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(SubjectPublicKeyInfoDer::from(self.0.public_key().spki()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for TlsKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.0.sign(message).map_err(|_| Error::General("the device key does not sign".to_owned()))
    }

    fn scheme(&self) -> SignatureScheme {
        SCHEME
    }
}

/// The only scheme of a P-256 key in TLS 1.3 (RFC 8446, section 4.2.3).
const SCHEME: SignatureScheme = SignatureScheme::ECDSA_NISTP256_SHA256;

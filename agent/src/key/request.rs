//! Certificate requests and self-signed certificates: only their key and the proof that we have it are used.

use rcgen::{CertificateParams, DistinguishedName, DnType, PKCS_ECDSA_P256_SHA256, SignatureAlgorithm};

use super::{DeviceKey, KeyError};

/// A PKCS#10 request (RFC 2986) in DER for the key, with an empty subject: the CA takes the name from its own
/// records (R-5280-21).
pub fn certificate_request(key: &dyn DeviceKey) -> Result<Vec<u8>, KeyError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let request = params.serialize_request(&Signing(key)).map_err(|_| KeyError::Refused)?;
    Ok(request.der().to_vec())
}

/// A self-signed certificate in DER, which proves possession of the key in a handshake and says nothing else.
pub fn bare_key_certificate(key: &dyn DeviceKey) -> Result<Vec<u8>, KeyError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "bare key");
    let certificate = params.self_signed(&Signing(key)).map_err(|_| KeyError::Refused)?;
    Ok(certificate.der().to_vec())
}

/// Lets rcgen sign with a key that it never sees.
struct Signing<'a>(&'a dyn DeviceKey);

impl rcgen::PublicKeyData for Signing<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.public_key().key_bits()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Signing<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.0.sign(message).map_err(|_| rcgen::Error::RemoteKeyError)
    }
}

#[cfg(test)]
mod tests {
    use identity::Csr;
    use x509_parser::prelude::{FromDer, X509Certificate};

    use crate::key::FileKey;

    use super::*;

    #[test]
    fn a_request_proves_that_we_have_the_key() {
        let (key, _) = FileKey::generate().unwrap();
        let csr = Csr::from_der(&certificate_request(&key).unwrap()).unwrap();
        assert_eq!(csr.public_key(), key.public_key());
    }

    #[test]
    fn a_self_signed_certificate_is_of_the_key_and_of_no_ca() {
        let (key, _) = FileKey::generate().unwrap();
        let der = bare_key_certificate(&key).unwrap();
        let (rest, parsed) = X509Certificate::from_der(&der).unwrap();
        assert!(rest.is_empty() && !parsed.is_ca() && parsed.verify_signature(None).is_ok());
        assert_eq!(parsed.public_key().raw, key.public_key().spki());
        assert_eq!(parsed.issuer().as_raw(), parsed.subject().as_raw());
    }
}

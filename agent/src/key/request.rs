//! Certificate requests: only their key and the proof that we have it are used.

use rcgen::{CertificateParams, DistinguishedName, PKCS_ECDSA_P256_SHA256, SignatureAlgorithm};

use super::{DeviceKey, KeyError};

/// A PKCS#10 request (RFC 2986) in DER for the key, with an empty subject: the CA takes the name from its own
/// records (R-5280-21).
pub fn certificate_request(key: &dyn DeviceKey) -> Result<Vec<u8>, KeyError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let request = params.serialize_request(&Signing(key)).map_err(|_| KeyError::Refused)?;
    Ok(request.der().to_vec())
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

    use crate::key::FileKey;

    use super::*;

    #[test]
    fn a_request_proves_that_we_have_the_key() {
        let (key, _) = FileKey::generate().unwrap();
        let csr = Csr::from_der(&certificate_request(&key).unwrap()).unwrap();
        assert_eq!(csr.public_key(), key.public_key());
    }
}

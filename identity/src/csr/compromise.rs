//! Proof that a key is compromised: a statement signed with the key itself (R-LIFE-13).

use super::{Csr, CsrError, form, private_key};
use crate::PublicKey;

/// A PKCS#10 request whose subject states its purpose, so that no ordinary request can be used as a proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompromiseProof {
    public_key: PublicKey,
}

impl CompromiseProof {
    /// Parses and checks a proof: strict DER, signed by its key, with exactly the subject
    /// `CN=`[`COMPROMISE_PROOF_NAME`].
    ///
    /// # Errors
    /// When it is not a request, or not a request with this subject.
    pub fn from_der(der: &[u8]) -> Result<Self, CompromiseProofError> {
        let public_key = Csr::from_der(der)?.public_key;
        let subject = form::parts(der).map_err(|fault| private_key::explain(der, fault))?.subject;
        let named = [UTF8_STRING, PRINTABLE_STRING].iter().any(|tag| subject == name(*tag));
        if named { Ok(Self { public_key }) } else { Err(CompromiseProofError::Subject) }
    }

    /// The compromised key.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }
}

/// Why a proof is refused. The sender must act.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompromiseProofError {
    /// Not a request, or not signed by its key.
    #[error(transparent)]
    Csr(#[from] CsrError),
    /// Another subject: an ordinary request proves that its sender has the key, not that others have it.
    #[error("the subject is not exactly CN={COMPROMISE_PROOF_NAME}")]
    Subject,
}

/// The only common name that a proof can have.
pub const COMPROMISE_PROOF_NAME: &str = "Proof of Key Compromise for Touchmark";

/// The DER Name with this common name only (RFC 5280, section 4.1.2.4).
fn name(string: u8) -> Vec<u8> {
    let text = COMPROMISE_PROOF_NAME.as_bytes();
    let value = element(string, text);
    let attribute = element(0x30, &[COMMON_NAME, &value].concat());
    element(0x30, &element(0x31, &attribute))
}

/// One element, shorter than 128 bytes.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut element = vec![tag];
    element.extend(u8::try_from(content.len()));
    element.extend_from_slice(content);
    element
}

/// 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x06, 0x03, 0x55, 0x04, 0x03];

const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair};

    use super::*;

    fn request(names: &[(DnType, DnValue)]) -> Vec<u8> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in names {
            params.distinguished_name.push(kind.clone(), value.clone());
        }
        params.serialize_request(&key).unwrap().der().to_vec()
    }

    #[test]
    fn a_request_with_the_agreed_subject_proves_it_in_both_string_types() {
        let utf8 = DnValue::Utf8String(COMPROMISE_PROOF_NAME.into());
        let printable = DnValue::PrintableString(COMPROMISE_PROOF_NAME.try_into().unwrap());
        for value in [utf8, printable] {
            let der = request(&[(DnType::CommonName, value)]);
            let proof = CompromiseProof::from_der(&der).unwrap();
            assert_eq!(proof.public_key(), Csr::from_der(&der).unwrap().public_key());
        }
    }

    #[test]
    fn a_request_with_any_other_subject_proves_nothing() {
        let exact = || (DnType::CommonName, DnValue::Utf8String(COMPROMISE_PROOF_NAME.into()));
        let other = |text: &str| vec![(DnType::CommonName, DnValue::Utf8String(text.into()))];
        let more = vec![exact(), (DnType::OrganizationName, DnValue::Utf8String("x".into()))];
        let wrong = vec![(DnType::OrganizationName, DnValue::Utf8String(COMPROMISE_PROOF_NAME.into()))];
        for names in
            [vec![], other("cam-2/SN000001"), other("proof of key compromise for touchmark"), more, wrong]
        {
            let said = CompromiseProof::from_der(&request(&names)).unwrap_err();
            assert_eq!(said, CompromiseProofError::Subject, "{names:?}");
        }
    }

    #[test]
    fn a_proof_whose_signature_is_not_by_its_key_proves_nothing() {
        let mut der = request(&[(DnType::CommonName, DnValue::Utf8String(COMPROMISE_PROOF_NAME.into()))]);
        let place = der.windows(5).position(|window| window == b"Proof").unwrap();
        der[place] = b'p';
        assert!(matches!(CompromiseProof::from_der(&der), Err(CompromiseProofError::Csr(_))));
    }
}

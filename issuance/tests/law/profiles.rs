//! Every profile makes a certificate that reads back as it was made.

use crate::pki::{Key, issue, issuers};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use identity::der::{SEQUENCE, only};
use issuance::{Certificate, Profile, ProfileName};

#[test]
fn a_certificate_of_every_profile_reads_back_and_is_signed_by_its_issuer() {
    for name in ProfileName::ALL {
        let (root, issuer) = issuers(name);
        let profile = Profile::standard(name);
        let (holder, signer) = if name == ProfileName::Root {
            (root, None)
        } else {
            let signer = issuer.unwrap_or(root);
            (issue(&profile, Some(&signer), Key::fresh(), 9), Some(signer))
        };
        let signer_key = signer.as_ref().map_or(holder.key.public(), |signer| signer.key.public());
        let read = Certificate::from_der(holder.certificate.der()).unwrap();
        assert_eq!(read.public_key().spki(), holder.key.public().spki(), "{name} (R-5280-22)");
        assert_eq!(read.serial_number(), holder.certificate.serial_number());
        assert_eq!(read.validity(), holder.certificate.validity());
        assert_eq!(read.subject(), holder.certificate.subject());
        assert_eq!(read.subject_key_identifier(), holder.certificate.subject_key_identifier());
        assert_eq!(read.is_ca(), profile.path_length.is_some());
        if let Some(signer) = &signer {
            assert_eq!(read.issuer(), signer.certificate.subject(), "{name} (R-5280-04)");
        }
        let mut fields = only(read.der(), SEQUENCE).unwrap().elements().unwrap();
        let (tbs, _, signature) = (fields.any().unwrap(), fields.any().unwrap(), fields.any().unwrap());
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, signer_key.key_bits())
            .verify(tbs.raw, &signature.content[1..])
            .unwrap();
    }
}

//! Every profile makes a certificate that reads back as it was made.

use crate::pki::{Key, issue, issuers};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use identity::{
    ProfileName,
    der::{SEQUENCE, only},
};
use issuance::{Certificate, Profile};

#[test]
fn a_certificate_of_every_profile_reads_back_and_is_signed_by_its_issuer() {
    for name in ProfileName::all() {
        let (root, issuer) = issuers(name);
        let profile = Profile::standard(name);
        let (holder, signer) = if name == ProfileName::Root {
            (root, None)
        } else {
            let signer = issuer.unwrap_or(root);
            (issue(&profile, Some(&signer), Key::fresh(), 9), Some(signer))
        };
        let signer_key = signer.as_ref().map_or_else(|| holder.key.public(), |signer| signer.key.public());
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

#[test]
fn a_root_has_no_authority_key_identifier_and_all_others_have_their_issuers() {
    // R-5280-09: `30 16 80 14` and the issuer's subject key identifier, so that a renewed issuer with the
    // same key still fits.
    for name in ProfileName::all() {
        let (root, issuer) = issuers(name);
        let authority = [6, 3, 0x55, 0x1d, 35];
        let has = |der: &[u8]| der.windows(5).any(|window| window == authority);
        assert!(!has(root.certificate.der()));
        if name == ProfileName::Root {
            continue;
        }
        let signer = issuer.unwrap_or(root);
        let holder = issue(&Profile::standard(name), Some(&signer), Key::fresh(), 9);
        let identifier = signer.certificate.subject_key_identifier().unwrap();
        let wanted = [&authority[..], &[4, 0x18, 0x30, 0x16, 0x80, 0x14], identifier].concat();
        assert!(holder.certificate.der().windows(wanted.len()).any(|window| window == wanted), "{name}");
    }
}

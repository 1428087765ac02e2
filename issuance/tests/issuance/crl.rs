//! CRLs through the public API.

use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use identity::{
    ProfileName,
    der::{SEQUENCE, only},
};
use identity::{RevocationReason, SerialNumber};
use issuance::{CrlDraft, CrlEntry, CrlFields, CrlNumber, CrlScope, CrlSummary};

use crate::pki::{Holder, issuers, now, serial};

fn terms(scope: CrlScope) -> CrlFields {
    CrlFields {
        number: CrlNumber::new(0, 1),
        this_update: now(),
        next_update: now() + Duration::from_secs(86_400),
        scope,
    }
}

fn entry(n: u8, reason: RevocationReason) -> CrlEntry {
    CrlEntry { serial_number: serial(n), revoked_at: now(), reason, invalidity_date: None }
}

/// The CRL, and its entries' bytes as written.
fn make(issuer: &Holder, scope: CrlScope, entries: &[CrlEntry], piece: usize) -> (Vec<u8>, Vec<u8>) {
    let draft = CrlDraft::new(&issuer.certificate, &terms(scope), now()).unwrap();
    let mut bytes = Vec::new();
    entries.iter().for_each(|entry| draft.entry(entry, &mut bytes).unwrap());
    let mut hash = draft.hash(bytes.len() as u64).unwrap();
    bytes.chunks(piece).for_each(|piece| hash.entries(piece).unwrap());
    let prepared = hash.finish().unwrap();
    let signature = issuer.key.sign_digest(prepared.digest());
    let sealed = prepared.seal(&signature).unwrap();
    ([sealed.head, bytes.clone(), sealed.tail].concat(), bytes)
}

#[test]
fn a_crl_is_signed_by_its_issuer_and_reads_back() {
    let (_, issuer) = issuers(ProfileName::Ldevid);
    let issuer = issuer.unwrap();
    for count in [0, 1, 2, 3, 200] {
        let entries: Vec<CrlEntry> =
            (0..count).map(|n| entry(n, RevocationReason::ALL[usize::from(n) % 2])).collect();
        let (list, bytes) = make(&issuer, CrlScope::Full, &entries, 7);
        let mut fields = only(&list, SEQUENCE).unwrap().elements().unwrap();
        let (tbs, _, signature) = (fields.any().unwrap(), fields.any().unwrap(), fields.any().unwrap());
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, issuer.key.public().key_bits())
            .verify(tbs.raw, &signature.content[1..])
            .unwrap();
        let summary = CrlSummary::from_der(&list).unwrap();
        assert_eq!(summary.number, CrlNumber::new(0, 1));
        assert_eq!((summary.this_update, summary.next_update), (now(), now() + Duration::from_secs(86_400)));
        assert_eq!(&list[summary.entries.0..][..summary.entries.1], bytes);
        identity::der::check_values(&list).unwrap();
    }
}

#[test]
fn an_empty_crl_has_no_empty_sequence() {
    // R-CRL-02.
    let (_, issuer) = issuers(ProfileName::Ldevid);
    let (list, _) = make(&issuer.unwrap(), CrlScope::Full, &[], 1);
    let mut fields = only(&list, SEQUENCE).unwrap().elements().unwrap();
    let mut tbs = fields.any().unwrap().elements().unwrap();
    let tags: Vec<u8> = std::iter::from_fn(|| tbs.any().ok()).map(|element| element.tag).collect();
    assert_eq!(tags, [0x02, 0x30, 0x30, 0x17, 0x17, 0xa0]);
}

#[test]
fn every_reason_is_written_as_its_code_and_unspecified_not_at_all() {
    // R-CRL-05, R-CRL-07.
    let (root, issuer) = issuers(ProfileName::Ldevid);
    for reason in RevocationReason::ALL {
        let ca_only = reason == RevocationReason::CaCompromise;
        let of_leaf = issuer.as_ref().unwrap();
        let draft = CrlDraft::new(&of_leaf.certificate, &terms(CrlScope::Full), now()).unwrap();
        assert_eq!(draft.entry(&entry(1, reason), &mut Vec::new()).is_err(), ca_only, "{reason}");
        let with_date = CrlEntry { invalidity_date: Some(now()), ..entry(1, reason) };
        let (_, bytes) = make(&root, CrlScope::Full, &[with_date], 1_000);
        let code = [0x30, 10, 6, 3, 0x55, 0x1d, 21, 4, 3, 10, 1, reason.code()];
        let written = bytes.windows(code.len()).any(|window| window == code);
        assert_eq!(written, reason != RevocationReason::Unspecified, "{reason}");
        let date = [&[4, 17, 0x18, 15][..], b"20261122000000Z"].concat();
        assert!(bytes.windows(date.len()).any(|window| window == date), "{reason}: always GeneralizedTime");
    }
}

#[test]
fn a_shard_names_the_url_that_its_certificates_name() {
    // R-CRL-08, R-5280-16.
    let base = "http://ca.example.test/crl/operational";
    let url = issuance::crl_url(base, Some(7));
    let (_, issuer) = issuers(ProfileName::Ldevid);
    let (list, _) = make(&issuer.unwrap(), CrlScope::Shard { urls: vec![url.clone()] }, &[], 1);
    let name = [&[0x86, u8::try_from(url.len()).unwrap()], url.as_bytes()].concat();
    assert!(list.windows(name.len()).any(|window| window == name));
}

#[test]
fn other_entries_than_were_counted_are_refused() {
    let (_, issuer) = issuers(ProfileName::Ldevid);
    let draft =
        || CrlDraft::new(&issuer.as_ref().unwrap().certificate, &terms(CrlScope::Full), now()).unwrap();
    assert!(draft().hash(u64::MAX).is_err());
    let mut hash = draft().hash(3).unwrap();
    assert!(hash.entries(&[0; 4]).is_err());
    let mut hash = draft().hash(3).unwrap();
    hash.entries(&[0; 2]).unwrap();
    assert!(hash.finish().is_err());
}

#[test]
fn what_is_no_crl_is_refused() {
    let (_, issuer) = issuers(ProfileName::Ldevid);
    let (list, _) = make(&issuer.unwrap(), CrlScope::Full, &[entry(1, RevocationReason::Superseded)], 9);
    for length in 0..list.len() {
        assert!(CrlSummary::from_der(&list[..length]).is_err());
    }
    assert!(CrlSummary::from_der(&[list.as_slice(), &[0]].concat()).is_err());
}

/// Sizes are planned with these figures: a million entries are not built here.
#[test]
fn an_entry_has_the_octets_that_sizes_are_planned_with() {
    // R-CRL-11: 49 octets with a reason.
    let (_, issuer) = issuers(ProfileName::Ldevid);
    let draft = CrlDraft::new(&issuer.unwrap().certificate, &terms(CrlScope::Full), now()).unwrap();
    let mut out = Vec::new();
    draft.entry(&entry(1, RevocationReason::Superseded), &mut out).unwrap();
    assert_eq!(out.len(), 49);
    assert!(SerialNumber::try_from(&out[4..20]).is_ok());
}

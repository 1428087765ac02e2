//! Reading certificates is strict and never panics.

use identity::ProfileName;
use issuance::Certificate;
use proptest::prelude::{any, prop};
use proptest::{prop_assert_eq, proptest};

fn golden(profile: ProfileName) -> Vec<u8> {
    std::fs::read(format!("{}/tests/goldens/{profile}.der", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[test]
fn trailing_and_missing_bytes_are_refused() {
    let der = golden(ProfileName::Ldevid);
    assert!(Certificate::from_der(&[&der[..], &[0]].concat()).is_err());
    for length in 0..der.len() {
        assert!(Certificate::from_der(&der[..length]).is_err(), "{length} bytes");
    }
    assert!(Certificate::from_der(&vec![0x30; 64 * 1024 + 1]).is_err());
}

proptest! {
    #[test]
    fn mutated_certificates_never_panic_and_what_is_read_is_kept_as_it_came(
        profile in prop::sample::select(ProfileName::all().collect::<Vec<_>>()),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut der = golden(profile);
        for (index, byte) in edits {
            let at = index.index(der.len());
            der[at] = byte;
        }
        if let Ok(certificate) = Certificate::from_der(&der) {
            prop_assert_eq!(certificate.der(), &der[..]);
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused_and_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        prop_assert_eq!(Certificate::from_der(&bytes).is_err(), true);
    }
}

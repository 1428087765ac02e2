//! The contract of a key store, asked of each implementation: a new one adds a test that calls `judge`.

use std::collections::BTreeSet;

use agent::doctor::{Verdict, examine};
use agent::enroll::enroll;
use agent::key::{FileKeyStore, KeyError, KeyStore, certificate_request};
use agent::renew::{When, renew};
use agent::status::{Standing, Status};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};

use crate::support::prelude::*;

#[test]
fn keys_in_files_keep_the_contract() {
    judge(&FileKeyStore);
}

#[test]
fn keys_in_a_chip_keep_the_contract() {
    judge(&Chip::default());
}

/// Whoever opens a key file past the store finds none.
#[test]
fn a_unit_whose_keys_are_in_a_chip_is_born_enrols_renews_and_is_examined() {
    let (ca, home) = (FakeCa::start(), tempfile::tempdir().unwrap());
    let storage = Storage { keys: Arc::new(Chip::default()), ..Storage::default() };
    let (clock, generator) = (clock_at(now()), StdRng::seed_from_u64);
    bench(home.path(), storage.clone(), &ca.issuers, &ca.url(), &mut BTreeSet::new()).unwrap();
    let mut state = State::open(home.path(), storage.clone()).unwrap();
    block(enroll(&mut state, None, clock.clone(), generator(1), retry_policy())).unwrap();
    block(renew(&mut state, None, clock.clone(), generator(2), retry_policy(), When::Now)).unwrap();
    drop(state);
    let status = Status::read(&View::read(home.path(), &storage).unwrap(), &*clock).unwrap();
    assert_eq!(status.standing, Standing::Enrolled);
    let findings = block(examine(home.path(), &storage, None, &*clock));
    assert!(findings.iter().all(|finding| finding.verdict < Verdict::Bad), "{findings:?}");
    assert!(findings.iter().any(|finding| finding.says.contains("takes the LDevID")), "{findings:?}");
    for directory in ["idevid", "a", "b"] {
        assert!(!home.path().join(directory).join("key.pem").exists(), "{directory}");
    }
}

#[test]
fn a_key_in_a_file_is_where_applications_look_for_it() {
    let home = tempfile::tempdir().unwrap();
    FileKeyStore.make(home.path(), &FileSystem).unwrap();
    let file = home.path().join("key.pem");
    assert_eq!(FileKeyStore.private_file(home.path()), Some(file.clone()));
    assert!(std::fs::read_to_string(file).unwrap().starts_with("-----BEGIN PRIVATE KEY-----\n"));
}

/// The contract of [`KeyStore`].
fn judge(store: &dyn KeyStore) {
    a_key_that_was_made_is_opened_again_and_signs(store);
    a_directory_without_a_key_says_so(store);
    a_removed_key_is_gone_and_removing_it_again_is_no_error(store);
    two_directories_have_two_keys(store);
    a_power_cut_leaves_the_whole_key_or_none(store);
}

fn a_key_that_was_made_is_opened_again_and_signs(store: &dyn KeyStore) {
    let home = tempfile::tempdir().unwrap();
    let made = store.make(home.path(), &FileSystem).unwrap();
    assert!(store.holds_key(home.path()));
    let opened = store.open(home.path(), None).unwrap();
    assert_eq!(opened.public_key(), made.public_key());
    let signature = opened.sign(b"a message").unwrap();
    let public_key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, made.public_key().key_bits());
    public_key.verify(b"a message", &signature).unwrap();
    public_key.verify(b"another message", &signature).unwrap_err();
    let csr = Csr::from_der(&certificate_request(&*opened).unwrap()).unwrap();
    assert_eq!(csr.public_key(), made.public_key());
}

fn a_directory_without_a_key_says_so(store: &dyn KeyStore) {
    let home = tempfile::tempdir().unwrap();
    for directory in [home.path(), Path::new("/nowhere/at/all")] {
        assert!(!store.holds_key(directory));
        assert!(matches!(store.open(directory, None), Err(KeyError::Missing)));
    }
}

fn a_removed_key_is_gone_and_removing_it_again_is_no_error(store: &dyn KeyStore) {
    let home = tempfile::tempdir().unwrap();
    let first = store.make(home.path(), &FileSystem).unwrap();
    store.remove(home.path(), &FileSystem).unwrap();
    assert!(!store.holds_key(home.path()));
    assert!(matches!(store.open(home.path(), None), Err(KeyError::Missing)));
    store.remove(home.path(), &FileSystem).unwrap();
    let second = store.make(home.path(), &FileSystem).unwrap();
    assert_ne!(second.public_key(), first.public_key());
}

fn two_directories_have_two_keys(store: &dyn KeyStore) {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = store.make(one.path(), &FileSystem).unwrap();
    let second = store.make(other.path(), &FileSystem).unwrap();
    assert_ne!(first.public_key(), second.public_key());
    store.remove(other.path(), &FileSystem).unwrap();
    assert_eq!(store.open(one.path(), None).unwrap().public_key(), first.public_key());
}

fn a_power_cut_leaves_the_whole_key_or_none(store: &dyn KeyStore) {
    for last_is_done in [false, true] {
        for operations in 0.. {
            let home = tempfile::tempdir().unwrap();
            let cut = PowerCut::after(operations, last_is_done);
            let made = store.make(home.path(), &cut);
            if !cut.happened() {
                made.unwrap();
                break;
            }
            assert!(matches!(made, Err(KeyError::Write(_))), "{operations}: {made:?}");
            if store.holds_key(home.path()) {
                store.open(home.path(), None).unwrap();
            } else {
                store.make(home.path(), &FileSystem).unwrap();
            }
        }
    }
}

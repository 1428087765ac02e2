//! What is blocked, and what is an entry.

use super::*;

/// The P-256 key of RFC 6979, appendix A.2.5, as a SubjectPublicKeyInfo.
const RFC_6979: &str = "3059301306072a8648ce3d020106082a8648ce3d03010703420004\
    60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6\
    7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299";

/// The generator of P-256: the key of which the private key is 1. No test has it.
const GENERATOR: &str = "3059301306072a8648ce3d020106082a8648ce3d03010703420004\
    6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\
    4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";

fn key(spki: &str) -> PublicKey {
    let digits: Vec<u8> = spki.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
    let der: Vec<u8> = digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    PublicKey::from_spki(&der).unwrap()
}

fn lines_of_mistakes(list: &str) -> Vec<usize> {
    BlockedKeys::with_list(list).unwrap_err().iter().map(|mistake| mistake.line).collect()
}

#[test]
fn the_list_of_published_keys_has_no_mistakes_and_no_entry_twice() {
    let (published, mistakes) = Fingerprints::parse(PUBLISHED);
    assert_eq!(mistakes, []);
    let entries = PUBLISHED.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    assert_eq!(entries.clone().count(), published.len());
    assert!(entries.clone().count() > 1_500);
    assert!(entries.clone().all(|entry| entry.len() == 64), "whole fingerprints");
}

#[test]
fn a_key_that_a_standard_publishes_is_blocked_without_any_list() {
    assert_eq!(BlockedKeys::default().why(&key(RFC_6979)), Some(BlockedKey::Published));
    assert_eq!(BlockedKeys::default().why(&key(GENERATOR)), None);
    let listed = BlockedKeys::with_list("").unwrap();
    assert_eq!(listed.why(&key(RFC_6979)), Some(BlockedKey::Published), "nor does a list take it away");
}

#[test]
fn a_key_is_blocked_by_its_fingerprint_and_by_a_beginning_of_it_in_any_case() {
    let fingerprint = key(GENERATOR).fingerprint().to_string();
    for entry in [&fingerprint, &fingerprint[..30], &fingerprint[..44], &fingerprint.to_uppercase()[..62]] {
        let list = format!("# a comment\n\n {entry}\t# why\r\n");
        let blocked = BlockedKeys::with_list(&list).unwrap();
        assert_eq!(blocked.why(&key(GENERATOR)), Some(BlockedKey::Listed), "{entry}");
        assert_eq!(blocked.listed(), 1);
    }
}

#[test]
fn a_key_that_differs_in_one_digit_of_the_entry_is_not_blocked() {
    let fingerprint = key(GENERATOR).fingerprint().to_string();
    for (at, length) in [(0, 64), (29, 30), (31, 64), (63, 64)] {
        let mut entry: Vec<char> = fingerprint.chars().take(length).collect();
        entry[at] = if entry[at] == '0' { '1' } else { '0' };
        let entry: String = entry.into_iter().collect();
        assert_eq!(BlockedKeys::with_list(&entry).unwrap().why(&key(GENERATOR)), None, "{entry}");
    }
}

#[test]
fn of_many_entries_with_one_beginning_each_is_looked_at() {
    let fingerprint = key(GENERATOR).fingerprint().to_string();
    let others = (0..50).map(|other| format!("{}{other:032x}\n", &fingerprint[..32]));
    let list: String = others.chain([format!("{fingerprint}\n{fingerprint}\n")]).collect();
    let blocked = BlockedKeys::with_list(&list).unwrap();
    assert_eq!((blocked.why(&key(GENERATOR)), blocked.listed()), (Some(BlockedKey::Listed), 51));
}

#[test]
fn a_key_is_blocked_by_what_badkeys_hashes_of_it() {
    // sha256 of x, as in blocklist.dat: 15 bytes, and then the number of a list that is not a part of it.
    let hash = digest(&SHA256, &key(GENERATOR).key_bits()[1..33]);
    let entry: String = hash.as_ref()[..15].iter().map(|octet| format!("{octet:02x}")).collect();
    assert_eq!(BlockedKeys::with_list(&entry).unwrap().why(&key(GENERATOR)), Some(BlockedKey::Listed));
    assert_eq!(number(&key(GENERATOR)).len(), 32);
}

#[test]
fn every_line_that_is_no_entry_is_told() {
    let whole = "ab".repeat(32);
    let list = format!(
        "{whole}\n{}\n{}\nkey\n{whole}00\n{}\n# good\n{}:{}\n",
        &whole[..28],
        &whole[..31],
        &whole[..30],
        &whole[..32],
        &whole[32..]
    );
    assert_eq!(lines_of_mistakes(&list), [2, 3, 4, 5, 8]);
}

proptest::proptest! {
    #[test]
    fn no_list_makes_it_panic(list in "(?s).{0,300}") {
        let _ = BlockedKeys::with_list(&list);
    }
}

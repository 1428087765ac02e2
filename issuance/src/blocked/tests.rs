//! Which keys are blocked, and which lines are entries.

use super::*;

/// The P-256 key of RFC 6979, appendix A.2.5, as a SubjectPublicKeyInfo.
const RFC_6979: &str = "3059301306072a8648ce3d020106082a8648ce3d03010703420004\
    60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6\
    7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299";

/// The generator of P-256: the key of which the private key is 1.
const GENERATOR: &str = "3059301306072a8648ce3d020106082a8648ce3d03010703420004\
    6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\
    4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";

/// The P-256 key whose private key is the SHA-256 of "touchmark": not blocked.
const GOOD: &str = "3059301306072a8648ce3d020106082a8648ce3d0301070342000405669b0692\
    7ba528a67fcebb9ebcaa1a19a088065b9c156e2c7fdf7b545e2ab43d2660c9e3\
    4234f384551f5b48ff5cf464e9425550d35f649d4727485e2166fd";

// The next were made with pyca/cryptography.

/// P-256, private key n - 1.
const MINUS_ONE: &str = "3059301306072a8648ce3d020106082a8648ce3d030107034200046b17d1f2e1\
    2c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296b01cbd1c01\
    e58065711814b583f061e9d431cca994cea1313449bf97c840ae0a";

/// P-256, private key 10.
const TEN: &str = "3059301306072a8648ce3d020106082a8648ce3d03010703420004cef66d6b2a\
    3a993e591214d1ea223fb545ca6c471c48306e4c36069404c5723f878662a229\
    aaae906e123cdd9d3b4c10590ded29fe751eeeca34bbaa44af0773";

/// P-256, private key n - 1,024: the last that is refused.
const MINUS_1024: &str = "3059301306072a8648ce3d020106082a8648ce3d0301070342000416949b7287\
    d4f481897299b9eb6fe80ccdc5849ae1d527e280e76bb98e61ca07185beb9188\
    f1212242066848a49fedf6b2d2953a012067c55f63d4185fbdfbd8";

/// P-256, private key 1,025: the first that is not.
const BEYOND: &str = "3059301306072a8648ce3d020106082a8648ce3d03010703420004039ec006cc\
    2edd56b9dfea35bbcb38155aab73d69fcd08f53e4c47ef3ce46c88bb607444e1\
    4c771edcf39d35be10dc8ecb89a07b1662700aa0e23274d12a544f";

/// P-384, private key 7.
const P384_SEVEN: &str = "3076301006072a8648ce3d020106052b8104002203620004283c1d7365ce4788\
    f29f8ebf234edffead6fe997fbea5ffa2d58cc9dfa7b1c508b05526f55b9ebb2\
    040f05b48fb6d0e19475c99061e41b88ba52efdb8c1690471a61d867ed799729\
    d9c92cd01dbd225630d84ede32a78f9e64664cdac512ef8c";

/// Ed25519, a seed of zeros.
const ED25519_ZERO: &str = "302a300506032b65700321003b6a27bcceb6a42d62a3a8d02a6f0d7365321577\
    1de243a63ac048a18b59da29";

/// Ed25519, the seed 1, little-endian.
const ED25519_ONE_FIRST: &str = "302a300506032b6570032100cecc1507dc1ddd7295951c290888f095adb9044d\
    1b73d696e6df065d683bd4fc";

/// Ed25519, the seed 1, big-endian.
const ED25519_ONE_LAST: &str = "302a300506032b65700321004cb5abf6ad79fbf5abbccafcc269d85cd2651ed4\
    b885b5869f241aedf0a5ba29";

/// Ed25519, a seed of one octet repeated.
const ED25519_REPEATED: &str = "302a300506032b6570032100e734ea6c2b6257de72355e472aa05a4c487e6b46\
    3c029ed306df2f01b5636b58";

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
    assert_eq!(BlockedKeys::default().why(&key(GOOD)), None);
    let listed = BlockedKeys::with_list("").unwrap();
    assert_eq!(listed.why(&key(RFC_6979)), Some(BlockedKey::Published), "nor does a list take it away");
}

#[test]
fn a_key_is_blocked_by_its_fingerprint_and_by_a_beginning_of_it_in_any_case() {
    let fingerprint = key(GOOD).fingerprint().to_string();
    for entry in [&fingerprint, &fingerprint[..30], &fingerprint[..44], &fingerprint.to_uppercase()[..62]] {
        let list = format!("# a comment\n\n {entry}\t# why\r\n");
        let blocked = BlockedKeys::with_list(&list).unwrap();
        assert_eq!(blocked.why(&key(GOOD)), Some(BlockedKey::Listed), "{entry}");
        assert_eq!(blocked.listed(), 1);
    }
}

#[test]
fn a_key_that_differs_in_one_digit_of_the_entry_is_not_blocked() {
    let fingerprint = key(GOOD).fingerprint().to_string();
    for (at, length) in [(0, 64), (29, 30), (31, 64), (63, 64)] {
        let mut entry: Vec<char> = fingerprint.chars().take(length).collect();
        entry[at] = if entry[at] == '0' { '1' } else { '0' };
        let entry: String = entry.into_iter().collect();
        assert_eq!(BlockedKeys::with_list(&entry).unwrap().why(&key(GOOD)), None, "{entry}");
    }
}

#[test]
fn of_many_entries_with_one_beginning_each_is_looked_at() {
    let fingerprint = key(GOOD).fingerprint().to_string();
    let others = (0..50).map(|other| format!("{}{other:032x}\n", &fingerprint[..32]));
    let list: String = others.chain([format!("{fingerprint}\n{fingerprint}\n")]).collect();
    let blocked = BlockedKeys::with_list(&list).unwrap();
    assert_eq!((blocked.why(&key(GOOD)), blocked.listed()), (Some(BlockedKey::Listed), 51));
}

#[test]
fn a_key_is_blocked_by_what_badkeys_hashes_of_it() {
    // sha256 of x, as in blocklist.dat: 15 bytes, and then the number of a list that is not a part of it.
    let hash = digest(&SHA256, &key(GOOD).key_bits()[1..33]);
    let entry: String = hash.as_ref()[..15].iter().map(|octet| format!("{octet:02x}")).collect();
    assert_eq!(BlockedKeys::with_list(&entry).unwrap().why(&key(GOOD)), Some(BlockedKey::Listed));
    assert_eq!(number(&key(GOOD)).len(), 32);
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

#[test]
fn a_key_whose_private_half_is_a_small_number_or_its_negative_is_blocked() {
    for spki in [GENERATOR, MINUS_ONE, TEN, MINUS_1024] {
        assert_eq!(BlockedKeys::default().why(&key(spki)), Some(BlockedKey::Trivial), "{spki}");
    }
    assert_eq!(BlockedKeys::default().why(&key(BEYOND)), None, "the list is bounded");
}

#[test]
fn a_p384_key_and_an_ed25519_key_of_a_trivial_secret_are_blocked_too() {
    for spki in [P384_SEVEN, ED25519_ZERO, ED25519_ONE_FIRST, ED25519_ONE_LAST, ED25519_REPEATED] {
        assert_eq!(BlockedKeys::default().why(&key(spki)), Some(BlockedKey::Trivial), "{spki}");
    }
}

proptest::proptest! {
    #[test]
    fn no_list_makes_it_panic(list in "(?s).{0,300}") {
        let _ = BlockedKeys::with_list(&list);
    }
}

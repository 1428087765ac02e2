//! Every rule about certificates has a lint or a test; a missing id fails.

use std::path::Path;

/// Where a rule is proven.
enum Proof {
    /// A lint names it, and `src/lint/tests.rs` breaks it.
    Lint,
    /// A test of this name in this file (from the root of the repository).
    Test(&'static str, &'static str),
    /// Not about one certificate: proven in another crate.
    Elsewhere(&'static str),
}
use Proof::{Elsewhere, Lint, Test};

/// R-AR-01 to 16 (IEEE 802.1AR) and R-5280-01 to 25 (RFC 5280), in order.
const RULES: &[(&str, Proof)] = &[
    ("R-AR-01", Lint),
    (
        "R-AR-02",
        Test("issuance/tests/issuance/boundary.rs", "times_are_utc_through_2049_and_generalized_from_2050"),
    ),
    ("R-AR-03", Lint),
    ("R-AR-04", Elsewhere("ledger: one serial is one device")),
    ("R-AR-05", Lint),
    ("R-AR-06", Lint),
    ("R-AR-07", Lint),
    ("R-AR-08", Lint),
    (
        "R-AR-09",
        Test(
            "issuance/tests/issuance/boundary.rs",
            "a_leaf_never_outlives_its_issuer_except_a_birth_certificate",
        ),
    ),
    ("R-AR-10", Lint),
    ("R-AR-11", Lint),
    ("R-AR-12", Elsewhere("ledger: one serial is one device, for ever")),
    (
        "R-AR-13",
        Test("issuance/tests/issuance/boundary.rs", "a_bad_profile_is_refused_by_the_rule_that_it_breaks"),
    ),
    ("R-AR-14", Elsewhere("ledger: lineage, and one key is one certificate's")),
    ("R-AR-15", Elsewhere("authority: enrolment is authenticated by mTLS")),
    (
        "R-AR-16",
        Test(
            "issuance/tests/issuance/boundary.rs",
            "a_birth_certificate_with_the_longest_names_stays_below_700_bytes_and_the_usual_below_600",
        ),
    ),
    ("R-5280-01", Lint),
    ("R-5280-02", Elsewhere("ledger: a serial number is reserved once")),
    ("R-5280-03", Lint),
    ("R-5280-04", Lint),
    ("R-5280-05", Lint),
    (
        "R-5280-06",
        Test("issuance/tests/issuance/boundary.rs", "not_before_is_backdated_but_not_before_the_issuer"),
    ),
    (
        "R-5280-07",
        Test(
            "issuance/tests/issuance/boundary.rs",
            "a_leaf_never_outlives_its_issuer_except_a_birth_certificate",
        ),
    ),
    ("R-5280-08", Lint),
    (
        "R-5280-09",
        Test(
            "issuance/tests/issuance/profiles.rs",
            "a_root_has_no_authority_key_identifier_and_all_others_have_their_issuers",
        ),
    ),
    ("R-5280-10", Lint),
    ("R-5280-11", Lint),
    ("R-5280-12", Lint),
    ("R-5280-13", Lint),
    ("R-5280-14", Lint),
    ("R-5280-15", Lint),
    ("R-5280-16", Lint),
    ("R-5280-17", Lint),
    ("R-5280-18", Lint),
    ("R-5280-19", Lint),
    ("R-5280-20", Lint),
    ("R-5280-21", Lint),
    ("R-5280-22", Lint),
    ("R-5280-23", Lint),
    (
        "R-5280-24",
        Test(
            "tests/tests/interop/main.rs",
            "openssl_strictly_accepts_every_good_chain_and_refuses_every_bad_one",
        ),
    ),
    ("R-5280-25", Elsewhere("rollover: comes with a second generation of issuers")),
];

fn source(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn every_rule_on_certificates_has_a_lint_or_a_test() {
    let ids: Vec<String> =
        (1..=16).map(|n| format!("R-AR-{n:02}")).chain((1..=25).map(|n| format!("R-5280-{n:02}"))).collect();
    assert_eq!(RULES.iter().map(|(id, _)| *id).collect::<Vec<_>>(), ids);
    let lints: String = ["field", "name", "extension", "usage", "location"]
        .map(|file| source(&format!("issuance/src/lint/{file}.rs")))
        .concat()
        + &source("issuance/src/lint.rs");
    let broken = source("issuance/src/lint/tests.rs");
    for (id, proof) in RULES {
        match proof {
            Lint => {
                assert!(lints.contains(&format!("\"{id}\"")), "no lint names {id}");
                assert!(
                    broken.contains(&format!("(\"{id}\"")) || broken.contains(&format!("\"{id}\",")),
                    "no test breaks {id}"
                );
            }
            Test(file, name) => {
                let text = source(file);
                assert!(text.contains(&format!("fn {name}()")), "{id}: no test {name} in {file}");
                assert!(text.contains(id) || *id == "R-5280-24", "{file} does not cite {id}");
            }
            Elsewhere(room) => assert!(!room.is_empty()),
        }
    }
}

/// R-CRL-01 to 15 and R-OCSP-01 to 10, in order.
const STATUS_RULES: &[(&str, Proof)] = &[
    ("R-CRL-01", Lint),
    ("R-CRL-02", Lint),
    ("R-CRL-03", Lint),
    ("R-CRL-04", Lint),
    ("R-CRL-05", Lint),
    ("R-CRL-06", Lint),
    ("R-CRL-07", Lint),
    ("R-CRL-08", Lint),
    ("R-CRL-09", Lint),
    ("R-CRL-10", Test("issuance/src/crl/tests.rs", "a_wrong_crl_is_named_by_its_rule")),
    ("R-CRL-11", Elsewhere("store: what a list lists")),
    ("R-CRL-12", Elsewhere("publication: how a list is served")),
    ("R-CRL-13", Elsewhere("init: the root's list")),
    ("R-CRL-14", Elsewhere("an issuer that ends: comes with a second generation of issuers")),
    ("R-CRL-15", Elsewhere("publication: a million entries in bounded memory")),
    ("R-OCSP-01", Elsewhere("publication: how questions come")),
    ("R-OCSP-02", Lint),
    ("R-OCSP-03", Lint),
    ("R-OCSP-04", Lint),
    ("R-OCSP-05", Lint),
    ("R-OCSP-06", Lint),
    ("R-OCSP-07", Elsewhere("publication: how answers are served")),
    ("R-OCSP-08", Elsewhere("publication: when answers are made again")),
    ("R-OCSP-09", Test("issuance/tests/issuance/ocsp.rs", "one_request_is_about_1_to_20_certificates")),
    ("R-OCSP-10", Test("issuance/tests/issuance/ocsp.rs", "an_error_has_five_octets")),
];

#[test]
fn every_rule_on_crls_and_ocsp_responses_has_a_lint_or_a_test() {
    let ids: Vec<String> =
        (1..=15).map(|n| format!("R-CRL-{n:02}")).chain((1..=10).map(|n| format!("R-OCSP-{n:02}"))).collect();
    assert_eq!(STATUS_RULES.iter().map(|(id, _)| *id).collect::<Vec<_>>(), ids);
    let lints = source("issuance/src/crl/lint.rs")
        + &source("issuance/src/ocsp/lint.rs")
        + &source("issuance/src/crl.rs");
    let broken = source("issuance/src/crl/tests.rs") + &source("issuance/src/ocsp/tests.rs");
    for (id, proof) in STATUS_RULES {
        match proof {
            Lint => {
                assert!(lints.contains(&format!("\"{id}\"")), "no lint names {id}");
                assert!(broken.contains(&format!("\"{id}\"")), "no test breaks {id}");
            }
            Test(file, name) => {
                let text = source(file);
                assert!(text.contains(&format!("fn {name}()")), "{id}: no test {name} in {file}");
                assert!(text.contains(id), "{file} does not cite {id}");
            }
            Elsewhere(room) => assert!(!room.is_empty()),
        }
    }
}

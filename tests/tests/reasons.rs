//! Every reason that the CA can give for a refusal comes with what to do next.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn every_reason_of_the_ca_has_a_next_step() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let read = |file: &str| std::fs::read_to_string(root.join(file)).unwrap();
    let known = reasons(&read("ops/src/next_step.rs"));
    let given: BTreeSet<_> = ["ca/authority/src/refusal.rs", "ca/src/grpc/status.rs"]
        .iter()
        .flat_map(|file| reasons(&read(file)))
        .collect();
    assert!(given.len() > 40, "the reasons are found: {given:?}");
    // Nobody reads an answer to a call that they took back.
    let missing: Vec<_> = given.difference(&known).filter(|reason| *reason != "CANCELLED").collect();
    assert!(missing.is_empty(), "ops/src/next_step.rs says nothing of {missing:?}");
}

/// What is quoted and looks like a reason: capitals and underscores.
fn reasons(text: &str) -> BTreeSet<String> {
    let quoted = text.split('"').skip(1).step_by(2);
    let capitals = |word: &&str| {
        word.len() > 5 && word.chars().all(|character| character.is_ascii_uppercase() || character == '_')
    };
    quoted.filter(capitals).map(str::to_owned).collect()
}

//! Every reason of the CA's refusals comes with a next step.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::path::Path;

use proto::v1::Reason;

#[test]
fn every_reason_of_the_ca_has_a_next_step() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let known = std::fs::read_to_string(root.join("ops/src/next_step.rs")).unwrap();
    let reasons: Vec<Reason> = tests::reasons().collect();
    assert!(reasons.len() > 70, "the reasons are found: {reasons:?}");
    // Nobody reads an answer to a call that they cancelled.
    let missing: Vec<_> = reasons
        .iter()
        .filter(|reason| **reason != Reason::Cancelled)
        .filter(|reason| {
            !known.contains(&format!("{:?}", reason.as_str_name()))
                && !known.contains(&format!("Reason::{reason:?}"))
        })
        .collect();
    assert!(missing.is_empty(), "ops/src/next_step.rs says nothing of {missing:?}");
}

//! Requests of real devices and tools: each is accepted, or refused with its own reason, part and rule.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::PathBuf;

use identity::{Csr, CsrError};

use crate::fixture::reason as stable_reason;

#[test]
fn every_request_that_was_met_is_taken_or_told_the_part_and_the_rule() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/csr_cases");
    let table = std::fs::read_to_string(directory.join("expected.tsv")).unwrap();
    let mut named = BTreeSet::new();
    let mut wrong = Vec::new();
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let [file, reason, part, _] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        named.insert(file.to_owned());
        let read = Csr::from_der(&std::fs::read(directory.join(file)).unwrap());
        let (said, why) = match &read {
            Ok(_) => ("taken", String::new()),
            Err(error) => (stable_reason(error), in_full(error)),
        };
        if said != reason || !why.contains(part) {
            wrong.push(format!("{file}: {said}: {why}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let files = std::fs::read_dir(&directory).unwrap().map(|file| file.unwrap().file_name());
    let files: BTreeSet<_> =
        files.filter_map(|name| name.into_string().ok()).filter(|name| name.ends_with(".der")).collect();
    assert_eq!(named, files, "every file is in the table");
}

fn in_full(error: &CsrError) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

//! `touchmark quickstart` shows the whole path with the shipped programs, including a refused unit and a
//! revoked device.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::process::Stdio;

use tests::{Program, json_lines};

#[test]
fn the_quickstart_makes_devices_and_shows_one_that_is_refused_and_one_that_is_revoked() {
    let directory = tempfile::tempdir().unwrap();
    let mut quickstart = Program::Operator.command();
    quickstart.args(["--json", "quickstart", "--devices", "2", "--dir"]).arg(directory.path());
    let output = quickstart.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let report = json_lines(std::str::from_utf8(&output.stdout).unwrap()).remove(0);
    assert_eq!(report["chains_verified"], 4);
    assert_eq!(report["refused"]["reason"], "WORK_ORDER_EXHAUSTED");
    let revoked = &report["revoked"];
    assert_eq!(revoked["device"], "cam-2/SN000002");
    assert_eq!(revoked["reason"], "keyCompromise");
    assert_eq!(revoked["renewal_refused"], "CLIENT_CERTIFICATE_REVOKED");
    let judges = serde_json::json!(["webpki", "openssl verify -crl_check_all"]);
    assert_eq!(revoked["found_revoked_by"], judges, "{report}");
    assert!(directory.path().join("lists/crls.pem").is_file(), "where the report says that they are");
}

//! The help is the manual: what it says is committed.
//!
//! After a change that is meant: `SNAPSHOTS=overwrite cargo test -p ops --test help`.

#![allow(clippy::unwrap_used, reason = "a failure here is the test's failure")]

use std::process::Command;

use snapbox::{Assert, Data};

#[test]
fn the_help_of_every_command_is_as_committed() {
    for words in [
        "",
        "work-order",
        "work-order create",
        "work-order list",
        "work-order show",
        "work-order pause",
        "work-order resume",
        "work-order close",
        "work-order report",
        "work-order give-up",
        "work-order reservation",
        "work-order reservation list",
        "work-order reservation withdraw",
        "product",
        "product list",
        "product show",
        "product pause",
        "product resume",
        "principal",
        "principal issue",
        "principal list",
        "principal revoke",
        "device",
        "device list",
        "device find",
        "device show",
        "device hold",
        "device release",
        "device revoke",
        "device retire",
        "device rotate",
        "device rework",
        "device expiring",
        "device not-seen",
        "device forks",
        "device duplicates",
        "certificate",
        "certificate list",
        "certificate show",
        "certificate revoke",
        "revoke",
        "revocations",
        "revocations check",
        "revocations watch",
        "doctor",
        "quickstart",
        "completions",
    ] {
        let output = touchmark(&words.split_whitespace().chain(["--help"]).collect::<Vec<_>>());
        assert!(output.status.success(), "{words}");
        let name = format!("{}.txt", ["touchmark", words].join(" ").trim().replace(' ', "-"));
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/help").join(name);
        let help = String::from_utf8(output.stdout).unwrap();
        Assert::new().action_env("SNAPSHOTS").eq(help, Data::read_from(&path, None));
    }
}

#[test]
fn wrong_usage_exits_2_and_says_what_is_right() {
    for wrong in [
        &["work-order", "create"][..],
        &["device", "show", "no-slash"],
        &["certificate", "show", "12"],
        &["principal", "issue", "robot", "r2", "--out", "x"],
        &[
            "work-order",
            "create",
            "--product",
            "cam-2",
            "--quantity",
            "0",
            "--serials",
            "x",
            "--station",
            "line-3",
        ],
        &["quickstart", "--devices", "0"],
        &["work-order", "show", "spring"],
        &["work-order", "reservation", "withdraw"],
        &["work-order", "reservation", "withdraw", "wo-000012"],
        &["revoke", "--reason", "keyCompromise"],
        &["revoke", "--product", "cam-2"],
        &["revoke", "--product", "cam-2", "--reason", "certificateHold"],
        &["revoke", "--product", "cam-2", "--reason", "superseded", "--dry-run", "--confirm", "3"],
        &["revoke", "--product", "cam-2", "--station", "line-1", "--reason", "superseded"],
        &["device", "hold"],
        &["device", "not-seen", "--for", "5d", "--since", "2026-11-22T00:00:00Z"],
        &["revocations", "watch", "--hook", "true"],
    ] {
        let output = touchmark(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{wrong:?}");
    }
}

#[test]
fn a_credential_that_is_not_there_is_named() {
    let output =
        touchmark(&["--credentials", "/nonexistent", "--server", "https://127.0.0.1:1", "device", "list"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nonexistent does not exist"), "{output:?}");
}

#[test]
fn an_error_is_a_json_object_when_asked() {
    let output = touchmark(&["--json", "work-order", "list"]);
    let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["exit_status"], 3);
}

#[test]
fn a_directory_with_something_in_it_is_no_place_for_a_quickstart() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("mine"), "mine").unwrap();
    let output = touchmark(&["quickstart", "--dir", directory.path().to_str().unwrap()]);
    assert!(!output.status.success());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

fn touchmark(arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_touchmark"));
    command.args(arguments).env_remove("TOUCHMARK_CREDENTIALS").env_remove("TOUCHMARK_SERVER");
    // The help is as wide as the terminal; here it is as wide as this.
    command.env("COLUMNS", "110").output().unwrap()
}

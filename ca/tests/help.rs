//! The help is the manual: a change to it is seen in review. Update with `SNAPSHOTS=overwrite cargo test -p
//! ca --test help`.

use snapbox::cmd::Command;
use snapbox::file;

fn help(arguments: &[&str]) -> Command {
    Command::new(env!("CARGO_BIN_EXE_touchmark-ca"))
        .args(arguments)
        .env("COLUMNS", "100")
        .env_remove("TOUCHMARK_CA_CONFIG")
}

#[test]
fn the_help_is_the_manual() {
    help(&["--help"]).assert().success().stdout_eq(file!["help/touchmark-ca.txt"]);
}

#[test]
fn init_has_a_manual() {
    // As it is: otherwise the `\` at the end of a line is taken for a path's.
    help(&["init", "--help"]).assert().success().stdout_eq(file!["help/init.txt"].raw());
}

#[test]
fn serve_has_a_manual() {
    help(&["serve", "--help"]).assert().success().stdout_eq(file!["help/serve.txt"]);
}

#[test]
fn credential_has_a_manual() {
    help(&["credential", "--help"]).assert().success().stdout_eq(file!["help/credential.txt"]);
}

#[test]
fn what_is_done_rarely_has_a_manual_too() {
    help(&["root-crl", "--help"]).assert().success().stdout_eq(file!["help/root-crl.txt"]);
    help(&["document-signer", "--help"]).assert().success().stdout_eq(file!["help/document-signer.txt"]);
    let restored = help(&["accept-restored-store", "--help"]);
    restored.assert().success().stdout_eq(file!["help/accept-restored-store.txt"]);
    help(&["confirm-time", "--help"]).assert().success().stdout_eq(file!["help/confirm-time.txt"]);
}

#[test]
fn archives_have_a_manual() {
    help(&["archive", "--help"]).assert().success().stdout_eq(file!["help/archive.txt"]);
    help(&["archive", "create", "--help"]).assert().success().stdout_eq(file!["help/archive-create.txt"]);
    help(&["archive", "list", "--help"]).assert().success().stdout_eq(file!["help/archive-list.txt"]);
    help(&["archive", "verify", "--help"]).assert().success().stdout_eq(file!["help/archive-verify.txt"]);
}

#[test]
fn proving_the_ledger_has_a_manual() {
    help(&["ledger", "--help"]).assert().success().stdout_eq(file!["help/ledger.txt"]);
    help(&["ledger", "verify", "--help"]).assert().success().stdout_eq(file!["help/ledger-verify.txt"].raw());
    help(&["ledger", "public-key", "--help"])
        .assert()
        .success()
        .stdout_eq(file!["help/ledger-public-key.txt"]);
}

#[test]
fn waiting_and_completion_have_a_manual() {
    help(&["wait", "--help"]).assert().success().stdout_eq(file!["help/wait.txt"]);
    help(&["completions", "--help"]).assert().success().stdout_eq(file!["help/completions.txt"]);
}

#[test]
fn the_configuration_has_a_manual() {
    help(&["check-config", "--help"]).assert().success().stdout_eq(file!["help/check-config.txt"]);
}

#[test]
fn wrong_usage_has_its_own_status() {
    help(&["serve"]).assert().code(2);
    help(&["init", "--dir", "x"]).assert().code(2);
    help(&["init", "--dir", "x", "--organization", "E", "--host", "not a host"]).assert().code(2);
}

//! The command line as people meet it.
#![allow(clippy::unwrap_used, reason = "tests")]

use snapbox::cmd::Command;
use snapbox::file;

fn station() -> Command {
    Command::new(env!("CARGO_BIN_EXE_touchmark-station"))
}

#[test]
fn the_help_is_the_manual() {
    station().arg("--help").assert().success().stdout_eq(file!["help/station.txt"]);
    station().args(["provision", "--help"]).assert().success().stdout_eq(file!["help/provision.txt"]);
    station().args(["resume", "--help"]).assert().success().stdout_eq(file!["help/resume.txt"]);
    station().args(["scrap", "--help"]).assert().success().stdout_eq(file!["help/scrap.txt"]);
    station().args(["reconcile", "--help"]).assert().success().stdout_eq(file!["help/reconcile.txt"]);
    station().args(["finish", "--help"]).assert().success().stdout_eq(file!["help/finish.txt"]);
    station().args(["report", "--help"]).assert().success().stdout_eq(file!["help/report.txt"]);
    station().args(["doctor", "--help"]).assert().success().stdout_eq(file!["help/doctor.txt"]);
    station().args(["completions", "--help"]).assert().success().stdout_eq(file!["help/completions.txt"]);
}

#[test]
fn wrong_usage_exits_with_2() {
    let provision = ["provision", "--config", "station.toml", "--work-order", "wo-1", "--link"];
    for bad in [
        ["serial:/dev/ttyUSB0:7", "--slots=1"],
        ["exec:agent", "--slots=65"],
        ["agent", "--slots=1"],
        ["exec:agent {seriall}", "--slots=1"],
    ] {
        station().args(provision).args(bad).assert().code(2);
    }
    let scrap = ["scrap", "--config", "station.toml", "--work-order", "wo-1", "--reason"];
    for bad in [["", "SN1"], ["two\nlines", "SN1"], ["cracked", "SN_1"]] {
        station().args(scrap).args(bad).assert().code(2);
    }
    station().args(scrap).arg("no serial").assert().code(2);
    for order in ["../x", "nonsense", "wo-", "wo-1x"] {
        let order = ["provision", "--config", "station.toml", "--work-order", order, "--link", "exec:agent"];
        station().args(order).assert().code(2);
    }
}

#[test]
fn all_mistakes_of_a_configuration_are_told_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("station.toml");
    let text = "server = \"http://ca\"\nsends-max = 0\nspeed = 9\njournal = 3\nmode = \"scam\"\nslot-codes = [\"A\", \"A\"]\n\
                confirm-slot = 1\nscanner = \"/dev/x:10\"\nmetrics = \"line-1\"\noffline = \"sometimes\"\nreserve-units = 0\n";
    std::fs::write(&config, text).unwrap();
    let output = station().arg("report").arg("--config").arg(&config).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8(output.stderr).unwrap();
    for mistake in [
        "is not the address of a CA",
        "sends-max must be 1 to 100",
        "speed is not known",
        "journal must be a text",
        "credentials is missing",
        "mode is scan, device or list",
        "slot-codes: \"A\" is there twice",
        "confirm-slot must be true or false",
        "scanner: a speed is 50 to 4000000 baud",
        "metrics: \"line-1\" is neither a port nor ADDRESS:PORT",
        "offline is never or allowed, not \"sometimes\"",
        "reserve-units must be 1 to 1000",
    ] {
        assert!(said.contains(mistake), "{mistake}: {said}");
    }
}

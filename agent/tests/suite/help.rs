//! The help is the manual: a change of it is a change of the product.

use snapbox::cmd::Command;

#[test]
fn the_manual_is_as_written() {
    for (arguments, manual) in [
        (&["--help"][..], snapbox::file!["manual/agent.txt"]),
        (&["factory", "--help"], snapbox::file!["manual/factory.txt"]),
        (&["enroll", "--help"], snapbox::file!["manual/enroll.txt"]),
        (&["doctor", "--help"], snapbox::file!["manual/doctor.txt"]),
        (&["renew", "--help"], snapbox::file!["manual/renew.txt"]),
        (&["run", "--help"], snapbox::file!["manual/run.txt"]),
        (&["status", "--help"], snapbox::file!["manual/status.txt"]),
        (&["completions", "--help"], snapbox::file!["manual/completions.txt"]),
    ] {
        Command::new(AGENT).env("COLUMNS", "100").args(arguments).assert().success().stdout_eq(manual);
    }
}

#[test]
fn wrong_usage_exits_with_2() {
    for arguments in [
        &[][..],
        &["factory", "--state", "x"],
        &["factory", "--state", "x", "--stdio", "--tcp", "127.0.0.1:1"],
        &["factory", "--state", "x", "--stdio", "--tty", "/dev/ttyS1"],
        &["factory", "--state", "x", "--tty", "/dev/ttyS1:7"],
        &["factory", "--state", "x", "--stdio", "--serial", "SN1"],
        &["factory", "--state", "x", "--stdio", "--product", "Not A Product", "--serial", "SN1"],
        &["enroll", "--state", "x", "--server", "http://ca"],
        &["enroll"],
        &["status"],
        &["doctor"],
        &["renew"],
        &["run"],
        &["run", "--state", "x", "--hook", "open 'quote"],
        &["renew", "--state", "x", "--hook-time", "soon"],
    ] {
        Command::new(AGENT).args(arguments).assert().code(2);
    }
}

const AGENT: &str = env!("CARGO_BIN_EXE_touchmark-agent");

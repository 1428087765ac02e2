//! A damaged configuration: all mistakes are reported at once, and nothing starts.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Duration;

use tests::{CertificateAuthority, Process, Program};

#[test]
fn every_mistake_of_a_configuration_is_told_at_once() {
    let authority = CertificateAuthority::founded();
    let config = authority.directory().join("damaged.toml");
    std::fs::write(
        &config,
        "organization = \"\"\nlisten = \"nowhere\"\nmetrics-listen = \"127.0.0.1:99999\"\nlog-format = \"loud\"\n\
         surprise = true\n[profiles.ldevid]\nlifetime-days = 4000\n[issuers]\npassphrase-file = \"gone\"\n\
         [limits]\nconnections-max = -1\n",
    )
    .unwrap();
    let mistakes =
        ["organization", "nowhere", "99999", "loud", "surprise", "lifetime-days", "gone", "connections-max"];
    for command in ["check-config", "serve"] {
        let output = Program::CertificateAuthority
            .command()
            .arg(command)
            .arg("--config")
            .arg(&config)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(3), "{command}: the help says 3 for a bad configuration");
        assert!(output.stdout.is_empty(), "it is not ready");
        let said = String::from_utf8_lossy(&output.stderr);
        let untold: Vec<_> = mistakes.iter().filter(|mistake| !said.contains(**mistake)).collect();
        assert!(untold.is_empty(), "{command} does not tell {untold:?}: {said}");
    }
    let mut check = Program::CertificateAuthority.command();
    let output = check.args(["check-config", "--json", "--config"]).arg(&config).output().unwrap();
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let places: Vec<_> =
        told["mistakes"].as_array().unwrap().iter().map(|mistake| &mistake["place"]).collect();
    assert!(
        places.iter().any(|place| **place == "limits.connections-max" || **place == "organization"),
        "{told}"
    );
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn a_ca_does_not_start_with_less_than_it_was_made_with() {
    for missing in
        ["issuers/factory.key.pem", "issuers/root.cert.pem", "passphrase", "store/ledger", "server/cert.pem"]
    {
        let mut authority = CertificateAuthority::founded();
        let path = authority.directory().join(missing);
        let moved = authority.directory().with_file_name("elsewhere");
        std::fs::rename(&path, &moved).unwrap();
        authority.serve_within(Duration::from_secs(20)).expect_err(missing);
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(authority.log().contains(&name), "{missing}: the log names it: {}", authority.log());
        assert!(!path.exists(), "{missing} is not made anew");
        std::fs::rename(&moved, &path).unwrap();
        authority.serve();
    }
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    for key in ["server/key.pem", "issuers/factory.key.pem", "passphrase"] {
        let mut authority = CertificateAuthority::founded();
        let path = authority.directory().join(key);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        authority.serve_within(Duration::from_secs(20)).expect_err(key);
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(authority.log().contains(&name), "{key}: the log names it: {}", authority.log());
    }
}

#[test]
fn init_overwrites_nothing() {
    let authority = CertificateAuthority::founded();
    let config = std::fs::read(authority.directory().join("ca.toml")).unwrap();
    let mut init = Program::CertificateAuthority.command();
    init.arg("init").arg("--dir").arg(authority.directory()).args(["--organization", "Others"]);
    let mut process = Process::start(init.stdout(Stdio::null()).stderr(Stdio::null()));
    let status = process.wait(Duration::from_secs(20)).expect("it ends");
    assert_eq!(status.code(), Some(2));
    assert_eq!(std::fs::read(authority.directory().join("ca.toml")).unwrap(), config);
}

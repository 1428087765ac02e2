//! `tests/interop/factory_link`, written from the specification alone, as a device and as a station.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use proto::v1::WorkOrderCounts;
use tests::{CertificateAuthority, Factory, OrderTerms, Program, Station, line_file, python_program};

#[test]
fn it_agrees_with_the_vectors() {
    let mut command = implementation("vectors");
    for file in ["frames.json", "messages.json", "proof.json"] {
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/link").join(file));
    }
    succeeded(&command.output().unwrap());
}

#[test]
fn our_device_keeps_every_rule_of_the_specification() {
    let agent = Program::Agent.path();
    let command = format!("'{}' factory --state {{state}} --stdio", agent.display());
    let own = format!("{command} --product {{product}} --serial {{serial}}");
    let output =
        implementation("conformance").args(["--exec", &command, "--exec-own", &own]).output().unwrap();
    let told = succeeded(&output);
    let checked = told.lines().filter(|line| line.starts_with("ok")).count();
    assert!(checked > CHECKS_MIN, "only {checked} checks:\n{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn our_station_makes_units_of_the_second_implementation_also_after_power_cuts() {
    let authority = CertificateAuthority::start();
    let factory = Factory::of(&authority);
    let directory = tempfile::tempdir().unwrap();
    let station = Station::set_up(&authority, "line-1", directory.path()).await;
    let order = factory.order(OrderTerms::new(8, &["line-1"])).await;
    let list = directory.path().join("units.csv");
    line_file(&list, "cam-2", (0..8).map(|at| format!("SN{at:06}")));
    for crash in [Some("identity"), Some("key"), Some("install"), Some("lock"), None] {
        let mut device = format!(
            "exec:'{}' '{}' device --state '{}' --stdio",
            python().display(),
            package().display(),
            directory.path().join("devices/{serial}").display(),
        );
        if let Some(step) = crash {
            device.push_str(" --crash-after ");
            device.push_str(step);
        }
        let mut provision = station.command("provision");
        provision.args(["--work-order", &order, "--link", &device, "--slots", "4", "--serials"]).arg(&list);
        let output = provision.output().unwrap();
        if crash.is_none() {
            succeeded(&output);
        }
    }
    let expected = WorkOrderCounts { issued: 8, confirmed: 8, ..WorkOrderCounts::default() };
    assert_eq!(factory.counts(&order).await, expected);
}

fn implementation(command: &str) -> Command {
    let mut implementation = Command::new(python());
    implementation.arg(package()).arg(command);
    implementation
}

/// The Python of the interop suite, which has `cryptography`.
fn python() -> PathBuf {
    let python = python_program("python");
    assert!(python.exists(), "{} is missing: run tests/interop/setup.sh", python.display());
    python
}

fn package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/factory_link")
}

/// What a program printed, if it succeeded.
fn succeeded(output: &Output) -> String {
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    told
}

/// The conformance run has more checks than this that a device from outside can be put to.
const CHECKS_MIN: usize = 140;

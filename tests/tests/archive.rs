//! Old ledger files are archived under a CA that serves; it reads what is in them as before, also after a
//! restart and from another disk.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use proto::v1::Role;
use serde_json::Value;
use tests::{Answer, CertificateAuthority, Device, Factory, OrderTerms, Program, ask_on_stream};

const UNITS: usize = 3_600;

const ENDED_WITHIN: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn archived_entries_are_read_by_the_ca_and_verified_without_it() {
    let directory = tempfile::tempdir().unwrap();
    let archive = directory.path().join("archive");
    let mut authority = CertificateAuthority::founded();
    configure(&authority, "[log]", "[log]\nsegment-mib = 1");
    authority.serve();
    let (requests, issued) = born(&authority).await;

    let created =
        json_lines(&run(&authority, "create", &["--keep-segments", "0", "--to", path(&archive)]), 0);
    assert!(created.len() >= 2, "{created:?}");
    assert!(fs::read_dir(&archive).unwrap().count() == created.len() + 1, "the archives and the manifest");
    for archived in &created {
        let ledger_file =
            authority.directory().join("store/ledger").join(archived["ledger_file"].as_str().unwrap());
        assert!(!ledger_file.exists());
        assert!(archived["bytes"].as_u64() < archived["ledger_bytes"].as_u64().map(|bytes| bytes * 6 / 10));
    }
    assert_eq!(json_lines(&run(&authority, "list", &[]), 0), created);
    let nothing = run(&authority, "create", &["--keep-segments", "0", "--to", path(&archive)]);
    assert!(json_lines(&nothing, 0).is_empty(), "{nothing:?}");

    // The running CA finds the certificates of the first units.
    assert_eq!(asked_again(&authority, &requests).await, issued);

    let verified = verify(&archive, 0);
    assert_eq!(verified["archives"], created.len());
    assert!(authority.stop().success());
    authority.serve();
    assert_eq!(asked_again(&authority, &requests).await, issued);
    assert!(authority.stop().success());

    // The ledger is proven with its archives.
    let proven = json_lines(&run_ca(&authority, &["ledger", "verify", "--json"]), 0).remove(0);
    assert!(proven["entries"].as_str().unwrap().parse::<usize>().unwrap() > UNITS, "{proven}");

    // Another disk.
    let moved = directory.path().join("moved");
    fs::rename(&archive, &moved).unwrap();
    let refused = run_ca(&authority, &["serve"]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let said = String::from_utf8_lossy(&refused.stderr);
    let first = archive.join("00000000000000000001.archive");
    assert!(said.contains(path(&first)) && said.contains("archive-dir"), "{said}");
    let unproven = run_ca(&authority, &["ledger", "verify"]);
    assert!(String::from_utf8_lossy(&unproven.stderr).contains(path(&first)), "{unproven:?}");
    let setting = format!("[log]\narchive-dir = '{}'", moved.display());
    configure(&authority, "[log]", &setting);
    assert_eq!(json_lines(&run_ca(&authority, &["ledger", "verify", "--json"]), 0), [proven]);
    authority.serve();
    assert_eq!(asked_again(&authority, &requests).await, issued);

    // A changed byte is found where no CA is.
    let copy = moved.join("00000000000000000001.archive");
    let mut bytes = fs::read(&copy).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&copy, bytes).unwrap();
    let verified = verify(&moved, 4);
    assert_eq!(verified["archives"], created.len() - 1);
    let fault = verified["faults"][0].as_str().unwrap();
    assert!(fault.contains(path(&copy)), "{fault}");
}

#[test]
fn a_directory_without_archives_is_told_from_a_damaged_one() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Program::CertificateAuthority.command();
    let output = command.args(["archive", "verify", "--dir", path(directory.path())]).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let authority = CertificateAuthority::founded();
    let output = run_ca(&authority, &["archive", "create"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("log.archive-dir"), "{said}");
}

/// Issues birth certificates, and returns some requests of the first units and their certificates.
async fn born(
    authority: &CertificateAuthority,
) -> (Vec<proto::v1::IssueBirthCertificateRequest>, Vec<Vec<u8>>) {
    let factory = Factory::of(authority);
    let station = factory.credential(Role::Station, "line-1").await;
    let terms =
        OrderTerms { serials: "SN{000001..010000}".to_owned(), ..OrderTerms::new(10_000, &["line-1"]) };
    let order = factory.order(terms).await;
    station.write(&station_directory(authority));
    let devices = (1..=UNITS).map(|unit| Device::new("cam-2", &format!("SN{unit:06}")));
    let requests: Vec<_> = devices.map(|device| device.birth_request(&order)).collect();
    let answers = ask_on_stream(&authority.caller(&station), requests.clone()).await;
    let first = requests.into_iter().step_by(100).take(20).collect::<Vec<_>>();
    let issued = first.iter().map(|request| certificate(&answers[&request.request_id])).collect();
    (first, issued)
}

/// The CA reads the certificate from its ledger when the same request comes again.
async fn asked_again(
    authority: &CertificateAuthority,
    requests: &[proto::v1::IssueBirthCertificateRequest],
) -> Vec<Vec<u8>> {
    let station = tests::Credentials::read(&station_directory(authority));
    let answers = ask_on_stream(&authority.caller(&station), requests.to_vec()).await;
    requests.iter().map(|request| certificate(&answers[&request.request_id])).collect()
}

fn certificate(answer: &Answer) -> Vec<u8> {
    let Answer::Issued(issued) = answer else { panic!("not issued: {answer:?}") };
    issued.certificate.to_vec()
}

fn station_directory(authority: &CertificateAuthority) -> PathBuf {
    authority.directory().join("station")
}

fn configure(authority: &CertificateAuthority, before: &str, after: &str) {
    let config = authority.directory().join("ca.toml");
    let text = fs::read_to_string(&config).unwrap();
    let text = if text.contains(before) { text.replace(before, after) } else { format!("{text}\n{after}\n") };
    fs::write(config, text).unwrap();
}

fn run(authority: &CertificateAuthority, command: &str, more: &[&str]) -> Output {
    run_ca(authority, &[&["archive", command, "--json"], more].concat())
}

/// Runs a command with the configuration, which must end.
fn run_ca(authority: &CertificateAuthority, arguments: &[&str]) -> Output {
    let mut command = Program::CertificateAuthority.command();
    command.args(arguments).arg("--config").arg(authority.directory().join("ca.toml"));
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = tests::Process::start(&mut command);
    child.wait(ENDED_WITHIN).expect("it ends");
    let child = child.child_mut();
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    std::io::Read::read_to_end(&mut child.stdout.take().unwrap(), &mut stdout).unwrap();
    std::io::Read::read_to_end(&mut child.stderr.take().unwrap(), &mut stderr).unwrap();
    Output { status: child.wait().unwrap(), stdout, stderr }
}

fn verify(directory: &Path, status: i32) -> Value {
    let mut command = Program::CertificateAuthority.command();
    let output = command.args(["archive", "verify", "--json", "--dir", path(directory)]).output().unwrap();
    json_lines(&output, status).remove(0)
}

fn json_lines(output: &Output, status: i32) -> Vec<Value> {
    assert_eq!(output.status.code(), Some(status), "{output:?}");
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

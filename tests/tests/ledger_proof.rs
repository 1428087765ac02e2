//! Checkpoints of the ledger are signed and served; `ledger verify` proves with one that was kept elsewhere
//! that nothing was changed, and says where it was.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use serde_json::Value;
use tests::{CertificateAuthority, Device, Factory, OrderTerms, Program, eventually};

/// A checkpoint is signed at most 30 s after an entry; the machine may be busy.
const SIGNED_WITHIN: Duration = Duration::from_secs(60);

const DAMAGED: i32 = 4;

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_was_kept_elsewhere_tells_a_ledger_that_was_changed() {
    let mut authority = CertificateAuthority::start();
    let first = eventually(SIGNED_WITHIN, "the first checkpoint", async || fetched(&authority)).await;
    let kept = Kept::of(&authority);
    fs::write(&kept.checkpoint, &first).unwrap();
    let entries_first = entries(&first);
    let old_copy = kept.directory.join("old");
    copy(&ledger(&authority), &old_copy);

    unit(&authority).await;
    let second = async || fetched(&authority).filter(|note| entries(note) > entries_first);
    let second = eventually(SIGNED_WITHIN, "a later checkpoint", second).await;

    // While it serves, with the first and the second.
    let proof = kept.verify(&ledger(&authority));
    assert!(proof.status.success(), "{proof:?}");
    assert_eq!(json(&proof)["checkpoint_entries"], entries_first.to_string());
    fs::write(&kept.checkpoint, &second).unwrap();
    assert!(kept.verify(&ledger(&authority)).status.success());
    kept.openssl_verifies(&second);

    // After a stop, and a start: the key is the same, and the checkpoint does not go back.
    assert!(authority.stop().success());
    authority.serve();
    let third = eventually(SIGNED_WITHIN, "a checkpoint after a start", async || fetched(&authority)).await;
    assert!(entries(&third) >= entries(&second));
    authority.kill();

    // An older copy is not the ledger that was signed.
    let proof = kept.verify(&old_copy);
    assert_eq!(proof.status.code(), Some(DAMAGED), "{proof:?}");
    let said = String::from_utf8_lossy(&proof.stderr).into_owned();
    assert!(said.contains(&format!("ends at entry {entries_first}")), "{said}");

    // One byte.
    let segment = ledger(&authority).join("00000000000000000001.ledger");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[700] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let proof = kept.verify(&ledger(&authority));
    assert_eq!(proof.status.code(), Some(DAMAGED), "{proof:?}");
    let said = String::from_utf8_lossy(&proof.stderr).into_owned();
    assert!(said.contains(segment.to_str().unwrap()) && said.contains("offset"), "{said}");
}

/// What somebody keeps who does not trust the CA's machine.
struct Kept {
    directory: PathBuf,
    checkpoint: PathBuf,
    key: PathBuf,
    pem: PathBuf,
}

impl Kept {
    fn of(authority: &CertificateAuthority) -> Self {
        let directory = authority.directory().join("elsewhere");
        fs::create_dir(&directory).unwrap();
        let [checkpoint, key, pem] =
            ["checkpoint", "ledger.pub", "ledger.pem"].map(|name| directory.join(name));
        for (file, option) in [(&key, None), (&pem, Some("--pem"))] {
            let mut program = Program::CertificateAuthority.command();
            program.args(["ledger", "public-key", "--config"]).arg(authority.directory().join("ca.toml"));
            let printed = program.args(option).output().unwrap();
            assert!(printed.status.success(), "{printed:?}");
            fs::write(file, printed.stdout).unwrap();
        }
        Self { directory, checkpoint, key, pem }
    }

    fn verify(&self, ledger: &Path) -> Output {
        let mut program = Program::CertificateAuthority.command();
        program
            .args(["ledger", "verify", "--json", "--dir"])
            .arg(ledger)
            .arg("--checkpoint")
            .arg(&self.checkpoint);
        program.arg("--public-key").arg(&self.key).output().unwrap()
    }

    /// Another implementation verifies the signature.
    fn openssl_verifies(&self, note: &str) {
        let (text, signature) = note.split_once("\n\n").unwrap();
        let signature = signature.trim_end().rsplit_once(' ').unwrap().1;
        let signature =
            &base64::Engine::decode(&base64::engine::general_purpose::STANDARD, signature).unwrap()[4..];
        let [signed, file] = ["text", "signature"].map(|name| self.directory.join(name));
        fs::write(&signed, format!("{text}\n")).unwrap();
        fs::write(&file, signature).unwrap();
        let mut openssl = std::process::Command::new("openssl");
        openssl.args(["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey"]).arg(&self.pem);
        let verified = openssl.arg("-in").arg(&signed).arg("-sigfile").arg(&file).output().unwrap();
        assert!(verified.status.success(), "{verified:?}");
    }
}

fn ledger(authority: &CertificateAuthority) -> PathBuf {
    authority.directory().join("store/ledger")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let path = file.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// The checkpoint that is served; `None`: none was signed yet.
fn fetched(authority: &CertificateAuthority) -> Option<String> {
    let mut connection = TcpStream::connect(authority.public()).unwrap();
    connection
        .write_all(b"GET /ledger/checkpoint HTTP/1.1\r\nHost: ca\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut response = String::new();
    connection.read_to_string(&mut response).unwrap();
    let (head, note) = response.split_once("\r\n\r\n").unwrap();
    head.starts_with("HTTP/1.1 200").then(|| note.to_owned())
}

fn entries(note: &str) -> u64 {
    note.lines().nth(1).unwrap().parse().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn unit(authority: &CertificateAuthority) {
    let factory = Factory::of(authority);
    let station = factory.station("line-1").await;
    let order = factory.order(OrderTerms::new(1, &["line-1"])).await;
    factory.born(&station, &order, &Device::new("cam-2", "SN000001")).await;
}

//! `touchmark-ca init` as its user meets it, judged by openssl.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

fn init(dir: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_touchmark-ca"));
    command.arg("init").arg("--dir").arg(dir).args(["--organization", "Example"]).output().unwrap()
}

fn openssl(dir: &Path, arguments: &[&str]) {
    let output = Command::new("openssl").current_dir(dir).args(arguments).output().unwrap();
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn openssl_opens_the_keys_and_accepts_the_chains() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("ca");
    let made = init(&dir);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    for name in ["root", "factory", "operational", "infrastructure"] {
        let key = format!("issuers/{name}.key.pem");
        openssl(&dir, &["pkcs8", "-in", &key, "-passin", "file:passphrase", "-out", "/dev/null"]);
        assert_eq!(fs::metadata(dir.join(&key)).unwrap().permissions().mode() & 0o777, 0o600);
    }
    for (credential, purpose) in [("server", "sslserver"), ("operators/admin", "sslclient")] {
        let [trust, chain, cert] = ["trust", "chain", "cert"].map(|name| format!("{credential}/{name}.pem"));
        let verify =
            ["verify", "-x509_strict", "-purpose", purpose, "-CAfile", &trust, "-untrusted", &chain, &cert];
        openssl(&dir, &verify);
        let key = dir.join(credential).join("key.pem");
        assert_eq!(fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn init_never_overwrites() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("ca");
    assert!(init(&dir).status.success());
    let before = fs::read(dir.join("issuers/root.cert.pem")).unwrap();
    let again = init(&dir);
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&again.stderr).contains("nothing was changed"));
    assert_eq!(fs::read(dir.join("issuers/root.cert.pem")).unwrap(), before);
}

#[test]
fn neither_passphrase_nor_key_is_printed() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("ca");
    let made = init(&dir);
    let printed = [made.stdout, made.stderr].concat();
    let printed = String::from_utf8_lossy(&printed);
    let passphrase = fs::read_to_string(dir.join("passphrase")).unwrap();
    assert!(!printed.contains(passphrase.trim()));
    assert!(!printed.contains("PRIVATE KEY"));
}

#[test]
fn a_killed_init_leaves_nothing_or_everything() {
    for round in 0..20_u64 {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("ca");
        let mut command = Command::new(env!("CARGO_BIN_EXE_touchmark-ca"));
        command
            .arg("init")
            .arg("--dir")
            .arg(&dir)
            .args(["--organization", "Example"])
            .stdout(std::process::Stdio::null());
        let mut process = command.spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(round * 20));
        process.kill().unwrap();
        process.wait().unwrap();
        if dir.exists() {
            let mut check = Command::new(env!("CARGO_BIN_EXE_touchmark-ca"));
            let checked =
                check.arg("check-config").arg("--config").arg(dir.join("ca.toml")).output().unwrap();
            assert!(checked.status.success(), "round {round}: {}", String::from_utf8_lossy(&checked.stderr));
        }
        assert!(dir.exists() || init(&dir).status.success(), "round {round}");
    }
}

//! The root's CRL is signed where the root's key is, which is not on the CA's machine (R-CRL-13).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tests::{CertificateAuthority, Program, plain_http};

#[test]
fn a_crl_that_was_signed_elsewhere_is_published_and_openssl_accepts_it() {
    let ceremony = Ceremony::begin();
    let before = ceremony.number();
    let refused = ceremony.root_crl(&[]);
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    assert!(text(&refused.stderr).contains("--export is for a key that is elsewhere"), "{refused:?}");

    let told = ceremony.export("list.tbs");
    assert!(told.contains("openssl dgst -sha256 -sign root.key.pem"), "{told}");
    ceremony.sign("list.tbs", "root", "list.sig");
    let done = ceremony.import("list.tbs", "list.sig");
    assert!(done.status.success(), "{done:?}");
    assert!(text(&done.stdout).contains("due in 36"), "a year, but for the moment that it took: {done:?}");
    assert!(ceremony.number() > before);
    let verified = ceremony.openssl(&[
        "crl",
        "-inform",
        "DER",
        "-noout",
        "-in",
        "issuers/root.crl",
        "-CAfile",
        "issuers/root.cert.pem",
    ]);
    assert!(text(&verified.stderr).contains("verify OK"), "{verified:?}");

    let list = fs::read(ceremony.path("issuers/root.crl")).unwrap();
    let mut authority = ceremony.authority;
    authority.serve();
    let (head, served) =
        plain_http(authority.public(), "GET /crl/root/full.crl HTTP/1.0\r\nhost: ca\r\n\r\n", &[]);
    assert!(head.contains(" 200 "), "{head}");
    assert_eq!(served, list);
}

#[test]
fn what_the_root_did_not_sign_or_what_is_overtaken_changes_nothing() {
    let ceremony = Ceremony::begin();
    ceremony.export("first.tbs");
    ceremony.export("second.tbs");
    for list in ["first", "second"] {
        ceremony.sign(&format!("{list}.tbs"), "root", &format!("{list}.sig"));
    }
    ceremony.sign("first.tbs", "operational", "others.sig");
    let mut altered = fs::read(ceremony.path("first.tbs")).unwrap();
    *altered.last_mut().unwrap() ^= 1;
    fs::write(ceremony.path("altered.tbs"), altered).unwrap();
    // Other objects signed by the root are refused.
    fs::write(ceremony.path("note.txt"), "not a list").unwrap();
    ceremony.sign("note.txt", "root", "note.sig");
    fs::write(ceremony.path("empty"), "").unwrap();
    fs::write(ceremony.path("large"), vec![0; 64 * 1024 + 1]).unwrap();

    let before = fs::read(ceremony.path("issuers/root.crl")).unwrap();
    for (list, signature, status, why) in [
        ("first.tbs", "others.sig", 3, "the signature is not the root's over this list"),
        ("first.tbs", "second.sig", 3, "the signature is not the root's over this list"),
        ("first.tbs", "empty", 3, "the signature is not the root's over this list"),
        ("altered.tbs", "first.sig", 3, "the signature is not the root's over this list"),
        ("note.txt", "note.sig", 3, "this is not what --export wrote"),
        ("large", "first.sig", 1, "cannot be read"),
        ("gone", "first.sig", 1, "cannot be read"),
    ] {
        let refused = ceremony.import(list, signature);
        assert_eq!(refused.status.code(), Some(status), "{list} {signature}: {refused:?}");
        assert!(text(&refused.stderr).contains(why), "{list} {signature}: {refused:?}");
        assert_eq!(fs::read(ceremony.path("issuers/root.crl")).unwrap(), before, "{list} {signature}");
    }
    assert!(ceremony.import("second.tbs", "second.sig").status.success());
    let overtaken = ceremony.import("first.tbs", "first.sig");
    assert_eq!(overtaken.status.code(), Some(3), "{overtaken:?}");
    assert!(text(&overtaken.stderr).contains("export again"), "{overtaken:?}");

    let taken = ceremony.root_crl(&["--export", &ceremony.path("first.tbs").display().to_string()]);
    assert_eq!(taken.status.code(), Some(1), "a file that is there is not written over: {taken:?}");
    let half = ceremony.root_crl(&["--import", "first.tbs"]);
    assert_eq!(half.status.code(), Some(2), "{half:?}");
}

/// A CA that does not serve, and whose root key was taken away.
struct Ceremony {
    authority: CertificateAuthority,
    /// Where the root's key is.
    vault: tempfile::TempDir,
}

impl Ceremony {
    fn begin() -> Self {
        let authority = CertificateAuthority::founded_with_public_url();
        let vault = tempfile::tempdir().unwrap();
        let here = authority.directory().join("issuers/root.key.pem");
        fs::copy(&here, vault.path().join("root.key.pem")).unwrap();
        fs::remove_file(here).unwrap();
        Self { authority, vault }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.authority.directory().join(name)
    }

    fn root_crl(&self, arguments: &[&str]) -> Output {
        let mut command = Program::CertificateAuthority.command();
        command.arg("root-crl").arg("--config").arg(self.path("ca.toml")).args(arguments).output().unwrap()
    }

    /// What is printed.
    fn export(&self, to: &str) -> String {
        let output = self.root_crl(&["--export", &self.path(to).display().to_string()]);
        assert!(output.status.success(), "{output:?}");
        text(&output.stdout)
    }

    fn import(&self, list: &str, signature: &str) -> Output {
        let [list, signature] = [list, signature].map(|name| self.path(name).display().to_string());
        self.root_crl(&["--import", &list, "--signature", &signature])
    }

    fn sign(&self, list: &str, issuer: &str, to: &str) {
        let key = match issuer {
            "root" => self.vault.path().join("root.key.pem"),
            other => self.path(&format!("issuers/{other}.key.pem")),
        };
        let passphrase = format!("file:{}", self.path("passphrase").display());
        let key = key.display().to_string();
        let signed =
            self.openssl(&["dgst", "-sha256", "-passin", &passphrase, "-sign", &key, "-out", to, list]);
        assert!(signed.status.success(), "{signed:?}");
    }

    fn openssl(&self, arguments: &[&str]) -> Output {
        let directory: &Path = self.authority.directory();
        Command::new("openssl").args(arguments).current_dir(directory).output().unwrap()
    }

    fn number(&self) -> String {
        let told =
            self.openssl(&["crl", "-inform", "DER", "-noout", "-crlnumber", "-in", "issuers/root.crl"]);
        text(&told.stdout).trim().to_owned()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

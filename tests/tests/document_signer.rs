//! The signer of documents is made by the root, at `init` and in a ceremony, and signs nothing but documents.
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

use tests::{CertificateAuthority, Operator, Program};

#[test]
fn init_makes_a_signer_of_documents_that_openssl_takes_for_mail_and_for_nothing_else() {
    let authority = CertificateAuthority::founded();
    let verified = |purpose: &str| {
        let arguments = ["verify", "-CAfile", "root.cert.pem", "-purpose", purpose, "document.cert.pem"];
        let issuers = authority.directory().join("issuers");
        let told = Command::new("openssl").args(arguments).current_dir(issuers).output().unwrap();
        told.status.success()
    };
    assert!(verified("smimesign"));
    for other in ["sslclient", "sslserver", "nssslserver", "timestampsign"] {
        assert!(!verified(other), "{other}");
    }
}

#[test]
fn an_older_installation_gets_its_signer_from_a_root_that_is_elsewhere() {
    let mut ceremony = Ceremony::begin();
    ceremony.forget();
    ceremony.authority.serve();
    assert!(!doctor(&ceremony.authority).contains("document signer"));
    ceremony.authority.stop();

    let refused = ceremony.run(&[]);
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    assert!(text(&refused.stderr).contains("--export is for a key that is elsewhere"), "{refused:?}");
    let told = ceremony.export("document.tbs");
    assert!(told.contains("openssl dgst -sha256 -sign root.key.pem"), "{told}");
    assert!(told.contains("touchmark-ca document-signer --config"), "{told}");
    ceremony.sign("document.tbs", "root", "document.sig");
    let done = ceremony.import("document.tbs", "document.sig");
    assert!(done.status.success(), "{done:?}");
    let certificate = fs::read(ceremony.path("issuers/document.cert.pem")).unwrap();

    let again = ceremony.import("document.tbs", "document.sig");
    assert!(again.status.success(), "an import that was interrupted is finished: {again:?}");
    assert_eq!(fs::read(ceremony.path("issuers/document.cert.pem")).unwrap(), certificate);
    ceremony.authority.serve();
    assert!(doctor(&ceremony.authority).contains("document signer"));
}

#[test]
fn the_next_signer_takes_the_place_of_the_one_before() {
    let mut ceremony = Ceremony::begin();
    ceremony.export("first.tbs");
    ceremony.export("second.tbs");
    for name in ["first", "second"] {
        ceremony.sign(&format!("{name}.tbs"), "root", &format!("{name}.sig"));
    }
    let before = fs::read(ceremony.path("issuers/document.cert.pem")).unwrap();
    assert!(ceremony.import("second.tbs", "second.sig").status.success());
    assert_ne!(fs::read(ceremony.path("issuers/document.cert.pem")).unwrap(), before);
    ceremony.authority.document_signer();
    let late = ceremony.import("first.tbs", "first.sig");
    assert_eq!(late.status.code(), Some(3), "{late:?}");
    assert!(text(&late.stderr).contains("export again"), "{late:?}");
    ceremony.authority.serve();
}

#[test]
fn a_stolen_signer_is_revoked_and_the_roots_next_list_has_it() {
    let mut ceremony = Ceremony::begin();
    let number = "openssl x509 -in issuers/document.cert.pem -noout -serial | cut -d= -f2";
    let number = Command::new("sh").args(["-c", number]).current_dir(ceremony.authority.directory()).output();
    let number = text(&number.unwrap().stdout).trim().to_owned();
    ceremony.authority.serve();
    let operator = Operator::of(&ceremony.authority);
    let revoke = ["revoke", "--certificate", &number, "--reason", "keyCompromise", "--confirm", "1"];
    operator.says(&revoke);
    operator.says(&[
        "work-order",
        "create",
        "--product",
        "cam-2",
        "--quantity",
        "1",
        "--serials",
        "SN{1..9}",
        "--station",
        "line-1",
        "--allow-unknown-station",
    ]);
    let report = ceremony.path("report").display().to_string();
    let (_, said) = operator.fails(&["work-order", "close", "wo-000001", "--yes", "--report", &report]);
    assert!(said.contains("wo-000001 is closed, and its report was not written"), "{said}");
    assert!(said.contains("touchmark-ca document-signer"), "{said}");
    ceremony.authority.stop();

    let here = ceremony.path("issuers/root.key.pem");
    fs::copy(ceremony.vault.path().join("root.key.pem"), here).unwrap();
    let mut list = Program::CertificateAuthority.command();
    let listed = list.arg("root-crl").arg("--config").arg(ceremony.path("ca.toml")).output().unwrap();
    assert!(listed.status.success(), "{listed:?}");
    let shown = Command::new("openssl")
        .args(["crl", "-inform", "DER", "-in", "issuers/root.crl", "-noout", "-text"])
        .current_dir(ceremony.authority.directory())
        .output()
        .unwrap();
    assert!(text(&shown.stdout).contains(&number.to_uppercase()), "{shown:?}");

    // The root issues another one, and the report that is missing is written.
    let made = ceremony.run(&[]);
    assert!(made.status.success(), "{made:?}");
    ceremony.authority.serve();
    Operator::of(&ceremony.authority).says(&["work-order", "report", "wo-000001", "--out", &report]);
}

#[test]
fn what_the_root_did_not_sign_or_what_is_no_signer_of_documents_changes_nothing() {
    let ceremony = Ceremony::begin();
    ceremony.export("document.tbs");
    ceremony.sign("document.tbs", "root", "document.sig");
    ceremony.sign("document.tbs", "operational", "others.sig");
    let mut altered = fs::read(ceremony.path("document.tbs")).unwrap();
    *altered.last_mut().unwrap() ^= 1;
    fs::write(ceremony.path("altered.tbs"), altered).unwrap();
    fs::write(ceremony.path("note.txt"), "no certificate").unwrap();
    ceremony.sign("note.txt", "root", "note.sig");
    // The root signed it, as an issuer and not as a signer of documents.
    let operational = der(&ceremony.path("issuers/operational.cert.pem"));
    fs::write(ceremony.path("operational.tbs"), to_be_signed(&operational)).unwrap();
    ceremony.sign("operational.tbs", "root", "operational.sig");

    let before = fs::read(ceremony.path("issuers/document.cert.pem")).unwrap();
    for (exported, signature, why) in [
        ("document.tbs", "others.sig", "the signature is not the root's over this certificate"),
        ("altered.tbs", "document.sig", "the signature is not the root's over this certificate"),
        ("note.txt", "note.sig", "this is not what --export wrote"),
        ("operational.tbs", "operational.sig", "this is not what --export wrote"),
    ] {
        let refused = ceremony.import(exported, signature);
        assert_eq!(refused.status.code(), Some(3), "{exported} {signature}: {refused:?}");
        assert!(text(&refused.stderr).contains(why), "{exported} {signature}: {refused:?}");
        assert_eq!(fs::read(ceremony.path("issuers/document.cert.pem")).unwrap(), before, "{exported}");
    }
    let taken = ceremony.run(&["--export", &ceremony.path("document.tbs").display().to_string()]);
    assert_eq!(taken.status.code(), Some(1), "a file that is there is not written over: {taken:?}");
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

    /// Removes the files of the signer that `init` made, as if it were older than signers of documents.
    fn forget(&self) {
        for entry in fs::read_dir(self.path("issuers")).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_string_lossy().starts_with("document") {
                fs::remove_file(path).unwrap();
            }
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.authority.directory().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Program::CertificateAuthority.command();
        command.arg("document-signer").arg("--config").arg(self.path("ca.toml"));
        command.args(arguments).output().unwrap()
    }

    /// What is printed.
    fn export(&self, to: &str) -> String {
        let output = self.run(&["--export", &self.path(to).display().to_string()]);
        assert!(output.status.success(), "{output:?}");
        text(&output.stdout)
    }

    fn import(&self, exported: &str, signature: &str) -> Output {
        let [exported, signature] = [exported, signature].map(|name| self.path(name).display().to_string());
        self.run(&["--import", &exported, "--signature", &signature])
    }

    fn sign(&self, exported: &str, issuer: &str, to: &str) {
        let key = match issuer {
            "root" => self.vault.path().join("root.key.pem"),
            other => self.path(&format!("issuers/{other}.key.pem")),
        };
        let passphrase = format!("file:{}", self.path("passphrase").display());
        let mut openssl = Command::new("openssl");
        openssl.args(["dgst", "-sha256", "-passin", &passphrase, "-sign"]).arg(key);
        let signed = openssl.args(["-out", to, exported]).current_dir(self.authority.directory()).output();
        assert!(signed.as_ref().unwrap().status.success(), "{signed:?}");
    }
}

fn doctor(authority: &CertificateAuthority) -> String {
    text(&Operator::of(authority).run(&["doctor"]).stdout)
}

/// Of a certificate in PEM.
fn der(path: &Path) -> Vec<u8> {
    pem::parse(fs::read(path).unwrap()).unwrap().into_contents()
}

fn to_be_signed(certificate: &[u8]) -> Vec<u8> {
    use identity::der::{SEQUENCE, only};
    let mut fields = only(certificate, SEQUENCE).unwrap().elements().unwrap();
    fields.any().unwrap().raw.to_vec()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

//! Revoked certificates of a running CA: every implementation finds them revoked with the time and reason of
//! the ledger, in CRLs and in OCSP responses (R-OCSP-05), and finds another certificate good.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use proto::v1::revocation_service_client::RevocationServiceClient;
use proto::v1::selection::By;
use proto::v1::{CheckStatusRequest, HoldRequest, RevocationState};
use tests::python_program;
use tests::{Credentials, Holder, Site, eventually};
use time::PrimitiveDateTime;
use time::macros::format_description;

use crate::program::{run, stranger};

/// The status that an implementation found.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Finding {
    Good,
    Revoked {
        /// Unix time.
        at: i64,
        /// As RFC 5280 writes it.
        reason: String,
    },
    Other(String),
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_finds_what_the_ledger_says_since_the_same_second_and_for_the_same_reason() {
    let site = Site::open();
    let mut holders = Vec::new();
    for (unit, reason) in (1..).zip(["", "keyCompromise", "superseded", "unspecified", "certificateHold"]) {
        let holder = site.device(unit).await;
        match reason {
            "" => {}
            "certificateHold" => {
                let hold = HoldRequest { device: Some(holder.id.clone()), remark: String::new() };
                site.factory.operator().lifecycle().hold(hold).await.unwrap();
            }
            reason => site.revoke(By::Device(holder.id.clone()), 2, reason).await,
        }
        holders.push(holder);
    }
    let ledger = ledger(&site, &holders).await;
    let reasons = ledger.iter().map(|finding| match finding {
        Finding::Revoked { reason, .. } => reason.as_str(),
        _ => "",
    });
    assert!(reasons.eq(["", "keyCompromise", "superseded", "unspecified", "certificateHold"]), "{ledger:?}");

    let crls = || holders.iter().map(|holder| openssl_crl(&site, holder)).collect::<Vec<_>>();
    let listed = eventually(VISIBLE_WITHIN, "the CRL says what the ledger says", async || {
        Some(crls()).filter(|found| *found == ledger)
    });
    listed.await;
    let one_by_one = |ask: fn(&Site, &Holder) -> Finding| -> Vec<Finding> {
        holders.iter().map(|holder| ask(&site, holder)).collect()
    };
    assert_eq!(one_by_one(openssl_ocsp), ledger, "openssl ocsp");
    assert_eq!(one_by_one(ocsptool), ledger, "ocsptool");
    let files: Vec<_> = holders.iter().map(|holder| files(&site, holder)).collect();
    for source in ["ocsp", "crl"] {
        assert_eq!(java(&site, &files, source), ledger, "java, {source}");
        assert_eq!(pyca(&site, &files, source), ledger, "pyca, {source}");
    }
}

/// The CA's own record.
async fn ledger(site: &Site, holders: &[Holder]) -> Vec<Finding> {
    let serial_numbers = holders.iter().map(|holder| holder.operational.serial_number()).collect();
    let mut client = RevocationServiceClient::new(site.factory.operator().channel());
    let states =
        client.check_status(CheckStatusRequest { serial_numbers }).await.unwrap().into_inner().states;
    let finding = |state: &proto::v1::CertificateState| match state.state() {
        RevocationState::Good => Finding::Good,
        RevocationState::Revoked | RevocationState::Held => {
            Finding::Revoked { at: state.revoked_at.unwrap().seconds, reason: state.reason.clone() }
        }
        other => Finding::Other(format!("{other:?}")),
    };
    states.iter().map(finding).collect()
}

fn openssl_crl(site: &Site, holder: &Holder) -> Finding {
    match site.listed("/crl/operational/0.crl", &holder.serial()) {
        None => Finding::Good,
        Some((date, reason)) => Finding::Revoked { at: openssl_time(&date), reason: one_word(&reason) },
    }
}

fn openssl_ocsp(site: &Site, holder: &Holder) -> Finding {
    let text = site.openssl_ocsp(&holder.operational, &[]);
    match (text.contains(": good"), text.contains(": revoked")) {
        (true, false) => Finding::Good,
        (false, true) => Finding::Revoked {
            at: openssl_time(after(&text, "Revocation Time: ").unwrap()),
            reason: after(&text, "Reason: ").unwrap_or("unspecified").to_owned(),
        },
        _ => Finding::Other(text),
    }
}

/// GnuTLS prints no reason: openssl reads it in the response that GnuTLS got and verified.
fn ocsptool(site: &Site, holder: &Holder) -> Finding {
    let (text, answer) = site.ocsptool(&holder.operational);
    match after(&text, "Certificate Status: ") {
        Some("good") => Finding::Good,
        Some("revoked") => {
            let mut openssl = Command::new("openssl");
            let read = run(openssl.args(["ocsp", "-noverify", "-resp_text", "-respin"]).arg(answer)).text;
            let reason = after(&read, "Revocation Reason: ").and_then(|text| text.split(' ').next());
            let time = format_description!(
                "[weekday repr:short] [month repr:short] [day padding:zero] [hour]:[minute]:[second] UTC [year]"
            );
            let at = PrimitiveDateTime::parse(after(&text, "Revocation time: ").unwrap(), time).unwrap();
            Finding::Revoked {
                at: at.assume_utc().unix_timestamp(),
                reason: reason.unwrap_or("unspecified").to_owned(),
            }
        }
        _ => Finding::Other(text),
    }
}

/// The JDK's validator, which follows the URLs in the certificates.
fn java(site: &Site, files: &[[PathBuf; 3]], how: &str) -> Vec<Finding> {
    let lines = files.iter().map(|files| format!("{how}\t{}\t{how}\n", joined(files)));
    let table = site.write("java.tsv", lines.collect::<String>());
    let mut java = Command::new("java");
    java.args(["-Xshare:auto", "-XX:TieredStopAtLevel=1"]).arg(stranger("Revocation.java")).arg(table);
    let answer = run(&mut java);
    assert!(answer.content, "java: {}", answer.text);
    answer.stdout.lines().map(|line| finding(line.strip_prefix(how).unwrap())).collect()
}

/// pyca's results of one kind; it fetches and verifies both kinds.
fn pyca(site: &Site, files: &[[PathBuf; 3]], source: &str) -> Vec<Finding> {
    let lines = files.iter().map(|files| format!("x\t{}\n", joined(&files[..2])));
    let table = site.write("pyca.tsv", lines.collect::<String>());
    let answer = run(Command::new(python_program("python")).arg(stranger("revocation.py")).arg(table));
    assert!(answer.content, "pyca: {}", answer.text);
    let lines = answer.stdout.lines();
    lines.filter_map(|line| line.strip_prefix(&format!("x\t{source}"))).map(finding).collect()
}

/// Leaf, chain and root.
fn files(site: &Site, holder: &Holder) -> [PathBuf; 3] {
    let serial = holder.serial();
    let Credentials { certificate, chain, trust, .. } = &holder.operational;
    [("leaf", certificate), ("chain", chain), ("root", trust)]
        .map(|(what, text)| site.write(&format!("{what}-{serial}.pem"), text))
}

fn joined(files: &[PathBuf]) -> String {
    files.iter().map(|file| file.to_str().unwrap()).collect::<Vec<_>>().join("\t")
}

/// The value that a script prints behind the name.
fn finding(fields: &str) -> Finding {
    match fields.split('\t').skip(1).collect::<Vec<_>>()[..] {
        ["good"] => Finding::Good,
        ["revoked", at, reason] => Finding::Revoked { at: at.parse().unwrap(), reason: reason.to_owned() },
        _ => Finding::Other(fields.to_owned()),
    }
}

/// The rest of the line that has this in it.
fn after<'a>(text: &'a str, what: &str) -> Option<&'a str> {
    Some(text.split_once(what)?.1.lines().next()?.trim())
}

fn openssl_time(text: &str) -> i64 {
    let time =
        format_description!("[month repr:short] [day padding:space] [hour]:[minute]:[second] [year] GMT");
    let parsed = PrimitiveDateTime::parse(text, time);
    parsed.unwrap_or_else(|why| panic!("{text}: {why}")).assume_utc().unix_timestamp()
}

/// A reason as RFC 5280 writes it, from openssl's `Key Compromise`; CRLs omit `unspecified` (R-CRL-05).
fn one_word(reason: &str) -> String {
    if reason.is_empty() {
        return "unspecified".to_owned();
    }
    let joined = reason.replace(' ', "");
    format!("{}{}", joined[..1].to_lowercase(), &joined[1..])
}

/// A revocation is visible within this (R-OCSP-08); the machine may be busy.
const VISIBLE_WITHIN: Duration = Duration::from_secs(10);

//! Five verifiers with one task: is this chain good for this purpose at this time?

use std::process::Command;
use std::time::UNIX_EPOCH;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, UnixTime};
use tests::python_program;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::case::{Case, Purpose};
use crate::program::{run, stranger};

/// Accepted, or why not.
pub(crate) type Verdict = Result<(), String>;

pub(crate) fn openssl(case: &Case) -> Verdict {
    let answer = run(Command::new("openssl")
        .args(["verify", "-x509_strict", "-purpose"])
        .arg(if case.purpose == Purpose::Server { "sslserver" } else { "sslclient" })
        .args(["-attime", &case.unix_time().to_string(), "-CAfile"])
        .arg(&case.root)
        .arg("-untrusted")
        .arg(&case.chain)
        .arg(&case.leaf));
    if answer.content { Ok(()) } else { Err(answer.text) }
}

pub(crate) fn webpki(case: &Case) -> Verdict {
    let read = |path| -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_file_iter(path).unwrap().map(Result::unwrap).collect()
    };
    let (leaf, chain, root) = (read(&case.leaf), read(&case.chain), read(&case.root));
    let anchor = anchor_from_trusted_cert(&root[0]).map_err(|error| error.to_string())?;
    let usage = match case.purpose {
        Purpose::Client => KeyUsage::client_auth(),
        Purpose::Server => KeyUsage::server_auth(),
    };
    let time = UnixTime::since_unix_epoch(case.at.duration_since(UNIX_EPOCH).unwrap());
    EndEntityCert::try_from(&leaf[0])
        .and_then(|leaf| {
            leaf.verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &[anchor], &chain, time, usage, None, None)
                .map(drop)
        })
        .map_err(|error| error.to_string())
}

/// certtool uses the clock, so the clock is faked.
pub(crate) fn gnutls(case: &Case) -> Verdict {
    let chain = case.leaf.with_extension("gnutls.pem");
    let text = [&case.leaf, &case.chain].map(|path| std::fs::read_to_string(path).unwrap()).concat();
    std::fs::write(&chain, text).unwrap();
    let answer = run(Command::new("faketime")
        .arg("-f")
        .arg(format!("@{}", timestamp(case)))
        .args(["certtool", "--verify", "--verify-profile", "medium", "--verify-purpose"])
        .arg(if case.purpose == Purpose::Server { "1.3.6.1.5.5.7.3.1" } else { "1.3.6.1.5.5.7.3.2" })
        .arg("--load-ca-certificate")
        .arg(&case.root)
        .arg("--infile")
        .arg(&chain)
        .env("TZ", "UTC"));
    if answer.content { Ok(()) } else { Err(answer.text) }
}

fn timestamp(case: &Case) -> String {
    let moment = time::OffsetDateTime::from(case.at);
    format!("{} {:02}:{:02}:{:02}", moment.date(), moment.hour(), moment.minute(), moment.second())
}

pub(crate) fn pyca(cases: &[Case]) -> Vec<Verdict> {
    let table = table(cases);
    verdicts(cases, &run(Command::new(python_program("python")).arg(stranger("pyca.py")).arg(table)).stdout)
}

pub(crate) fn java(cases: &[Case]) -> Vec<Verdict> {
    let table = table(cases);
    let answer = run(Command::new("java")
        .args(["-Xshare:auto", "-XX:TieredStopAtLevel=1"])
        .arg(stranger("Pkix.java"))
        .arg(table));
    assert!(answer.content, "java: {}", answer.text);
    verdicts(cases, &answer.stdout)
}

/// The cases as both scripts read them.
fn table(cases: &[Case]) -> std::path::PathBuf {
    let path = cases[0].root.with_file_name("cases.tsv");
    let lines: String = cases
        .iter()
        .map(|case| {
            let purpose = if case.purpose == Purpose::Server { "server" } else { "client" };
            let files = [&case.leaf, &case.chain, &case.root].map(|path| path.to_str().unwrap()).join("\t");
            format!("{}\t{files}\t{purpose}\t{}\n", case.name, case.unix_time())
        })
        .collect();
    std::fs::write(&path, lines).unwrap();
    path
}

fn verdicts(cases: &[Case], stdout: &str) -> Vec<Verdict> {
    let lines: Vec<Vec<&str>> = stdout.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(lines.len(), cases.len(), "{stdout}");
    cases
        .iter()
        .zip(lines)
        .map(|(case, line)| {
            assert_eq!(line[0], case.name);
            if line[1] == "accepted" { Ok(()) } else { Err(line[2].to_owned()) }
        })
        .collect()
}

//! Public data agrees with the ledger: CRLs, OCSP, issuers' certificates, of a running CA.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test"
)]

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use issuance::{CrlNumber, CrlSummary};
use proto::v1::selection::By;
use proto::v1::{HoldRequest, ReleaseRequest, Role};
use tests::{Site, eventually, plain_http};

/// A revocation is visible within this (R-OCSP-08); the machine may be busy.
const VISIBLE_WITHIN: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn crls_and_ocsp_agree_on_time_and_reason() {
    let site = Site::open();
    let (good, bad) = (site.device(1).await, site.device(2).await);
    let crls = ["/crl/root/full.crl", "/crl/operational/0.crl"];
    for holder in [&good, &bad] {
        assert!(site.openssl_ocsp(&holder.operational, &[]).contains(": good"));
        assert!(site.openssl_ocsp(&holder.operational, &["-sha256"]).contains(": good"), "R-OCSP-02");
        assert!(site.openssl_ocsp(&holder.operational, &["-no_nonce"]).contains(": good"), "R-OCSP-03");
        assert!(site.ocsptool(&holder.operational).0.contains("Certificate Status: good"));
        assert!(site.openssl_verify(&holder.operational, &crls).contains(": OK"));
    }
    let began = Instant::now();
    site.revoke(By::Device(bad.id.clone()), 2, "keyCompromise").await;
    let serial = bad.serial();
    let listed = eventually(VISIBLE_WITHIN, "the CRL of its shard lists it", async || {
        site.listed("/crl/operational/0.crl", &serial)
    })
    .await;
    eprintln!("revoked and listed within {:?}", began.elapsed());
    assert_eq!(listed.1, "Key Compromise");
    let whole = eventually(VISIBLE_WITHIN, "the full CRL lists it", async || {
        site.listed("/crl/operational/full.crl", &serial)
    });
    assert_eq!(whole.await, listed);
    for extra in [&[][..], &["-sha256"], &["-no_nonce"]] {
        let text = site.openssl_ocsp(&bad.operational, extra);
        assert!(text.contains(": revoked") && text.contains("Reason: keyCompromise"), "{text}");
        assert!(text.contains(&format!("Revocation Time: {}", listed.0)), "{listed:?} {text}");
    }
    let (text, _) = site.ocsptool(&bad.operational);
    assert!(text.contains("Certificate Status: revoked"), "{text}");
    let verdict = site.openssl_verify(&bad.operational, &crls);
    assert!(verdict.contains("certificate revoked"), "{verdict}");
    let verdict = site.openssl_verify(&bad.operational, &["/crl/root/full.crl", "/crl/operational/full.crl"]);
    assert!(verdict.contains("certificate revoked"), "R-CRL-09: {verdict}");
    assert!(site.openssl_verify(&good.operational, &crls).contains(": OK"));
    // R-CRL-08: another issuer's CRL does not do.
    let verdict = site.openssl_verify(&good.operational, &["/crl/root/full.crl", "/crl/factory/0.crl"]);
    assert!(verdict.contains("unable to get certificate CRL"), "{verdict}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_on_the_crl_and_a_release_takes_it_off() {
    // R-CRL-06.
    let site = Site::open();
    let holder = site.device(1).await;
    let serial = holder.serial();
    let hold = HoldRequest { device: Some(holder.id.clone()), remark: String::new() };
    site.factory.operator().lifecycle().hold(hold).await.unwrap();
    let listed =
        eventually(VISIBLE_WITHIN, "it is listed", async || site.listed("/crl/operational/0.crl", &serial));
    assert_eq!(listed.await.1, "Certificate Hold");
    let text = site.openssl_ocsp(&holder.operational, &["-no_nonce"]);
    assert!(text.contains("Reason: certificateHold"), "{text}");
    let release = ReleaseRequest { device: Some(holder.id.clone()) };
    site.factory.operator().lifecycle().release(release).await.unwrap();
    eventually(VISIBLE_WITHIN, "it is off the CRL", async || {
        site.listed("/crl/operational/0.crl", &serial).is_none().then_some(())
    })
    .await;
    assert!(site.openssl_ocsp(&holder.operational, &["-no_nonce"]).contains(": good"));
}

#[tokio::test(flavor = "multi_thread")]
async fn crl_numbers_go_on_over_kills_and_crls_are_never_torn() {
    // R-CRL-01, R-CRL-12.
    let mut site = Site::open();
    let path = "/crl/infrastructure/0.crl";
    let mut last = number(&site, path);
    for round in 0..4 {
        let name = format!("line-{round}");
        site.factory.credential(Role::Station, &name).await;
        let public = site.authority.public();
        let stop = AtomicBool::new(false);
        let seen = std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut seen = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let (head, body) =
                        plain_http(public, &format!("GET {path} HTTP/1.0\r\nhost: ca\r\n\r\n"), &[]);
                    let summary = CrlSummary::from_der(&body).expect("a whole CRL");
                    assert!(head.contains(&format!("etag: \"{}\"", summary.number)), "{head}");
                    seen.push(summary.number);
                }
                seen
            });
            tokio::task::block_in_place(|| {
                tokio::runtime::Handle::current().block_on(async {
                    let request = proto::v1::RevokePrincipalRequest {
                        role: Role::Station.into(),
                        name: name.clone(),
                        ..Default::default()
                    };
                    site.factory.operator().principals().revoke(request).await.unwrap();
                    eventually(VISIBLE_WITHIN, "a newer CRL", async || {
                        (number(&site, path) > last).then_some(())
                    })
                    .await;
                });
            });
            stop.store(true, Ordering::Relaxed);
            reader.join().unwrap()
        });
        assert!(seen.is_sorted() && !seen.is_empty());
        last = number(&site, path);
        // Killed anywhere, the published data is there again, or newer.
        site.kill_and_serve();
        let after = number(&site, path);
        assert!(after >= last, "{after} after {last}");
        last = after;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_restored_from_an_older_backup_is_refused_until_an_operator_says_so() {
    // R-CRL-01, R-CA-06.
    let mut site = Site::open();
    let path = "/crl/infrastructure/0.crl";
    assert!(site.authority.stop().success());
    let store = site.authority.directory().join("store");
    let backup = site.directory().join("backup");
    copy(&store, &backup);
    site.serve_again();
    site.factory.credential(Role::Station, "line-1").await;
    let request = proto::v1::RevokePrincipalRequest {
        role: Role::Station.into(),
        name: "line-1".into(),
        ..Default::default()
    };
    let before = number(&site, path);
    site.factory.operator().principals().revoke(request).await.unwrap();
    eventually(VISIBLE_WITHIN, "a newer CRL", async || (number(&site, path) > before).then_some(())).await;
    let last = number(&site, path);
    assert!(site.authority.stop().success());
    std::fs::remove_dir_all(&store).unwrap();
    copy(&backup, &store);
    let refused = site.authority.serve_within(Duration::from_secs(20)).unwrap_err();
    assert!(site.authority.log().contains("accept-restored-store"), "{refused} {}", site.authority.log());
    let output = tests::Program::CertificateAuthority
        .command()
        .args(["accept-restored-store", "--yes"])
        .arg("--config")
        .arg(site.authority.directory().join("ca.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    site.authority.serve();
    let after = eventually(VISIBLE_WITHIN, "a CRL", async || {
        Some(number(&site, path)).filter(|number| *number > last)
    });
    assert!(after.await > CrlNumber::new(1, 0), "of a later epoch");
}

fn number(site: &Site, path: &str) -> CrlNumber {
    CrlSummary::from_der(&site.crl(path)).unwrap().number
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crl_is_served_as_caches_want_it() {
    // R-CRL-12.
    let site = Site::open();
    let path = "/crl/factory/full.crl";
    let (head, body) = site.fetch(path);
    for wanted in
        ["content-type: application/pkix-crl", "etag: \"", "last-modified: ", "cache-control: public"]
    {
        assert!(head.contains(wanted), "{wanted}: {head}");
    }
    let etag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
    let ask = |method: &str, extra: &str| {
        let text = format!("{method} {path} HTTP/1.1\r\nhost: ca\r\nconnection: close\r\n{extra}\r\n");
        plain_http(site.authority.public(), &text, &[])
    };
    let (head, empty) = ask("HEAD", "");
    assert!(
        head.starts_with("HTTP/1.1 200") && head.contains(&format!("content-length: {}", body.len())),
        "{head}"
    );
    assert!(empty.is_empty());
    let (head, part) = ask("GET", "range: bytes=10-19\r\n");
    assert!(head.starts_with("HTTP/1.1 206") && head.contains("content-range: bytes 10-19/"), "{head}");
    assert_eq!(part, body[10..20]);
    assert!(ask("GET", "range: bytes=99999-\r\n").0.starts_with("HTTP/1.1 416"));
    assert!(ask("GET", &format!("if-none-match: {etag}\r\n")).0.starts_with("HTTP/1.1 304"));
    assert!(ask("GET", "accept-encoding: gzip\r\n").1 == body);
    assert!(ask("POST", "content-length: 0\r\n").0.starts_with("HTTP/1.1 405"));
    for nothing in
        ["/crl/factory/9.crl", "/crl/factory/00.crl", "/crl/other/full.crl", "/", "/issuers/other.cer"]
    {
        assert!(site.fetch(nothing).0.starts_with("HTTP/1.0 404"), "{nothing}");
    }
    let (head, certificate) = site.fetch("/issuers/operational.cer");
    assert!(head.contains("content-type: application/pkix-cert"), "R-5280-17: {head}");
    assert!(issuance::Certificate::from_der(&certificate).unwrap().is_ca());
    // R-OCSP-01: nonsense is answered, with 200.
    for (ask, body) in [("POST /ocsp", &b"nonsense"[..]), ("GET /ocsp/bm9uc2Vuc2U=", b"")] {
        let length = body.len();
        let head = format!(
            "{ask} HTTP/1.0\r\nhost: ca\r\ncontent-type: application/ocsp-request\r\ncontent-length: {length}\r\n\r\n"
        );
        let (head, answer) = plain_http(site.authority.public(), &head, body);
        assert!(head.starts_with("HTTP/1.0 200") && head.contains("application/ocsp-response"), "{head}");
        assert_eq!(answer, [0x30, 3, 0x0a, 1, 1]);
    }
}

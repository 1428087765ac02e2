//! HTTP details that caches and clients of OCSP and CRLs rely on, of a running CA.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use proto::v1::selection::By;
use tests::{Holder, Site, plain_http};

/// The longest time that an HTTP cache may keep a CRL or an OCSP response, as in
/// `docs/operations/brokers.md`.
const MAX_AGE_SECONDS: u64 = 60;

#[tokio::test(flavor = "multi_thread")]
async fn an_ocsp_request_is_taken_with_its_media_type_in_any_case_and_with_parameters() {
    // RFC 9110, section 8.3.1.
    let site = Site::open();
    let holder = site.device(1).await;
    let question = question(&site, &holder);
    for kind in
        ["application/ocsp-request", "Application/OCSP-Request", "application/ocsp-request; charset=utf-8"]
    {
        let (head, answer) = post(&site, "/ocsp", kind, &question);
        assert!(head.starts_with("HTTP/1.1 200"), "{kind}: {head}");
        assert!(answer.len() > 200, "{kind}: a signed answer");
    }
    for kind in ["text/plain", "application/ocsp-response", "application/ocsp-request-not"] {
        assert!(post(&site, "/ocsp", kind, &question).0.starts_with("HTTP/1.1 415"), "{kind}");
    }
    // The other endpoint that takes a body.
    for (kind, status) in [("Application/PKCS10; x=y", "400"), ("text/plain", "415")] {
        let (head, _) = post(&site, "/key-compromise", kind, b"nonsense");
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{kind}: {head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ocsp_request_in_a_path_is_taken_in_both_alphabets_of_base64() {
    let site = Site::open();
    let holder = site.device(1).await;
    let question = question(&site, &holder);
    let percent = STANDARD.encode(&question).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    for written in
        [percent, STANDARD.encode(&question), URL_SAFE.encode(&question), URL_SAFE_NO_PAD.encode(&question)]
    {
        let (head, answer) = get(&site, &format!("/ocsp/{written}"), "");
        assert!(head.starts_with("HTTP/1.1 200") && answer.len() > 200, "{written}: {head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_the_crl_or_the_ocsp_response_already_is_told_so() {
    // RFC 9110, sections 13.1.2 and 13.1.3.
    let site = Site::open();
    let holder = site.device(1).await;
    let ocsp = format!("/ocsp/{}", URL_SAFE_NO_PAD.encode(question(&site, &holder)));
    for path in ["/crl/operational/0.crl", "/crl/factory/full.crl", &ocsp] {
        let (head, body) = get(&site, path, "");
        assert!(head.starts_with("HTTP/1.1 200") && !body.is_empty(), "{path}: {head}");
        let (etag, modified) = (header(&head, "etag"), header(&head, "last-modified"));
        for known in [
            format!("if-none-match: {etag}"),
            format!("if-none-match: W/{etag}"),
            format!("if-none-match: \"other\", W/{etag} , \"another\""),
            "if-none-match: *".to_owned(),
            format!("if-modified-since: {modified}"),
            format!("if-none-match: {etag}\r\nif-modified-since: Sun, 06 Nov 1994 08:49:37 GMT"),
        ] {
            let (head, body) = get(&site, path, &format!("{known}\r\n"));
            assert!(head.starts_with("HTTP/1.1 304") && body.is_empty(), "{path} {known}: {head}");
            assert_eq!(header(&head, "etag"), etag, "{path}");
        }
        for unknown in [
            "if-none-match: \"other\"".to_owned(),
            "if-modified-since: Sun, 06 Nov 1994 08:49:37 GMT".to_owned(),
            format!("if-none-match: \"other\"\r\nif-modified-since: {modified}"),
        ] {
            let (head, _) = get(&site, path, &format!("{unknown}\r\n"));
            assert!(head.starts_with("HTTP/1.1 200"), "{path} {unknown}: {head}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_is_told_to_keep_nothing_for_longer_than_a_minute() {
    let site = Site::open();
    let holder = site.device(1).await;
    let ocsp = format!("/ocsp/{}", URL_SAFE_NO_PAD.encode(question(&site, &holder)));
    for path in ["/crl/operational/0.crl", "/crl/root/full.crl", &ocsp] {
        let control = header(&get(&site, path, "").0, "cache-control");
        let age =
            control.split(',').find_map(|part| part.trim().strip_prefix("max-age=")).expect("a max-age");
        let age: u64 = age.parse().unwrap();
        assert!(age > 0 && age <= MAX_AGE_SECONDS, "{path}: {control}");
    }
    // A response with other content has another entity tag.
    let before = header(&get(&site, &ocsp, "").0, "etag");
    site.revoke(By::Device(holder.id.clone()), 2, "keyCompromise").await;
    let after = get(&site, &ocsp, &format!("if-none-match: {before}\r\n")).0;
    assert!(after.starts_with("HTTP/1.1 200") && header(&after, "etag") != before, "{after}");
}

/// A request without a nonce about the operational certificate, as openssl writes it.
fn question(site: &Site, holder: &Holder) -> Vec<u8> {
    let certificate = site.write("leaf.pem", &holder.operational.certificate);
    let issuer = site.write("issuer.pem", &holder.operational.chain);
    let out = site.directory().join("question.der");
    let status = Command::new("openssl")
        .args(["ocsp", "-no_nonce", "-issuer"])
        .arg(issuer)
        .arg("-cert")
        .arg(certificate)
        .arg("-reqout")
        .arg(&out)
        .status();
    assert!(status.unwrap().success());
    std::fs::read(out).unwrap()
}

fn get(site: &Site, path: &str, headers: &str) -> (String, Vec<u8>) {
    let head = format!("GET {path} HTTP/1.1\r\nhost: ca\r\nconnection: close\r\n{headers}\r\n");
    plain_http(site.authority.public(), &head, &[])
}

fn post(site: &Site, path: &str, kind: &str, body: &[u8]) -> (String, Vec<u8>) {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: ca\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n"
    );
    plain_http(site.authority.public(), &head, body)
}

fn header(head: &str, name: &str) -> String {
    let line = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
    line.unwrap_or_else(|| panic!("no {name}: {head}")).to_owned()
}

//! Whoever proves to have a key, without any program of ours, has all its certificates revoked at once and
//! permanently (R-LIFE-13).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::process::Command;
use std::time::Duration;

use prost::bytes::Bytes;
use proto::v1::revocation_service_client::RevocationServiceClient;
use proto::v1::{
    CheckStatusRequest, EnrollRequest, GetTrustBundleRequest, RevocationEvent, RevocationState, Role,
    WatchRevocationsRequest,
};
use rcgen::KeyPair;
use tests::{
    Credentials, Device, KeyAndRequest, Operator, OrderTerms, Site, eventually, plain_http, refusal, within,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_made_with_openssl_revokes_the_keys_certificates_and_everybody_learns_it() {
    let site = Site::open();
    let (leaked, other) = (site.device(1).await, site.device(2).await);
    let proof = proof(&site, &leaked.operational.key, AGREED);
    assert_eq!(post(&site, &proof), (200, "{\"revoked\":1}\n".to_owned()));
    assert_eq!(post(&site, &proof), (200, "{\"revoked\":0}\n".to_owned()), "once is enough");

    let numbers = [&leaked.operational, &leaked.birth, &other.operational, &other.birth];
    let numbers = numbers.map(Credentials::serial_number);
    let expected =
        [RevocationState::Revoked, RevocationState::Good, RevocationState::Good, RevocationState::Good];
    assert_eq!(states(&site, &numbers).await, expected, "a proof is of one key");
    let caller = site.authority.caller(&leaked.operational);
    let said = refusal(caller.enrollment().get_trust_bundle(GetTrustBundleRequest {}).await);
    assert_eq!(said.reason, "CLIENT_CERTIFICATE_REVOKED");

    let listed = eventually(VISIBLE_WITHIN, "its shard lists it", async || {
        site.listed("/crl/operational/0.crl", &leaked.serial())
    });
    assert_eq!(listed.await.1, "Key Compromise");
    let answer = site.openssl_ocsp(&leaked.operational, &[]);
    assert!(answer.contains(": revoked") && answer.contains("Reason: keyCompromise"), "{answer}");
    assert!(site.openssl_ocsp(&other.operational, &[]).contains(": good"));
    let heard = heard(&site, 1).await;
    let told: Vec<_> = heard.iter().map(|it| (&it.serial_number, it.state(), it.reason.as_str())).collect();
    assert_eq!(told, [(&numbers[0], RevocationState::Revoked, "keyCompromise")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_proven_to_be_compromised_is_refused_to_everybody_for_ever() {
    let mut site = Site::open();
    let (leaked, other) = (site.device(1).await, site.device(2).await);
    for credentials in [&leaked.birth, &leaked.operational] {
        let proof = proof(&site, &credentials.key, AGREED);
        assert_eq!(post(&site, &proof), (200, "{\"revoked\":1}\n".to_owned()));
    }
    for restarts in 0..2 {
        let line = format!("line-{}", 7 + restarts);
        let station = site.factory.station(&line).await;
        let order = site.factory.order(OrderTerms::new(4, &[&line])).await;
        for credentials in [&leaked.birth, &leaked.operational] {
            let key = || KeyAndRequest::of(KeyPair::from_pem(&credentials.key).unwrap());
            let newcomer = Device::with_key("cam-2", "SN000007", key());
            let born = station.provisioning().issue_birth_certificate(newcomer.birth_request(&order)).await;
            assert_eq!(refusal(born).reason, "KEY_ALREADY_USED", "for a new device, {restarts} restarts");
            let request = EnrollRequest { request_id: newcomer.request_id, csr: key().csr };
            let caller = site.authority.caller(&other.birth);
            let enrolled = refusal(caller.enrollment().enroll(request).await);
            assert_eq!(enrolled.reason, "KEY_ALREADY_USED", "for a known device, {restarts} restarts");
            let issued = refusal(site.factory.issue(Role::Station, "line-9", &key().csr).await);
            assert_eq!(issued.reason, "KEY_ALREADY_USED", "for a station, {restarts} restarts");
        }
        assert_eq!(site.factory.counts(&order).await.issued, 0);
        site.kill_and_serve();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_proves_nothing_is_refused_and_changes_nothing() {
    let site = Site::open();
    let device = site.device(1).await;
    let before = entries(&site);
    let good = proof(&site, &device.operational.key, AGREED);
    let mut forged = good.clone();
    *forged.last_mut().unwrap() ^= 1;
    let ordinary = proof(&site, &device.operational.key, "/CN=SN000001");
    let more = proof(&site, &device.operational.key, &format!("{AGREED}/O=Example"));
    let stranger = run(Command::new("openssl").args([
        "genpkey",
        "-algorithm",
        "EC",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
    ]));
    let unknown = proof(&site, &String::from_utf8(stranger).unwrap(), AGREED);
    let oversized = [&good[..], &[0; 8 * 1024]].concat();
    for (what, body, status, reason) in [
        ("signed by another key", &forged[..], 400, "PROOF_OF_POSSESSION_FAILED"),
        ("an ordinary request", &ordinary, 400, "REQUEST_INVALID"),
        ("a request that says more", &more, 400, "REQUEST_INVALID"),
        ("cut short", &good[..good.len() - 1], 400, "CSR_NOT_DER"),
        ("nothing", &[], 400, "CSR_NOT_DER"),
        ("of a key that nobody here has", &unknown, 404, "KEY_UNKNOWN"),
        ("oversized", &oversized, 413, "too large"),
    ] {
        let (code, said) = post(&site, body);
        assert_eq!(code, status, "{what}: {said}");
        assert!(said.contains(reason), "{what}: {said}");
    }
    assert_eq!(post_as(&site, "application/x-pem-file", &good).0, 415);
    assert!(site.fetch("/key-compromise").0.contains(" 405 "));
    assert_eq!(entries(&site), before, "nothing is on record");
    let numbers = [device.operational.serial_number(), device.birth.serial_number()];
    assert_eq!(states(&site, &numbers).await, [RevocationState::Good; 2]);
    assert_eq!(post(&site, &good).0, 200, "and the desk is still open");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuers_key_is_an_emergency_that_is_told_and_logged_and_not_a_certificate_to_revoke() {
    let site = Site::open();
    let device = site.device(1).await;
    let before = entries(&site);
    for issuer in ["root", "factory", "operational", "infrastructure"] {
        let directory = site.authority.directory();
        let key = directory.join(format!("issuers/{issuer}.key.pem"));
        let passphrase = format!("file:{}", directory.join("passphrase").display());
        let proof = run(Command::new("openssl")
            .args([
                "req",
                "-new",
                "-batch",
                "-subj",
                AGREED,
                "-outform",
                "DER",
                "-passin",
                &passphrase,
                "-key",
            ])
            .arg(key));
        assert_eq!(
            post(&site, &proof),
            (409, "{\"reason\":\"ISSUER_NOT_REVOCABLE\"}\n".to_owned()),
            "{issuer}"
        );
        let logged = format!("the key of the {issuer} issuer was proven to be compromised");
        assert!(site.authority.logs(&logged), "{issuer}");
    }
    let doctor = Operator::of(&site.authority).run(&["doctor"]);
    assert_eq!(doctor.status.code(), Some(6), "{doctor:?}");
    let said = String::from_utf8(doctor.stdout).unwrap();
    assert!(said.contains("the key of the factory issuer was proven to be compromised"), "{said}");
    assert!(
        site.authority.metrics().contains("touchmark_issuer_compromise_proofs_total{issuer=\"factory\"} ")
    );
    assert_eq!(entries(&site), before, "nothing is on record");
    assert_eq!(states(&site, &[device.operational.serial_number()]).await, [RevocationState::Good]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_sends_proofs_without_end_is_told_to_wait_and_crls_are_served() {
    let site = Site::open();
    let device = site.device(1).await;
    let proof = proof(&site, &device.operational.key, AGREED);
    let turned_away =
        (0..FLOOD).map(|_| send(&site, PROOF_TYPE, b"nonsense").0).find(|head| status(head) == 429);
    let head = turned_away.expect("somebody who floods is told to wait");
    let wait = head.lines().find_map(|line| line.strip_prefix("retry-after: ")).expect("and until when");
    assert!((1..=2).contains(&wait.parse::<u64>().unwrap()), "{head}");
    assert!(site.fetch("/crl/operational/0.crl").0.contains(" 200 "));
    let told = eventually(VISIBLE_WITHIN, "whoever waits is listened to", async || {
        Some(post(&site, &proof)).filter(|(status, _)| *status != 429)
    });
    assert_eq!(told.await, (200, "{\"revoked\":1}\n".to_owned()));
}

/// A certificate request of this key with this subject, made by openssl.
fn proof(site: &Site, key: &str, subject: &str) -> Vec<u8> {
    let key = site.write("leaked.pem", key);
    let mut openssl = Command::new("openssl");
    run(openssl
        .args(["req", "-new", "-batch", "-utf8", "-subj", subject, "-outform", "DER", "-key"])
        .arg(key))
}

fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

fn post(site: &Site, proof: &[u8]) -> (u16, String) {
    post_as(site, PROOF_TYPE, proof)
}

fn post_as(site: &Site, kind: &str, proof: &[u8]) -> (u16, String) {
    let (head, said) = send(site, kind, proof);
    (status(&head), String::from_utf8(said).unwrap())
}

fn send(site: &Site, kind: &str, proof: &[u8]) -> (String, Vec<u8>) {
    let head = format!(
        "POST /key-compromise HTTP/1.0\r\nhost: ca\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
        proof.len()
    );
    plain_http(site.authority.public(), &head, proof)
}

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

/// How many entries the ledger has.
fn entries(site: &Site) -> u64 {
    let (_, page) = plain_http(site.authority.http(), "GET /metrics HTTP/1.0\r\nhost: ca\r\n\r\n", &[]);
    let page = String::from_utf8(page).unwrap();
    let entries = page.lines().find_map(|line| line.strip_prefix("touchmark_store_entries "));
    entries.unwrap_or_else(|| panic!("{page}")).parse::<f64>().unwrap() as u64
}

async fn states(site: &Site, serial_numbers: &[Bytes]) -> Vec<RevocationState> {
    let mut client = RevocationServiceClient::new(site.factory.operator().channel());
    let request = CheckStatusRequest { serial_numbers: serial_numbers.to_vec() };
    let states = client.check_status(request).await.unwrap().into_inner().states;
    states.iter().map(proto::v1::CertificateState::state).collect()
}

/// The first events of the feed.
async fn heard(site: &Site, expected: usize) -> Vec<RevocationEvent> {
    let mut client = RevocationServiceClient::new(site.factory.operator().channel());
    let request = WatchRevocationsRequest::default();
    let mut feed = client.watch_revocations(request).await.unwrap().into_inner();
    let mut heard = Vec::new();
    while heard.len() < expected {
        let page = within(VISIBLE_WITHIN, "the next page", feed.message()).await.unwrap().expect("a page");
        heard.extend(page.events);
    }
    heard
}

/// The subject that makes a certificate request a proof.
const AGREED: &str = "/CN=Proof of Key Compromise for Touchmark";

const PROOF_TYPE: &str = "application/pkcs10";

/// A burst that is above the limit, however slowly this machine sends it.
const FLOOD: usize = 2_000;

/// Also on a busy machine.
const VISIBLE_WITHIN: Duration = Duration::from_secs(10);

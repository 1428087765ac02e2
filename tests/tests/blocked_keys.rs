//! The file of blocked keys: read while the CA serves, refused when it is damaged.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use identity::Csr;
use proto::v1::Role;
use rcgen::KeyPair;
use tests::{
    CertificateAuthority, Device, Factory, KeyAndRequest, Operator, OrderTerms, Program, ask, ask_on_stream,
    eventually, refusal,
};
use tonic::Code;

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_changes_is_in_force_within_seconds_and_a_damaged_one_is_not() {
    let site = Site::new();
    let factory = Factory::of(&site.authority);
    let station = factory.station("line-1").await;
    let order = factory.order(OrderTerms::new(10, &["line-1"])).await;
    let blocked = Device::new("cam-2", "SN000001");
    let fingerprint = fingerprint(&blocked.key);
    let good = |serial: &str| Device::new("cam-2", serial).birth_request(&order);

    site.write(&format!("# found in a dump\n{}\n", &fingerprint[..32]));
    site.shows("touchmark_blocked_keys 1.0").await;
    let answer = ask(&station, blocked.birth_request(&order)).await;
    assert_eq!(answer.reason(), "KEY_BLOCKED");
    let streamed = ask_on_stream(&station, vec![blocked.birth_request(&order)]).await;
    assert_eq!(streamed.values().next().unwrap().reason(), "KEY_BLOCKED");
    let principal = refusal(factory.issue(Role::Station, "line-2", &blocked.key.csr).await);
    assert_eq!((principal.code, principal.reason.as_str()), (Code::InvalidArgument, "KEY_BLOCKED"));
    assert!(principal.message.contains(&fingerprint), "{}", principal.message);
    ask(&station, good("SN000002")).await.issued();

    site.write("not an entry\n");
    site.shows("touchmark_blocked_keys_stale 1.0").await;
    assert_eq!(ask(&station, blocked.birth_request(&order)).await.reason(), "KEY_BLOCKED");
    ask(&station, good("SN000003")).await.issued();
    assert!(site.authority.logs("the one before it stays in force"), "{}", site.authority.log());
    let doctor = Operator::of(&site.authority).run(&["doctor"]);
    assert_eq!(doctor.status.code(), Some(6), "{doctor:?}");
    let said = String::from_utf8(doctor.stdout).unwrap();
    assert!(said.contains("the file of blocked keys cannot be used"), "{said}");

    site.write("# nothing is blocked\n");
    site.shows("touchmark_blocked_keys_stale 0.0").await;
    ask(&station, blocked.birth_request(&order)).await.issued();
    assert_eq!(factory.counts(&order).await.issued, 3, "what was refused was not counted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_published_test_key_is_refused_by_a_ca_as_it_is_made() {
    let site = Site::new();
    let factory = Factory::of(&site.authority);
    let station = factory.station("line-1").await;
    let order = factory.order(OrderTerms::new(1, &["line-1"])).await;
    let published = Device::with_key("cam-2", "SN000001", rfc_6979());
    assert_eq!(ask(&station, published.birth_request(&order)).await.reason(), "KEY_BLOCKED");
    assert!(site.authority.logs("whose private key is published"), "{}", site.authority.log());
    assert!(site.authority.log().contains("WARN"));
}

#[test]
fn a_ca_does_not_start_with_a_damaged_list_and_says_every_line() {
    let mut authority = CertificateAuthority::founded();
    let config = authority.directory().join("ca.toml");
    let list = authority.directory().join("blocked-keys.txt");
    let as_made = std::fs::read_to_string(&list).unwrap();
    std::fs::write(&list, format!("{as_made}abc\nkey\n")).unwrap();
    let line = as_made.lines().count();
    let output =
        Program::CertificateAuthority.command().args(["check-config", "--config"]).arg(&config).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8_lossy(&output.stderr);
    for place in [line + 1, line + 2] {
        assert!(said.contains(&format!("blocked-keys.txt:{place}: ")), "{said}");
    }
    authority.serve_within(Duration::from_secs(20)).expect_err("it does not start");
    std::fs::remove_file(&list).unwrap();
    authority.serve_within(Duration::from_secs(20)).expect_err("nor without a list that it should have");
    std::fs::write(&list, as_made).unwrap();
    authority.serve();
}

struct Site {
    authority: CertificateAuthority,
}

impl Site {
    fn new() -> Self {
        Self { authority: CertificateAuthority::start() }
    }

    /// Written beside it and renamed, as the header of the list says.
    fn write(&self, list: &str) {
        let next = self.list().with_extension("next");
        std::fs::write(&next, list).unwrap();
        std::fs::rename(next, self.list()).unwrap();
    }

    fn list(&self) -> PathBuf {
        self.authority.directory().join("blocked-keys.txt")
    }

    /// Waits until the metrics have this line.
    async fn shows(&self, line: &str) {
        eventually(TAKEN_WITHIN, line, async || {
            self.metrics().lines().any(|shown| shown == line).then_some(())
        })
        .await;
    }

    fn metrics(&self) -> String {
        let mut stream = TcpStream::connect(self.authority.http()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: ca\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

fn fingerprint(key: &KeyAndRequest) -> String {
    Csr::from_der(&key.csr).unwrap().public_key().fingerprint().to_string()
}

/// The P-256 key of RFC 6979, appendix A.2.5, which everybody knows.
fn rfc_6979() -> KeyAndRequest {
    let scalar = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
    let pkcs8 = "3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420";
    let der = hex::decode(format!("{pkcs8}{scalar}")).unwrap();
    KeyAndRequest::of(KeyPair::try_from(der.as_slice()).unwrap())
}

/// The list is checked every two seconds, and read when it was the same twice.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);

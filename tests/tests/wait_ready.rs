//! `touchmark-ca wait`: a script that starts a CA never hangs, and gets the reason.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::net::{SocketAddr, TcpListener};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use tests::{CertificateAuthority, Process, Program};

#[test]
fn it_returns_when_the_ca_answers_and_is_ready() {
    let authority = CertificateAuthority::start();
    let output = wait(&authority, authority.grpc(), authority.http(), &["--timeout", "30s", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let ready: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(ready["ready"], true);
}

#[test]
fn it_gives_up_in_time_and_says_that_nobody_listens() {
    let authority = CertificateAuthority::founded();
    let started = Instant::now();
    let output = wait(&authority, free(), free(), &["--timeout", "500ms"]);
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    said(&output, 7, "nobody listens");
}

#[test]
fn a_port_that_another_program_has_is_named() {
    let authority = CertificateAuthority::founded();
    let another = CertificateAuthority::start();
    let output = wait(&authority, another.grpc(), another.http(), &["--timeout", "500ms"]);
    said(&output, 7, "another program listens");
    let output = wait(&authority, another.http(), free(), &["--timeout", "500ms"]);
    said(&output, 7, "is not this CA");
    // One that accepts and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let output = wait(&authority, silent.local_addr().unwrap(), free(), &["--timeout", "500ms"]);
    assert_eq!(output.status.code(), Some(7), "{output:?}");
}

/// The README's first block where port 8443 is taken.
#[test]
fn a_serve_that_has_ended_is_not_waited_for() {
    let authority = CertificateAuthority::founded();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let (grpc, http) = (taken.local_addr().unwrap(), free());
    let mut serve = Program::CertificateAuthority.command();
    serve.arg("serve").arg("--config").arg(authority.directory().join("ca.toml"));
    serve.env("TOUCHMARK_CA_LISTEN", grpc.to_string()).env("TOUCHMARK_CA_METRICS_LISTEN", http.to_string());
    serve.env("TOUCHMARK_CA_HTTP_LISTEN", "127.0.0.1:0").stdout(Stdio::null()).stderr(Stdio::null());
    let mut serve = Process::start(&mut serve);
    let pid = serve.child_mut().id().to_string();
    let started = Instant::now();
    let output = wait(&authority, grpc, http, &["--timeout", "5m", "--pid", &pid]);
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    said(&output, 1, "has ended");
    assert_eq!(serve.wait(Duration::from_secs(10)).and_then(|status| status.code()), Some(1));
}

fn said(output: &Output, status: i32, what: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{said}");
    assert!(said.contains(what) && said.contains("touchmark-ca: next: "), "{said}");
}

fn wait(authority: &CertificateAuthority, grpc: SocketAddr, http: SocketAddr, arguments: &[&str]) -> Output {
    let mut command = Program::CertificateAuthority.command();
    command.arg("wait").arg("--config").arg(authority.directory().join("ca.toml")).args(arguments);
    command.env("TOUCHMARK_CA_LISTEN", grpc.to_string()).env("TOUCHMARK_CA_METRICS_LISTEN", http.to_string());
    command.stdin(Stdio::null()).output().unwrap()
}

/// A port that nobody has now.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

//! Wrong clocks of the CA, a device and a broker, in real processes whose wall clock is changed while they
//! run and between runs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::{Clock, SystemClock};
use proto::v1::selection::By;
use proto::v1::{AlarmKind, ListAlarmsRequest, Role};
use rustix::process::{Pid, Signal, kill_process};
use tests::{
    Admission, Broker, CertificateAuthority, Credentials, Factory, Fleet, KeyAndRequest, Operator, Process,
    Program, Site, WallClock, eventually, fake, plain_http, refusal,
};
use tonic::Code;

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_whose_clock_is_set_while_it_runs_issues_nothing_until_it_is_right() {
    let directory = tempfile::tempdir().unwrap();
    let clock = WallClock::right(&directory.path().join("clock"));
    let mut authority = CertificateAuthority::founded();
    clock.of(&mut authority);
    let fleet = Fleet::born_at(authority, 2).await;
    let (authority, operator) = (&fleet.authority, Operator::of(&fleet.authority));
    let factory = Factory::of(authority);
    let csr = KeyAndRequest::fresh().csr;

    for (number, minute) in ["+60s", "-60s", "+0"].into_iter().enumerate() {
        clock.set(minute);
        let name = format!("minute-{number}");
        factory.issue(Role::Station, &name, &KeyAndRequest::fresh().csr).await.expect("a minute is no fault");
        assert_eq!(ready(authority).0, 200, "{minute}");
    }
    for (number, wrong) in ["+1d", "-1d", "+60d", "+10y", "-10y"].into_iter().enumerate() {
        clock.set(wrong);
        // At once, although the CA had no time to notice by itself.
        let refused = refusal(factory.issue(Role::Station, "line-2", &csr).await);
        assert_eq!((refused.code, refused.reason.as_str()), (Code::Unavailable, "CLOCK_IN_DOUBT"), "{wrong}");
        assert!(refused.retry, "it says when to come again");
        let (status, why) = ready(authority);
        assert_eq!(status, 503, "{wrong}");
        assert!(why.contains("the clock was set") && why.contains("confirm-time"), "{wrong}: {why}");
        assert!(metrics(authority).contains("\ntouchmark_clock_in_doubt 1"), "{wrong}");
        // An operator can still revoke, and only that.
        operator.says(&["device", "hold", "cam-2/SN000002"]);
        let refused = operator.fails(&["device", "release", "cam-2/SN000002"]);
        assert!(refused.1.contains("CLOCK_IN_DOUBT") && refused.1.contains("wrong-clock.md"), "{refused:?}");
        let report = operator.run(&["doctor"]);
        assert_eq!(report.status.code(), Some(6), "{wrong}: {}", told(&report));
        assert!(told(&report).contains("the clock was set"), "{wrong}: {}", told(&report));
        clock.set("+0");
        eventually(SOON, "it goes on by itself", async || (ready(authority).0 == 200).then_some(())).await;
        // No CRL was made with the wrong clock, and the entries made in the meantime have the right time.
        let (begun, held) = eventually(SOON, "the hold is published", async || {
            let (begun, held) = crl_times(authority, "factory");
            held.map(|held| (begun, held))
        })
        .await;
        for second in [begun, held] {
            assert!(seconds(now()).abs_diff(second) < 900, "{wrong}: {second}");
        }
        operator.says(&["device", "release", "cam-2/SN000002"]);
        let name = format!("again-{number}");
        factory.issue(Role::Station, &name, &KeyAndRequest::fresh().csr).await.expect("it issues again");
    }
    let log = authority.log();
    assert!(log.contains("the clock was set 60 d 0 h ahead while the CA ran"), "{log}");
    assert!(log.contains("the clock is right again"), "{log}");
    operator.says(&["doctor"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_come_out_of_a_wrong_clock_of_the_ca_without_hands_and_without_an_alarm() {
    let directory = tempfile::tempdir().unwrap();
    let clock = WallClock::right(&directory.path().join("clock"));
    let mut authority = CertificateAuthority::founded();
    clock.of(&mut authority);
    let mut fleet = Fleet::born_at(authority, 4).await;
    done(&fleet.enroll("SN000001"));
    done(&fleet.enroll("SN000002"));
    assert_eq!(fleet.authority.stop().code(), Some(0));

    // For a while the clock is twenty days ahead, which is within the limit, so nobody notices.
    clock.set("+20d");
    fleet.authority.serve();
    assert_eq!(ready(&fleet.authority).0, 200);
    done(&fleet.agent("renew", "SN000001").arg("--force").output().unwrap());
    done(&fleet.agent("renew", "SN000002").arg("--force").output().unwrap());
    done(&fleet.enroll("SN000003"));
    let ahead: Vec<_> = ["SN000001", "SN000002", "SN000003"].map(|serial| fleet.held(serial)).into();
    // The flash of one device is copied.
    let copy = directory.path().join("copy");
    copy_tree(&fleet.station.device("SN000001"), &copy);
    assert_eq!(fleet.authority.stop().code(), Some(0));

    // Once right again, it contradicts the ledger: nothing is issued until an operator confirms the time.
    clock.set("+0");
    fleet.authority.serve();
    let (status, why) = ready(&fleet.authority);
    assert_eq!(status, 503);
    assert!(why.contains("behind the last entry of the ledger"), "{why}");
    let operator = Operator::of(&fleet.authority);
    let report = operator.run(&["doctor"]);
    assert_eq!(report.status.code(), Some(6), "{}", told(&report));
    assert!(told(&report).contains("it begins only at"), "a CRL from the future is bad: {}", told(&report));
    assert!(told(&report).contains("not compared with the CA's, which is in doubt"), "{}", told(&report));
    operator.says(&["device", "hold", "cam-2/SN000004"]);
    let waits = fleet.agent("renew", "SN000001").args(["--force", "--deadline", "1s"]).output().unwrap();
    assert!(!waits.status.success() && told(&waits).contains("CLOCK_IN_DOUBT"), "{}", told(&waits));
    assert_eq!(fleet.authority.stop().code(), Some(0));
    confirm_time(&fleet.authority, &clock);
    fleet.authority.serve();
    assert_eq!(ready(&fleet.authority).0, 200);

    // The CA names the certificates that it signed in the meantime.
    let named = operator.says(&["doctor"]);
    for certificate in &ahead {
        assert!(named.contains(&serial_of(certificate)), "{named}");
    }
    // Each device replaces its certificate as usual: one with a single run, one with the daemon.
    done(&fleet.agent("renew", "SN000001").output().unwrap());
    done(&fleet.agent("renew", "SN000003").output().unwrap());
    daemon_renews(&fleet, "SN000002").await;
    done(&fleet.agent("doctor", "SN000001").output().unwrap());
    for (serial, before) in ["SN000001", "SN000002", "SN000003"].into_iter().zip(&ahead) {
        let held = fleet.held(serial);
        assert_ne!(held, *before, "{serial} has another certificate");
        assert!(begins(&held) <= seconds(now()), "{serial}: which has begun");
        fleet.check_lineage(serial).await;
    }
    assert_eq!(alarms(&fleet.authority).await, 0, "nobody did anything wrong");

    // The copy is still detected.
    let mut agent = Program::Agent.command();
    let refused = agent.args(["renew", "--force", "--state"]).arg(&copy).output().unwrap();
    assert!(told(&refused).contains("LINEAGE_FORKED"), "{}", told(&refused));
    assert_eq!(alarms(&fleet.authority).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_whose_own_clock_is_wrong_renews_or_says_so_and_loses_nothing() {
    let fleet = Fleet::born(1).await;
    done(&fleet.enroll("SN000001"));
    let renew = |offset: &str| {
        let mut agent = fleet.agent("renew", "SN000001");
        fake(&mut agent, offset);
        agent.args(["--force", "--deadline", "2s"]).output().unwrap()
    };
    // The CA's time is the device's floor: a slow clock does no harm. Sixty days ahead its own certificate
    // has expired, the CA's has not.
    for offset in ["-10y", "-60d", "-1d", "-60s", "+60s", "+1d", "+60d"] {
        let before = fleet.held("SN000001");
        let renewed = renew(offset);
        assert!(renewed.status.success(), "{offset}: {}", told(&renewed));
        assert_ne!(fleet.held("SN000001"), before, "{offset}: there is another certificate");
    }
    // Ten years ahead, the CA's certificate has expired for the device.
    let before = fleet.held("SN000001");
    let refused = renew("+10y");
    assert!(!refused.status.success(), "{}", told(&refused));
    assert!(told(&refused).contains("the clock is wrong"), "{}", told(&refused));
    assert_eq!(fleet.held("SN000001"), before, "nothing was lost");
    done(&fleet.agent("renew", "SN000001").arg("--force").output().unwrap());
    assert_eq!(alarms(&fleet.authority).await, 0, "and nobody is suspected");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_far_ahead_of_the_ledger_needs_a_persons_word() {
    let directory = tempfile::tempdir().unwrap();
    let clock = WallClock::right(&directory.path().join("clock"));
    let mut fleet = Fleet::born_at(CertificateAuthority::founded(), 1).await;
    assert_eq!(fleet.authority.stop().code(), Some(0));
    clock.of(&mut fleet.authority);
    for (wrong, word) in [("+60d", "ahead of"), ("+10y", "ahead of"), ("-1d", "behind"), ("-10y", "behind")] {
        clock.set(wrong);
        fleet.authority.serve();
        let (status, why) = ready(&fleet.authority);
        assert_eq!(status, 503, "{wrong}");
        assert!(why.contains(&format!("{word} the last entry of the ledger")), "{wrong}: {why}");
        // Corrected while the CA runs, it goes on; wrong again at the next start, it stops: the entries made
        // in doubt have not hidden the fault.
        clock.set("+0");
        eventually(SOON, "it goes on by itself", async || (ready(&fleet.authority).0 == 200).then_some(()))
            .await;
        assert_eq!(fleet.authority.stop().code(), Some(0));
    }
    // Entries made in doubt do not change the reference for the next start.
    clock.set("+60d");
    fleet.authority.serve();
    let operator = Operator::of(&fleet.authority);
    operator.says(&["device", "hold", "cam-2/SN000001"]);
    assert_eq!(fleet.authority.stop().code(), Some(0));
    fleet.authority.serve();
    assert_eq!(ready(&fleet.authority).0, 503);
    assert_eq!(fleet.authority.stop().code(), Some(0));

    // The confirmed time must be close to the clock; then the CA goes on.
    let wrong_word = confirming(&fleet.authority, &clock, now());
    assert_eq!(wrong_word.status.code(), Some(5), "{}", told(&wrong_word));
    assert!(told(&wrong_word).contains("the clock shows"), "{}", told(&wrong_word));
    let told_time = now() + Duration::from_secs(60 * 86_400);
    done(&confirming(&fleet.authority, &clock, told_time));
    fleet.authority.serve();
    assert_eq!(ready(&fleet.authority).0, 200);
    // No credential is made while the ledger contradicts the clock.
    assert_eq!(fleet.authority.stop().code(), Some(0));
    clock.set("+0");
    let refused = credential(&fleet.authority, &clock, &directory.path().join("server"));
    assert!(!refused.status.success() && told(&refused).contains("confirm-time"), "{}", told(&refused));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_whose_clock_is_behind_serves_good_devices_right_after_a_revocation() {
    let site = Site::open();
    let (stolen, good) = (site.device(1).await, site.device(2).await);
    let before = site.crl("/crl/operational/full.crl");
    site.revoke(By::Device(stolen.id.clone()), 2, "keyCompromise").await;
    eventually(SOON, "a CRL names it", async || {
        (site.crl("/crl/operational/full.crl") != before).then_some(())
    })
    .await;
    let lists = ["root", "operational", "factory", "infrastructure"]
        .map(|issuer| pem::encode(&pem::Pem::new("X509 CRL", site.crl(&format!("/crl/{issuer}/full.crl")))));
    let lists = site.write("crls.pem", lists.concat());
    let own = site.directory().join("own");
    let own_at = own.to_str().unwrap();
    Operator::of(&site.authority).says(&[
        "principal",
        "issue",
        "service",
        "broker",
        "--host",
        "localhost",
        "--out",
        own_at,
    ]);
    let own = Credentials::read(&own);
    for seconds_behind in [60, 240] {
        let directory = site.directory().join(format!("broker-{seconds_behind}"));
        let behind = Duration::from_secs(seconds_behind);
        let nginx = Broker::nginx_behind(&directory.join("nginx"), &own, &lists, behind);
        for broker in [Broker::mosquitto_behind(&directory, &own, &lists, behind), nginx] {
            eventually(SOON, "a good device is served", async || {
                broker.admits(&good.operational).await.filter(|it| *it == Admission::Served)
            })
            .await;
            let refused = broker.admits(&stolen.operational).await.expect("an answer");
            assert!(refused.is_refusal_of_the_certificate(), "{refused:?}: {}", broker.log());
        }

        // OpenSSL with such a clock: CRLs, and a response that must not be from its future.
        let text = openssl_verify(&site, &good.operational, &lists, seconds_behind);
        assert!(text.contains("leaf.pem: OK"), "{text}");
        let text = openssl_ocsp(&site, &good.operational, seconds_behind);
        assert!(text.contains("leaf.pem: good") && !text.contains("WARNING"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_servers_certificate_is_told_before_it_comes() {
    let directory = tempfile::tempdir().unwrap();
    let clock = WallClock::right(&directory.path().join("clock"));
    let mut authority = CertificateAuthority::start();
    let doctor = |authority: &CertificateAuthority, offset: &str| {
        let mut command = Operator::of(authority).command(&["doctor"]);
        fake(&mut command, offset);
        command.output().unwrap()
    };
    let report = told(&doctor(&authority, "+0"));
    for name in
        ["server certificate", "operational issuer", "factory issuer", "infrastructure issuer", "root issuer"]
    {
        assert!(report.contains(name), "{name}: {report}");
    }
    authority.stop();
    clock.of(&mut authority);
    clock.set("+85d");
    confirm_time(&authority, &clock);
    authority.serve();
    let log = eventually(SOON, "the log says it", async || {
        Some(authority.log()).filter(|log| log.contains("the certificate of the server ends in 4 days"))
    })
    .await;
    assert!(log.contains("touchmark-ca credential"), "{log}");
    assert_eq!(ready(&authority).0, 200);
    let report = doctor(&authority, "+85d");
    assert_eq!(report.status.code(), Some(6), "{}", told(&report));
    assert!(told(&report).contains("only 4 days left"), "{}", told(&report));

    authority.stop();
    clock.set("+91d");
    authority.serve();
    let (status, why) = ready(&authority);
    assert_eq!(status, 503);
    assert!(why.contains("the certificate of the server has ended; touchmark-ca credential"), "{why}");
    let metrics = metrics(&authority);
    assert!(metrics.contains("touchmark_issuer_expiry_seconds{issuer=\"server\"} -"), "{metrics}");
    let report = doctor(&authority, "+91d");
    assert!(told(&report).contains("`touchmark-ca credential` makes another"), "{}", told(&report));

    // As in the runbook; and a running CA reads the next certificate at SIGHUP and is ready again.
    authority.stop();
    let (server, new) = (authority.directory().join("server"), authority.directory().join("server-new"));
    done(&credential(&authority, &clock, &new));
    authority.serve();
    assert_eq!(ready(&authority).0, 503);
    std::fs::rename(&server, authority.directory().join("server-old")).unwrap();
    std::fs::rename(&new, &server).unwrap();
    authority.signal(Signal::HUP);
    eventually(SOON, "it is ready", async || (ready(&authority).0 == 200).then_some(())).await;
    done(&doctor(&authority, "+91d"));
    authority.stop();
    authority.serve();
    assert_eq!(ready(&authority).0, 200);
    done(&doctor(&authority, "+91d"));
}

/// The daemon replaces a certificate that is not yet valid.
async fn daemon_renews(fleet: &Fleet, serial: &str) {
    let before = fleet.held(serial);
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut agent = fleet.agent("run", serial);
    let mut daemon = Process::start(agent.stdout(Stdio::null()).stderr(log.reopen().unwrap()));
    let said = || std::fs::read_to_string(log.path()).unwrap();
    eventually(SOON, "it runs", async || said().contains("running").then_some(())).await;
    kill_process(Pid::from_child(daemon.child_mut()), Signal::HUP).unwrap();
    eventually(SOON, "it renews", async || (fleet.held(serial) != before).then_some(())).await;
    eventually(SOON, "it has said so", async || said().contains("renewed cam-2/").then_some(())).await;
    daemon.terminate(SOON);
}

/// Confirms the time on the CA's machine.
fn confirm_time(authority: &CertificateAuthority, clock: &WallClock) {
    let shown = shown(clock);
    done(&confirming(authority, clock, shown));
}

fn confirming(authority: &CertificateAuthority, clock: &WallClock, time: SystemTime) -> Output {
    let mut command = Program::CertificateAuthority.command();
    command.arg("confirm-time").arg("--config").arg(authority.directory().join("ca.toml"));
    command.args(["--time", &humantime::format_rfc3339_seconds(time).to_string(), "--remark", "a test"]);
    command.envs(clock.environment()).output().unwrap()
}

fn credential(authority: &CertificateAuthority, clock: &WallClock, out: &Path) -> Output {
    let mut command = Program::CertificateAuthority.command();
    command
        .arg("credential")
        .arg("--config")
        .arg(authority.directory().join("ca.toml"))
        .arg("--out")
        .arg(out);
    command.envs(clock.environment()).output().unwrap()
}

/// What a clock shows.
fn shown(clock: &WallClock) -> SystemTime {
    let output = Command::new("date").arg("+%s").envs(clock.environment()).output().unwrap();
    let seconds: u64 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// The real time.
fn now() -> SystemTime {
    SystemClock.now()
}

fn seconds(time: SystemTime) -> i64 {
    i64::try_from(time.duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

fn ready(authority: &CertificateAuthority) -> (u16, String) {
    let (head, body) = plain_http(authority.http(), "GET /readyz HTTP/1.0\r\nhost: ca\r\n\r\n", &[]);
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, String::from_utf8(body).unwrap())
}

fn metrics(authority: &CertificateAuthority) -> String {
    let (_, body) = plain_http(authority.http(), "GET /metrics HTTP/1.0\r\nhost: ca\r\n\r\n", &[]);
    String::from_utf8(body).unwrap()
}

/// From an issuer's full CRL: thisUpdate, and the first revocation date.
fn crl_times(authority: &CertificateAuthority, issuer: &str) -> (i64, Option<i64>) {
    let request = format!("GET /crl/{issuer}/full.crl HTTP/1.0\r\nhost: ca\r\n\r\n");
    let (_, der) = plain_http(authority.public(), &request, &[]);
    let (_, crl) = x509_parser::parse_x509_crl(&der).unwrap();
    let first = crl.iter_revoked_certificates().next();
    (crl.last_update().timestamp(), first.map(|entry| entry.revocation_date.timestamp()))
}

async fn alarms(authority: &CertificateAuthority) -> usize {
    let forks = ListAlarmsRequest { kind: AlarmKind::Fork.into(), page: None };
    authority.operator().lifecycle().list_alarms(forks).await.unwrap().into_inner().alarms.len()
}

fn openssl_verify(site: &Site, holder: &Credentials, lists: &Path, seconds_behind: u64) -> String {
    let leaf = site.write("leaf.pem", &holder.certificate);
    let (issuer, root) = (site.write("issuer.pem", &holder.chain), site.write("root.pem", &holder.trust));
    let mut command = Command::new("openssl");
    command.args(["verify", "-x509_strict", "-crl_check_all", "-CAfile"]).arg(root).arg("-untrusted");
    command.arg(issuer).arg("-CRLfile").arg(lists).arg(leaf);
    fake(&mut command, &format!("-{seconds_behind}s"));
    told(&command.output().unwrap())
}

fn openssl_ocsp(site: &Site, holder: &Credentials, seconds_behind: u64) -> String {
    let leaf = site.write("leaf.pem", &holder.certificate);
    let (issuer, root) = (site.write("issuer.pem", &holder.chain), site.write("root.pem", &holder.trust));
    let url = format!("http://{}/ocsp", site.authority.public());
    let mut command = Command::new("openssl");
    command.args(["ocsp", "-validity_period", "0", "-issuer"]).arg(issuer).arg("-cert").arg(leaf);
    command.args(["-url", &url, "-CAfile"]).arg(root);
    fake(&mut command, &format!("-{seconds_behind}s"));
    told(&command.output().unwrap())
}

fn serial_of(certificate: &[u8]) -> String {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).unwrap();
    hex::encode(parsed.raw_serial())
}

fn begins(certificate: &[u8]) -> i64 {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).unwrap();
    parsed.validity().not_before.timestamp()
}

fn copy_tree(from: &Path, to: &Path) {
    let status = Command::new("cp").args([Path::new("-a"), from, to]).status().unwrap();
    assert!(status.success());
}

fn done(output: &Output) {
    assert!(output.status.success(), "{}", told(output));
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

const SOON: Duration = Duration::from_secs(30);

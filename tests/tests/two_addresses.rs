//! A name with dead addresses and one that works: every program reaches it (RFC 8305).
//!
//! Each test runs itself again in a network namespace, where `localhost` has the needed addresses and packets
//! to some of them are dropped. Needs root.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that prints what it measured"
)]

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tests::{CertificateAuthority, Factory, Operator, OrderTerms, Process, Program, Station, eventually};

#[test]
fn an_ipv6_address_that_answers_nothing_does_not_hide_the_ipv4_address() {
    let network = Network { dead: &["2001:db8::d1"], good: "127.0.0.1" };
    network.run("an_ipv6_address_that_answers_nothing_does_not_hide_the_ipv4_address");
}

#[test]
fn three_addresses_of_one_family_that_answer_nothing_do_not_hide_the_fourth() {
    let network = Network { dead: &["192.0.2.11", "192.0.2.12", "192.0.2.13"], good: "192.0.2.19" };
    network.run("three_addresses_of_one_family_that_answer_nothing_do_not_hide_the_fourth");
}

#[test]
fn dead_addresses_of_both_families_do_not_hide_the_last() {
    let network = Network { dead: &["2001:db8::d1", "2001:db8::d2", "192.0.2.11"], good: "192.0.2.19" };
    network.run("dead_addresses_of_both_families_do_not_hide_the_last");
}

/// The addresses of `localhost`, in this order.
struct Network {
    dead: &'static [&'static str],
    good: &'static str,
}

impl Network {
    /// Runs the test of this name in this network: outside it runs itself again, inside it runs the test.
    fn run(&self, test: &str) {
        if std::env::var_os(INSIDE).is_some() {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            return runtime.block_on(every_program_connects(self.good.parse().unwrap()));
        }
        let hosts = tempfile::NamedTempFile::new().unwrap();
        let lines: String =
            self.dead.iter().chain([&self.good]).map(|address| format!("{address} localhost\n")).collect();
        std::fs::write(hosts.path(), lines).unwrap();
        let programs = Program::CertificateAuthority.path();
        let output = Command::new("unshare")
            .args(["--net", "--mount", "--propagation", "private", "sh", "-ec", &self.script()])
            .arg(std::env::current_exe().unwrap())
            .arg(hosts.path())
            .arg(test)
            .env(INSIDE, "1")
            .env("TOUCHMARK_BINARIES", programs.parent().unwrap())
            .output()
            .expect("unshare of util-linux runs");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(output.status.success(), "{}: {said}", output.status);
        assert!(said.contains("1 passed"), "the test ran inside: {said}");
        eprintln!("{said}");
    }

    fn script(&self) -> String {
        let mut script = "ip link set lo up\n".to_owned();
        for address in self.dead.iter().chain([&self.good]).filter(|address| **address != "127.0.0.1") {
            let (length, duplicates) = if address.contains(':') { (128, " nodad") } else { (32, "") };
            script.push_str(&format!("ip addr add {address}/{length} dev lo{duplicates}\n"));
        }
        for address in self.dead {
            let tables = if address.contains(':') { "ip6tables" } else { "iptables" };
            script.push_str(&format!("{tables} -A INPUT -d {address} -j DROP\n"));
        }
        script + "mount --bind \"$1\" /etc/hosts\nexec \"$0\" --exact \"$2\" --nocapture\n"
    }
}

async fn every_program_connects(good: IpAddr) {
    let founded = CertificateAuthority::founded().with_enrollment_at_its_own_address();
    let listen = SocketAddr::new(good, founded.grpc().port());
    let mut authority = founded.with_environment("TOUCHMARK_CA_LISTEN", &listen.to_string());
    authority.serve();
    let home = tempfile::tempdir().unwrap();
    let station = Station::set_up(&authority, "line-1", home.path()).await;
    let factory = Factory::of(&authority);
    let terms = OrderTerms { serials: "SN{1..1}".to_owned(), ..OrderTerms::new(1, &["line-1"]) };
    let order = factory.order(terms).await;

    let operator = Operator::of(&authority);
    let listed = quick("touchmark", operator.command(&["work-order", "list"]));
    assert!(String::from_utf8_lossy(&listed.stdout).contains(&order), "{listed:?}");

    let device = station.device("SN1");
    let port = TcpListener::bind((good, 0)).unwrap().local_addr().unwrap().port();
    let mut agent = Program::Agent.command();
    agent.args(["factory", "--state"]).arg(&device).arg("--tcp").arg(SocketAddr::new(good, port).to_string());
    let mut agent = Process::start(agent.stdin(Stdio::null()).stderr(Stdio::null()));
    let listens = || async move { std::net::TcpStream::connect((good, port)).ok() };
    eventually(Duration::from_secs(20), "the device listens", listens).await;
    let link = format!("tcp:localhost:{port}");
    let mut provision = station.command("provision");
    provision.args(["--work-order", &order, "--link", &link]);
    quick("touchmark-station, to the CA and to the device", provision);
    assert!(agent.wait(Duration::from_secs(20)).is_some_and(|status| status.success()));

    let mut enroll = Program::Agent.command();
    enroll.args(["enroll", "--state"]).arg(&device);
    quick("touchmark-agent", enroll);
    assert_eq!(factory.counts(&order).await.confirmed, 1);
}

/// Runs a program that must succeed, and soon: it makes one or two connections.
fn quick(name: &str, mut command: Command) -> Output {
    let begun = Instant::now();
    let output = command.stdin(Stdio::null()).output().unwrap();
    let took = begun.elapsed();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    eprintln!("{name}: {} ms", took.as_millis());
    assert!(took < SOON, "{name} took {took:?}");
    output
}

/// Some connections at 250 ms for each dead address, and a debug build on a busy machine. One common limit
/// for all addresses would take 10 s for each connection, and then fail.
const SOON: Duration = Duration::from_secs(8);

const INSIDE: &str = "TWO_ADDRESSES_INSIDE";

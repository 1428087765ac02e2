//! Serial ports that are away, come back, or are in use.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serial_port::{Port, Speed};
use tests::{Process, Program};
use tokio::time::sleep;

use crate::bench::Bench;
use crate::devices::broken_at;
use crate::fixture::{Fixtures, Wire};
use crate::line::{Ended, clean};
use crate::pty::Cable;

/// The adapter is pulled out in the middle of a unit and comes back in its socket as another tty. Both of its
/// names lead to it.
#[tokio::test(flavor = "multi_thread")]
async fn an_adapter_that_comes_back_under_another_name_is_found_by_its_serial_number_or_its_socket() {
    let bench = Bench::open().await;
    for (case, link) in ["serial:usb=A50285BI:115200", "serial:usb-path=1-2.3"].into_iter().enumerate() {
        let root = bench.home.path().join(format!("root-{case}"));
        let board = bench.home.path().join(format!("board-{case}"));
        let (near, far) = (Cable::new(), Cable::new());
        adapter(&root, "ttyUSB0", &near.path, "A50285BI", "2.3");
        adapter(&root, "ttyUSB1", Path::new("/dev/null"), "A50285BJ", "2.4");
        let _agent = agent(&board, &far.path);
        let line = clean();
        line.tamper(broken_at("installed"));
        let (relayed, its_root) = (Arc::clone(&line), root.clone());
        let relay = tokio::spawn(async move {
            let (mut device, _held) = far.plug();
            let (mut station, held) = near.plug();
            assert_eq!(relayed.relay(&mut station, &mut device).await, Ended::Cut);
            drop((station, held));
            remove(&its_root, "ttyUSB0");
            sleep(Duration::from_millis(700)).await;
            // Another adapter has taken the name meanwhile.
            adapter(&its_root, "ttyUSB0", Path::new("/dev/null"), "A50285BK", "4");
            let again = Cable::new();
            adapter(&its_root, "ttyUSB2", &again.path, "A50285BI", "2.3");
            let (mut station, _held) = again.plug();
            relayed.relay(&mut station, &mut device).await;
        });
        let config = format!("device-root = \"{}\"", root.display());
        let run = bench.run(link, 1, 1, &config).await;
        relay.abort();
        run.passed(1, link);
        assert!(run.said.contains("waits for its serial port, at most 30s"), "{link}: {}", run.said);
        assert!(run.said.contains("has its serial port again"), "{link}: {}", run.said);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_whose_port_stays_away_takes_no_units_after_its_limit_and_the_others_go_on() {
    let bench = Bench::open().await;
    let fixtures = Fixtures::new(Wire::Serial, 2, bench.home.path()).await;
    let directory = Path::new(fixtures.link.strip_prefix("serial:").unwrap()).parent().unwrap().to_owned();
    fs::remove_file(directory.join("port-2")).unwrap();
    let begun = Instant::now();
    let run = bench.run(&fixtures.link, 2, 2, "port-patience-s = 2").await;
    // Slot 1 makes its unit while slot 2 waits. Its board is then offered the unit that slot 2 gave back, and
    // says that it is another one.
    assert!(begun.elapsed() >= Duration::from_secs(2));
    let first = &run.units[0];
    assert_eq!((&first["outcome"], &first["slot"]), (&"passed".into(), &1.into()), "{run:#?}");
    assert_eq!(run.units[1]["cause"], "wrong-device", "{run:#?}");
    assert_eq!((run.counts.issued, run.counts.confirmed), (1, 1));
    assert!(run.said.contains("slot 2 waits for its serial port, at most 2s"), "{}", run.said);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_another_program_uses_is_waited_for_and_never_shared() {
    let bench = Bench::open().await;
    let fixtures = Fixtures::new(Wire::Serial, 1, bench.home.path()).await;
    let port = fixtures.link.strip_prefix("serial:").unwrap().replace("{slot}", "1");
    let port = Path::new(port.strip_suffix(":115200").unwrap()).to_owned();
    let other = Port::open(&port, Speed::USUAL).await.unwrap();
    let run = bench.run(&fixtures.link, 1, 1, "port-patience-s = 1").await;
    assert_eq!((run.status, &run.summary["not_begun"]), (1, &1.into()), "{run:#?}");
    assert_eq!(run.summary["stopped"]["reason"], "LINK_UNUSABLE", "{run:#?}");
    assert!(run.said.contains("is used by another program"), "{}", run.said);
    let leaves = async {
        sleep(Duration::from_millis(1_500)).await;
        drop(other);
    };
    let (run, ()) = tokio::join!(bench.run(&fixtures.link, 1, 1, "port-patience-s = 30"), leaves);
    run.passed(1, "the other program has left");
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_that_would_share_a_port_are_refused_before_anything_is_begun() {
    let bench = Bench::open().await;
    let output = bench.try_out("serial:/dev/ttyUSB0", 2, &[]).await;
    assert_eq!(output.0, 2, "{}", output.1);
    assert!(output.1.contains("slots 1 and 2 would share the serial port /dev/ttyUSB0"), "{}", output.1);
    let output = bench.try_out("serial:usb=A,B", 3, &[]).await;
    assert_eq!(output.0, 2, "{}", output.1);
    assert!(output.1.contains("the list has 2 serial ports, and slot 3 has none"), "{}", output.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_shows_every_limit_and_the_ports_that_are_away() {
    let bench = Bench::open().await;
    let (status, said) = bench.try_out("serial:/nonexistent/port-{slot}:9600", 3, &["--dry-run"]).await;
    assert_eq!(status, 0, "{said}");
    for words in [
        "link open in 5s, frame taken in 10s, answer in 3s, request sent 10 times at most,",
        "3s after a damaged frame, 1048576 bytes without a frame, CA 1m",
        "9600 baud: 1,000 bytes take 1s 41ms, which is added to the limits; a slot waits 30s for its port",
        "ports away    3 of 3: slot 1: /nonexistent/port-1, slot 2:",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

fn agent(board: &Path, port: &Path) -> Process {
    let mut agent = Program::Agent.command();
    agent.args(["factory", "--tty"]).arg(port).arg("--state").arg(board);
    Process::start(agent.stdin(Stdio::null()).stderr(Stdio::null()))
}

/// A part of sysfs and of /dev, as they are for a USB adapter with one port.
fn adapter(root: &Path, name: &str, node: &Path, serial: &str, ports: &str) {
    let usb = root.join(format!("sys/devices/usb1/1-{ports}"));
    let part = usb.join(format!("1-{ports}:1.0")).join(name);
    for directory in [&part.join("tty").join(name), &root.join("sys/class/tty"), &root.join("dev")] {
        fs::create_dir_all(directory).unwrap();
    }
    for (attribute, value) in [("busnum", "1"), ("devpath", ports), ("serial", serial)] {
        fs::write(usb.join(attribute), format!("{value}\n")).unwrap();
    }
    fs::write(part.parent().unwrap().join("bInterfaceNumber"), "00\n").unwrap();
    let port = part.join("tty").join(name);
    symlink(format!("../../../{name}"), port.join("device")).unwrap();
    symlink(node, root.join("dev").join(name)).unwrap();
    symlink(port, root.join("sys/class/tty").join(name)).unwrap();
}

fn remove(root: &Path, name: &str) {
    fs::remove_file(root.join("sys/class/tty").join(name)).unwrap();
    fs::remove_file(root.join("dev").join(name)).unwrap();
}

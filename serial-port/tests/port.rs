//! A port that is one end of a pseudo-terminal: what a driver of the system does, without a wire.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{ControlModes, InputModes, LocalModes, OutputModes, tcgetattr};
use serial_port::{OpenError, Port, Speed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

#[tokio::test]
async fn all_byte_values_pass_unchanged_in_both_directions() {
    let (far, path) = pair();
    let (mut reader, mut writer) = Port::open(&path, Speed::USUAL).await.unwrap().split();
    let (mut far_reader, mut far_writer) = Port::adopt(far).unwrap().split();
    let all: Vec<u8> = (0..=255).cycle().take(1_000).collect();
    writer.write_all(&all).await.unwrap();
    far_writer.write_all(&all).await.unwrap();
    for reader in [&mut reader, &mut far_reader] {
        let mut received = vec![0; all.len()];
        timeout(WAIT, reader.read_exact(&mut received)).await.unwrap().unwrap();
        assert_eq!(received, all);
    }
}

#[tokio::test]
async fn the_line_is_raw_8n1_without_flow_control_at_its_speed() {
    let (far, path) = pair();
    let speed = Speed::new(250_000).unwrap();
    let _port = Port::open(&path, speed).await.unwrap();
    let set = tcgetattr(&far).unwrap();
    assert_eq!((set.input_speed(), set.output_speed()), (250_000, 250_000));
    assert!(set.control_modes.contains(ControlModes::CS8 | ControlModes::CLOCAL | ControlModes::CREAD));
    let unwanted = ControlModes::PARENB | ControlModes::CSTOPB | ControlModes::CRTSCTS | ControlModes::HUPCL;
    assert!(!set.control_modes.intersects(unwanted), "{:?}", set.control_modes);
    assert!(!set.input_modes.intersects(InputModes::IXON | InputModes::IXOFF | InputModes::ICRNL));
    assert!(!set.output_modes.contains(OutputModes::OPOST));
    assert!(!set.local_modes.intersects(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG));
}

#[tokio::test]
async fn without_a_speed_the_line_keeps_the_one_it_has_and_is_raw_all_the_same() {
    let (far, path) = pair();
    drop(Port::open(&path, Speed::new(19_200).unwrap()).await.unwrap());
    let _port = Port::open_as_set(&path).await.unwrap();
    let set = tcgetattr(&far).unwrap();
    assert_eq!((set.input_speed(), set.output_speed()), (19_200, 19_200));
    assert!(!set.local_modes.intersects(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG));
    assert!(matches!(Port::open_as_set(&path).await, Err(OpenError::Busy { .. })));
}

#[tokio::test]
async fn an_adopted_terminal_keeps_its_settings_and_stays_open_to_others() {
    let (far, path) = pair();
    let before = tcgetattr(&far).unwrap();
    let near = std::fs::File::options().read(true).write(true).open(&path).unwrap();
    let (mut reader, mut writer) = Port::adopt(near.try_clone().unwrap().into()).unwrap().split();
    let after = tcgetattr(&far).unwrap();
    assert_eq!((after.local_modes, after.input_modes), (before.local_modes, before.input_modes));
    rustix::io::write(&far, b"a line\n").unwrap();
    let mut received = [0; 7];
    timeout(WAIT, reader.read_exact(&mut received)).await.unwrap().unwrap();
    assert_eq!(&received, b"a line\n");
    timeout(WAIT, writer.write_all(b"x")).await.unwrap().unwrap();
    drop((reader, writer));
    assert!(std::fs::File::options().read(true).open(&path).is_ok(), "it was not taken for one program");
}

#[tokio::test]
async fn a_port_that_waits_for_bytes_is_readable_only_when_they_have_come() {
    let (far, path) = pair();
    let port = Port::open(&path, Speed::USUAL).await.unwrap();
    assert!(timeout(Duration::from_millis(50), port.readable()).await.is_err());
    rustix::io::write(&far, b"x").unwrap();
    timeout(WAIT, port.readable()).await.unwrap().unwrap();
    let (mut reader, _writer) = port.split();
    let mut received = [0; 1];
    timeout(WAIT, reader.read_exact(&mut received)).await.unwrap().unwrap();
    assert_eq!(&received, b"x", "waiting takes nothing");
}

#[tokio::test]
async fn two_programs_do_not_share_a_port_and_a_closed_one_is_free_at_once() {
    let (_far, path) = pair();
    for _ in 0..3 {
        let port = Port::open(&path, Speed::USUAL).await.unwrap();
        let second = Port::open(&path, Speed::USUAL).await;
        assert!(matches!(second, Err(OpenError::Busy { .. })), "{second:?}");
        let (reader, writer) = port.split();
        drop(reader);
        assert!(Port::open(&path, Speed::USUAL).await.is_err(), "one half is still open");
        drop(writer);
    }
}

#[tokio::test]
async fn a_port_that_goes_away_ends_the_wait_and_is_then_missing() {
    let (far, path) = pair();
    let (mut reader, mut writer) = Port::open(&path, Speed::USUAL).await.unwrap().split();
    let waiting = tokio::spawn(async move { reader.read(&mut [0; 16]).await });
    tokio::task::yield_now().await;
    drop(far);
    let ended = timeout(WAIT, waiting).await.unwrap().unwrap();
    assert!(!matches!(ended, Ok(1..)), "{ended:?}");
    assert!(timeout(WAIT, writer.write_all(b"x")).await.unwrap().is_err());
    drop(writer);
    let gone = Port::open(&path, Speed::USUAL).await.unwrap_err();
    assert!(matches!(gone, OpenError::Missing { .. }) && gone.may_pass(), "{gone}");
}

#[tokio::test]
async fn a_line_that_takes_nothing_holds_a_write_and_not_the_runtime_nor_the_closing() {
    let (_far, path) = pair();
    let (_reader, mut writer) = Port::open(&path, Speed::USUAL).await.unwrap().split();
    let much = vec![0x55; 256 * 1024];
    assert!(timeout(Duration::from_millis(200), writer.write_all(&much)).await.is_err());
    drop((_reader, writer));
    timeout(WAIT, Port::open(&path, Speed::USUAL)).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_was_received_before_it_was_opened_is_dropped() {
    let (far, path) = pair();
    // Somebody must have the port, or the system drops the bytes itself.
    let before = std::fs::File::options().read(true).write(true).open(&path).unwrap();
    rustix::io::write(&far, b"an answer to another session\n").unwrap();
    let (mut reader, _writer) = Port::open(&path, Speed::USUAL).await.unwrap().split();
    rustix::io::write(&far, b"now").unwrap();
    let mut received = [0; 3];
    timeout(WAIT, reader.read_exact(&mut received)).await.unwrap().unwrap();
    assert_eq!(&received, b"now");
    drop(before);
}

#[tokio::test]
async fn what_is_no_port_is_named_so() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "content").unwrap();
    assert!(matches!(Port::open(&file, Speed::USUAL).await, Err(OpenError::NotAPort { .. })));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "content");
    let missing = Port::open(&directory.path().join("none"), Speed::USUAL).await.unwrap_err();
    assert!(matches!(missing, OpenError::Missing { .. }), "{missing}");
}

/// The far end, and the port's path.
fn pair() -> (OwnedFd, PathBuf) {
    let far = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&far).unwrap();
    unlockpt(&far).unwrap();
    let path = ptsname(&far, Vec::new()).unwrap().into_string().unwrap();
    (far, path.into())
}

/// For what takes moments, on a busy machine.
const WAIT: Duration = Duration::from_secs(20);

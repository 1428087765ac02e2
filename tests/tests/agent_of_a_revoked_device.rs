//! What the agent does when its device is put on hold, rotated or revoked.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::process::{Output, Stdio};
use std::time::Duration;

use proto::v1::selection::By;
use proto::v1::{
    DeviceId, HoldRequest, PreviewSelectionRequest, ReleaseRequest, RequestRotationRequest, RevokeRequest,
    Selection,
};
use rustix::process::{Pid, Signal, kill_process};
use tests::{Fleet, Process, Seed, eventually, request_id};

#[tokio::test(flavor = "multi_thread")]
async fn a_device_on_hold_is_told_so_and_renews_when_it_is_released() {
    let fleet = Fleet::born(1).await;
    assert!(fleet.enroll(UNIT).status.success());
    let before = fleet.held(UNIT);
    let mut lifecycle = fleet.authority.operator().lifecycle();
    let hold = HoldRequest { device: Some(unit()), remark: "reported stolen".to_owned() };
    lifecycle.hold(hold).await.unwrap();
    for command in ["renew", "doctor"] {
        let mut agent = fleet.agent(command, UNIT);
        if command == "renew" {
            agent.arg("--force");
        }
        let output = agent.output().unwrap();
        assert_eq!(output.status.code(), Some(if command == "renew" { 7 } else { 6 }), "{}", told(&output));
        assert!(told(&output).contains("hold"), "{}", told(&output));
    }
    assert_eq!(fleet.held(UNIT), before);
    lifecycle.release(ReleaseRequest { device: Some(unit()) }).await.unwrap();
    let output = fleet.agent("renew", UNIT).arg("--force").output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    assert_ne!(fleet.held(UNIT), before);
    fleet.check_lineage(UNIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_reaches_a_running_device_and_a_revocation_ends_it() {
    let mut generator = Seed::of_this_run().generator(1);
    let mut fleet = Fleet::born(1).await;
    assert!(fleet.enroll(UNIT).status.success());
    let before = fleet.held(UNIT);
    let mut lifecycle = fleet.authority.operator().lifecycle();
    let selection = Some(Selection { by: Some(By::Device(unit())) });
    lifecycle
        .request_rotation(RequestRotationRequest {
            request_id: request_id(&mut generator),
            selection: selection.clone(),
            spread: None,
            remark: "a weak generator".to_owned(),
        })
        .await
        .unwrap();
    // Devices are spread over some minutes; an hour later all of them are due.
    fleet.authority.stop();
    for (name, value) in
        [("LD_PRELOAD", FAKETIME), ("FAKETIME", "+1h"), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")]
    {
        fleet.authority.set_environment(name, value);
    }
    fleet.authority.serve();
    let mut lifecycle = fleet.authority.operator().lifecycle();
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut agent = fleet.agent("run", UNIT);
    let mut daemon = Process::start(agent.stdout(Stdio::null()).stderr(log.reopen().unwrap()));
    let said = || std::fs::read_to_string(log.path()).unwrap();
    eventually(WAIT, "it runs", async || said().contains("running").then_some(())).await;
    kill_process(Pid::from_child(daemon.child_mut()), Signal::HUP).unwrap();
    eventually(WAIT, "it renews", async || (fleet.held(UNIT) != before).then_some(())).await;
    eventually(WAIT, "it has said so", async || said().contains("renewed cam-2/SN000001").then_some(()))
        .await;
    assert_eq!(fleet.check_lineage(UNIT).await.len(), 2);

    let preview = PreviewSelectionRequest { selection: selection.clone() };
    let expected_certificates = lifecycle.preview_selection(preview).await.unwrap().into_inner().certificates;
    let revoke = RevokeRequest {
        request_id: request_id(&mut generator),
        selection,
        reason: "keyCompromise".to_owned(),
        invalidity_date: None,
        expected_certificates,
        remark: String::new(),
    };
    let mut progress = lifecycle.revoke(revoke).await.unwrap().into_inner();
    while progress.message().await.unwrap().is_some() {}
    kill_process(Pid::from_child(daemon.child_mut()), Signal::HUP).unwrap();
    let ended = tokio::task::spawn_blocking(move || daemon.wait(WAIT)).await.unwrap();
    assert_eq!(ended.and_then(|status| status.code()), Some(3), "{}", said());
    assert!(said().contains("return the unit"), "{}", said());
}

fn unit() -> DeviceId {
    DeviceId { product: "cam-2".to_owned(), serial: UNIT.to_owned() }
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The Debian package `faketime`.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

const UNIT: &str = "SN000001";
const WAIT: Duration = Duration::from_secs(30);

//! Units are made without the CA, and cut at every frame.

use std::os::unix::fs::symlink;

use tests::Program;

use crate::account::{Account, Books};
use crate::cases::{Case, cases, on_lanes, uncut};
use crate::cut::Moment::{After, Before};
use crate::cut::Victim::{Device, Station};
use crate::cut::every_cut;
use crate::lane::Lane;
use crate::relay::Relay;

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_that_is_made_without_the_ca_and_cut_at_any_frame_is_made_once() {
    let frames = lane(uncut()).await;
    assert!(frames >= 2 * REQUESTS, "{frames} frames");
    let cuts = every_cut(0..frames, &[Before, After], &[&[Station], &[Device], &[Station, Device]]);
    on_lanes("made without the CA", cases(&cuts, 0), lane).await;
}

/// Returns how many frames crossed in the last run.
async fn lane(cases: Vec<Case>) -> usize {
    let mut lane = Lane::open(1 + cases.len()).await;
    lane.kill_the_ca();
    let mut serials = Vec::new();
    let mut frames = 0;
    for case in &cases {
        let (serial, crossed) = make(&mut lane, case, &serials).await;
        serials.push(serial);
        frames = crossed;
    }

    lane.serve();
    let made = serials.len() as u64;
    assert_eq!(lane.counts().await, (1, made, 1), "nothing was issued");
    let books = Books::of(&mut lane).await;
    for (serial, case) in serials.iter().zip(&cases) {
        Account::of(&lane, &books, serial).await.has_none_yet(&format!("{case:?}"));
    }
    let reconciled = lane.run(lane.reconcile(), Station, None, None).await;
    assert_eq!(reconciled.units_that_are("issued").len(), serials.len(), "{reconciled:?}");
    assert_eq!(lane.counts().await, (1 + made, 0, 1));
    let link = format!(
        "exec:'{}' factory --state '{}' --stdio",
        Program::Agent.path().display(),
        lane.station.directory().join("board-{slot}").display()
    );
    let finished = lane.run(lane.finish(&link, serials.len()), Station, None, None).await;
    assert_eq!(finished.units_that_are("passed").len(), serials.len(), "{finished:?}");
    assert_eq!(lane.counts().await, (1 + made, 0, 1 + made));
    let books = Books::of(&mut lane).await;
    for (serial, case) in serials.iter().zip(&cases) {
        Account::of(&lane, &books, serial).await.holds_it("passed", &format!("{case:?}"));
    }
    frames
}

/// Makes one unit on a board of its own. Returns its serial number, and how many frames crossed in the last
/// run.
async fn make(lane: &mut Lane, case: &Case, before: &[String]) -> (String, usize) {
    let board = lane.board();
    let relay = Relay::to_board(board.clone()).await;
    let link = format!("tcp:127.0.0.1:{}", relay.port);
    let (mut made, mut frames) = (Vec::new(), 0);
    for (run, cut) in case.runs().enumerate() {
        if !made.is_empty() {
            break;
        }
        let ran = lane.run(lane.away(&link, 1), Station, Some(&relay.blade), cut).await;
        case.judge(run, &ran);
        frames = ran.pieces;
        let report = lane.report().await;
        made = report.units_that_are("deferred");
        made.retain(|serial| !before.contains(serial));
        let begun = made.len() + report.units_that_are("unfinished").len();
        assert!(begun <= 1, "{case:?}: one unit is begun, {report:?}");
    }
    assert_eq!(made.len(), 1, "{case:?}");
    let serial = made.remove(0);
    symlink(board, lane.station.device(&serial)).unwrap();
    (serial, frames)
}

/// Hello, GenerateKey, Install, ReadBack, Lock.
const REQUESTS: usize = 5;

//! Deferred units get their certificates on the bench, and are cut at every frame and at every record.

use crate::account::{Account, Books};
use crate::cases::{Case, RECORDS_SPREAD, all_are_wanted, cases, on_lanes, uncut};
use crate::cut::Moment::Before;
use crate::cut::Victim::{Authority, Device, Station};
use crate::cut::{Victim, every_cut};
use crate::lane::Lane;
use crate::relay::Relay;

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_that_is_finished_and_cut_at_any_frame_gets_its_certificate_once() {
    let frames = lane(Wire::Link, uncut()).await;
    let usual: &[&[Victim]] = &[&[Station], &[Device], &[Station, Device]];
    let cuts = every_cut(0..frames, &[Before], if all_are_wanted() { EVERY_COMBINATION } else { usual });
    on_lanes("finished, frames", cases(&cuts, 0), |cases| lane(Wire::Link, cases)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_that_is_finished_and_cut_at_any_record_gets_its_certificate_once() {
    let records = lane(Wire::Door, uncut()).await;
    let mut victims: Vec<&[Victim]> = vec![&[Authority], &[Station]];
    if all_are_wanted() {
        victims.push(&[Authority, Station]);
    }
    let cuts = every_cut(0..records, &[Before], &victims);
    on_lanes("finished, records", cases(&cuts, RECORDS_SPREAD), |cases| lane(Wire::Door, cases)).await;
}

/// What is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    /// Between station and unit.
    Link,
    /// Between station and CA.
    Door,
}

/// Returns how many pieces crossed in the last run.
async fn lane(wire: Wire, cases: Vec<Case>) -> usize {
    let mut lane = Lane::open(1 + cases.len()).await;
    let mut pieces = 0;
    for (number, case) in cases.iter().enumerate() {
        let serial = lane.make_deferred(1).await.remove(0);
        let relay = Relay::to_board(lane.station.device(&serial)).await;
        let link = format!("tcp:127.0.0.1:{}", relay.port);
        let mut waits = true;
        for (run, cut) in case.runs().enumerate() {
            if !waits {
                break;
            }
            let blade = (wire == Wire::Link).then_some(&*relay.blade);
            let ran = lane.run(lane.finish(&link, 1), Station, blade, cut).await;
            pieces = ran.pieces;
            case.judge(run, &ran);
            let books = Books::of(&mut lane).await;
            waits = books.units_that_are("passed") < number + 2;
            let account = Account::of(&lane, &books, &serial).await;
            if waits {
                account.tells_one_story(&format!("{case:?}"));
            } else {
                account.holds_it("passed", &format!("{case:?}"));
            }
        }
        assert!(!waits, "{case:?}");
        let made = number as u64 + 2;
        assert_eq!(lane.counts().await, (made, 1 + cases.len() as u64 - made, made), "{case:?}");
    }
    pieces
}

const EVERY_COMBINATION: &[&[Victim]] = &[
    &[Station],
    &[Device],
    &[Authority],
    &[Station, Device],
    &[Station, Authority],
    &[Device, Authority],
    &[Station, Device, Authority],
];

//! A deferred unit gets its certificates at its first boot, and the connection is cut at every record. The CA
//! dies of it only where a side begins to speak: to start it again is what takes the time.

use crate::account::{Account, Books};
use crate::cases::{Case, RECORDS_SPREAD, all_are_wanted, cases, on_lanes, uncut};
use crate::cut::Moment::Before;
use crate::cut::Victim::{Authority, Device, Station};
use crate::cut::every_cut;
use crate::lane::Lane;

#[tokio::test(flavor = "multi_thread")]
async fn a_first_boot_that_is_cut_at_any_record_gets_each_certificate_once() {
    let (records, _) = boots(uncut()).await;
    let cuts = every_cut(0..records, &[Before], &[&[Device]]);
    on_lanes("first boots", cases(&cuts, RECORDS_SPREAD), boots).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_boot_whose_ca_dies_whenever_a_side_begins_to_speak_gets_each_certificate_once() {
    let (records, turns) = boots(uncut()).await;
    assert!(turns.len() >= TURNS_MIN, "{turns:?}");
    let at = if all_are_wanted() { (0..records).collect() } else { turns };
    let cuts = every_cut(at, &[Before], &[&[Authority], &[Device, Authority]]);
    on_lanes("first boots without the CA", cases(&cuts, RECORDS_SPREAD), boots).await;
}

/// Returns how many records crossed in the last run, and at which of them a side began to speak.
async fn boots(cases: Vec<Case>) -> (usize, Vec<usize>) {
    let mut lane = Lane::open(1 + cases.len()).await;
    let serials = lane.make_deferred(cases.len()).await;
    let reconciled = lane.run(lane.reconcile(), Station, None, None).await;
    assert_eq!(reconciled.units_that_are("issued").len(), serials.len(), "{reconciled:?}");
    let books = Books::of(&mut lane).await;
    let mut crossed = (0, Vec::new());
    for (serial, case) in serials.iter().zip(&cases) {
        Account::of(&lane, &books, serial).await.has_one("reconciled", &format!("{case:?}"));
        let mut works = false;
        for (run, cut) in case.runs().enumerate() {
            if works {
                break;
            }
            let ran = lane.run(lane.enroll(serial), Device, None, cut).await;
            case.judge(run, &ran);
            works = ran.status == Some(0);
            crossed = (ran.pieces, ran.turns);
            let account = Account::of(&lane, &books, serial).await;
            if works {
                account.works("reconciled", &format!("{case:?}"));
            } else {
                account.has_one("reconciled", &format!("{case:?}"));
            }
        }
        assert!(works, "{case:?}");
    }
    let made = serials.len() as u64;
    assert_eq!(lane.counts().await, (1 + made, 0, 1));
    crossed
}

/// Its handshakes and calls on several connections.
const TURNS_MIN: usize = 12;

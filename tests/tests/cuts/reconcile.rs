//! Deferred certificates are issued, and the connection to the CA is cut at every record.

use crate::account::{Account, Books};
use crate::cases::{Case, RECORDS_SPREAD, cases, on_lanes, uncut};
use crate::cut::Moment::Before;
use crate::cut::Victim::{Authority, Station};
use crate::cut::every_cut;
use crate::lane::Lane;

#[tokio::test(flavor = "multi_thread")]
async fn a_reconciliation_that_is_cut_at_any_record_issues_each_certificate_once() {
    let records = lane(uncut()).await;
    let cuts = every_cut(0..records, &[Before], &[&[Authority], &[Station], &[Authority, Station]]);
    on_lanes("reconciled", cases(&cuts, RECORDS_SPREAD), lane).await;
}

/// Returns how many records crossed in the last run.
async fn lane(cases: Vec<Case>) -> usize {
    let units = UNITS * cases.len();
    let mut lane = Lane::open(1 + units).await;
    let mut records = 0;
    for (number, case) in cases.iter().enumerate() {
        let serials = lane.make_deferred(UNITS).await;
        let mut waiting = UNITS;
        for (run, cut) in case.runs().enumerate() {
            if waiting == 0 {
                break;
            }
            let ran = lane.run(lane.reconcile(), Station, None, cut).await;
            records = ran.pieces;
            case.judge(run, &ran);
            let books = Books::of(&mut lane).await;
            waiting = books.units_that_are("deferred");
            for serial in &serials {
                let account = Account::of(&lane, &books, serial).await;
                match waiting {
                    0 => account.has_one("reconciled", &format!("{case:?}")),
                    _ => account.tells_one_story(&format!("{case:?}")),
                };
            }
        }
        assert_eq!(waiting, 0, "{case:?}");
        let issued = UNITS * (number + 1);
        assert_eq!(lane.counts().await, (1 + issued as u64, (units - issued) as u64, 1), "{case:?}");
    }
    records
}

/// So that there are answers between which it is cut.
const UNITS: usize = 2;

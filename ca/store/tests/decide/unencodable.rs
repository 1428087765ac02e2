//! Serial numbers that no certificate can have: an order is refused for them, and one that is on record is
//! read as before.

use std::sync::Arc;

use identity::Clock;
use ledger::{
    Action, Conflict, Entry, EntryNumber, Event, ManifestOutline, SerialList, SerialPart, Serials,
    TermsRefusal, UnitsWanted, WorkOrderId, WorkOrderTerms,
};
use ledger_log::{Batch, Log};
use store::MemoryLog;

use super::{bench, operator, order};
use crate::cases::model::announced;
use crate::cases::{Bench, clock, days, station, terms};

const REFUSED: Conflict = Conflict::TermsRefused(TermsRefusal::SerialNotEncodable { character: '?' });

#[tokio::test]
async fn an_order_of_unencodable_serial_numbers_is_refused() {
    let bench = bench();
    for serials in [
        Serials::Pattern("SN{1..2}?".parse().unwrap()),
        Serials::Pattern("?{1..2}".parse().unwrap()),
        Serials::Manifest(list(&["SN1", "SN?2"])),
    ] {
        let change = |terms: &mut WorkOrderTerms| (terms.quantity, terms.serials) = (2, serials);
        assert_eq!(order(&bench, change).await.unwrap_err(), REFUSED);
    }
    let said = REFUSED.to_string();
    let allowed = "a device serial number has only A-Z a-z 0-9 space and '()+,-./:=, not '?'";
    assert_eq!(said, allowed);
}

/// A part of an announced manifest is looked at as the terms are.
#[tokio::test]
async fn a_part_of_a_manifest_with_an_unencodable_serial_number_is_refused() {
    let bench = bench();
    bench.done(bench.operate(Action::CreateWorkOrder(announced(2)))).await;
    let part = |texts: [&str; 2]| {
        let texts = texts.map(|text| text.parse().unwrap());
        let serials = Arc::new(SerialPart::of_rising(&texts).unwrap());
        bench.operate(Action::AppendManifest { work_order: WorkOrderId(1), position: 0, serials })
    };
    let refused = bench.ask(part(["SN1", "SN2?"])).await.unwrap_err();
    assert_eq!(refused, REFUSED);
    bench.done(part(["SN1", "SN2"])).await;
}

/// They were refused at issuance only, before the terms were looked at for them.
#[tokio::test]
async fn a_ledger_with_an_order_of_unencodable_serial_numbers_is_read_and_the_order_works_on() {
    let (log, at) = (Arc::new(MemoryLog::default()), clock().now());
    let order = |serials| WorkOrderTerms { serials, ..terms(2) };
    let outline = ManifestOutline { len: 2, sha256: [9; 32] };
    let part: SerialPart = ["SN1?", "SN2?"].map(|text| text.parse().unwrap()).iter().collect();
    let created = |work_order, serials| Event::WorkOrderCreated { work_order, terms: order(serials) };
    let mut batch = Batch::behind(EntryNumber(0), 9);
    for (number, event) in (1..).zip([
        created(WorkOrderId(1), Serials::Pattern("SN?{1..2}".parse().unwrap())),
        created(WorkOrderId(2), Serials::Manifest(list(&["A?", "B?"]))),
        created(WorkOrderId(3), Serials::Manifest(SerialList::announced(outline))),
        Event::ManifestPart { work_order: WorkOrderId(3), serials: Arc::new(part), last: true },
    ]) {
        batch.push(&Entry {
            number: EntryNumber(number),
            at,
            principal: Some(operator()),
            request: None,
            content: [0; 32],
            remark: String::new(),
            event,
        });
    }
    log.append(&batch).await.unwrap();
    let bench = Bench::over(log, 40);
    for (number, expected) in [(1, ["SN?1", "SN?2"]), (2, ["A?", "B?"]), (3, ["SN1?", "SN2?"])] {
        let work_order = WorkOrderId(number);
        let (units, duration) = (UnitsWanted::Next(9), days(1));
        let reserve = Action::ReserveUnits { work_order, units, duration, station_units_max: 99 };
        let reserved = bench.done(bench.command(station("line-3"), Some(bench.draw()), reserve)).await;
        let Event::UnitsReserved { serials, .. } = &reserved.entry().event else { panic!("{reserved:?}") };
        assert_eq!(serials.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
    }
}

fn list(texts: &[&str]) -> SerialList {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

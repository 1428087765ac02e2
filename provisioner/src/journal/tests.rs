use std::fs;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::crew::CrewNow;
use crate::session::{BirthCertificate, Step};
use crate::stock::{Reservation, ReserveRequest, from_millis};

fn device(number: u32) -> DeviceId {
    format!("cam-2/SN{number:06}").parse().unwrap()
}

fn records() -> Vec<Record> {
    let serial_number = identity::SerialNumber::try_from([0x55; 16].as_slice()).unwrap();
    let columns = BTreeMap::from([("hardware revision".to_owned(), "B, \"2\"\nü".to_owned())]);
    let step = |step| Record::Step { device: device(1), step };
    let crew = CrewNow { shift: "late".into(), operator: "Kim".into() };
    let reservation = Reservation {
        id: "rs-000001".into(),
        serials: vec![device(4).serial, device(5).serial, device(6).serial],
        ends_at: from_millis(1_800_000_000_123),
    };
    vec![
        Record::Run(RunStart { at_ms: 1, link: "exec:agent {serial}".into(), slots: 8 }),
        Record::Begun { device: device(1), columns },
        step(Step::Asked { request_id: [7; 16].into(), csr: vec![1, 2, 3] }),
        step(Step::Issued(BirthCertificate { der: vec![9; 600], serial_number, ledger_entry: 12 })),
        step(Step::ReadBack { serial_number }),
        step(Step::Confirmed),
        step(Step::Passed),
        Record::Ended {
            device: device(2),
            end: UnitEnd { outcome: "refused".into(), reason: "KEY_ALREADY_USED".into(), open: false },
        },
        Record::Begun { device: device(3), columns: BTreeMap::new() },
        Record::Scrapped { device: device(3), reason: "cracked lens".into() },
        Record::Begun { device: device(4), columns: BTreeMap::new() },
        Record::Step { device: device(4), step: Step::Passed },
        Record::Step { device: device(4), step: Step::Superseded { serial_number } },
        Record::Order(OrderFacts { at: from_millis(1_700_000_000_000), answer: vec![1, 2] }),
        Record::Step {
            device: device(7),
            step: Step::Deferred { at: from_millis(1_700_000_000_001), anchors_digest: vec![7; 32], crew },
        },
        Record::Step { device: device(7), step: Step::LockedDeferred },
        Record::Step {
            device: device(7),
            step: Step::Refused { reason: "KEY_WEAK".into(), message: "why".into() },
        },
        Record::Reserving(ReserveRequest {
            request_id: [8; 16].into(),
            count: 3,
            serials: Vec::new(),
            duration: Some(Duration::from_secs(3_600)),
        }),
        Record::Reserved { request_id: [8; 16].into(), reservation: Some(reservation) },
        Record::Returned { reservation: "rs-000001".into(), serials: vec![device(6).serial] },
        Record::Reserving(ReserveRequest {
            request_id: [9; 16].into(),
            count: 0,
            serials: vec![device(7).serial],
            duration: None,
        }),
        Record::Reserved { request_id: [9; 16].into(), reservation: None },
    ]
}

/// A journal with all kinds of records, closed.
fn written(directory: &Path) -> PathBuf {
    let journal = Journal::open(directory).unwrap();
    let (writer, _) = journal.work_order("wo-1").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for record in records() {
        runtime.block_on(writer.record(&record)).unwrap();
    }
    path_of(directory, "wo-1")
}

#[test]
fn what_is_recorded_is_known_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = written(directory.path());
    assert_eq!(read(&path, ORDER).unwrap().records, records());
    let (_, known) = Journal::open(directory.path()).unwrap().work_order("wo-1").unwrap();
    let unit = &known.units[&device(1)];
    assert!(unit.progress.passed && unit.progress.confirmed && !unit.is_open());
    assert_eq!(unit.progress.asked, Some(([7; 16].into(), vec![1, 2, 3])));
    assert_eq!(unit.attempts, 1);
    let scrapped = &known.units[&device(3)];
    assert!(scrapped.scrapped && scrapped.is_done() && !scrapped.is_open(), "it never returns");
    let superseded = &known.units[&device(4)];
    assert!(superseded.is_superseded() && superseded.waits_for_rework(), "it is to be made again");
    assert!(!superseded.is_done() && !superseded.is_open() && superseded.certificate().is_none());
    let held: Vec<String> = known.held.serials().map(ToString::to_string).collect();
    assert_eq!(held, ["SN000005", "SN000004"], "one that a unit was told, and one for a new unit");
    assert!(known.held.unanswered().is_none());
    let deferred = &known.units[&device(7)];
    assert!(deferred.is_deferred() && deferred.is_done() && deferred.progress.refusal.is_some());
    assert_eq!(known.latest, Some(from_millis(1_700_000_000_001)));
    assert_eq!(known.last_run.unwrap().slots, 8);
    assert_eq!(work_orders(directory.path()).unwrap(), ["wo-1"]);
}

#[test]
fn a_second_station_is_refused_the_journal_until_the_first_ends() {
    let directory = tempfile::tempdir().unwrap();
    let first = Journal::open(directory.path()).unwrap();
    assert!(matches!(Journal::open(directory.path()), Err(JournalError::InUse { .. })));
    drop(first);
    Journal::open(directory.path()).unwrap();
}

#[test]
fn a_journal_directory_is_made_but_not_its_parents() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing/journal");
    assert!(matches!(Journal::open(&missing), Err(JournalError::NoDirectory { .. })));
    Journal::open(&directory.path().join("journal")).unwrap();
}

#[test]
fn a_torn_end_is_cut_and_reported_wherever_it_is_torn() {
    let directory = tempfile::tempdir().unwrap();
    let path = written(directory.path());
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let kept = whole[..length].iter().filter(|byte| **byte == b'\n').count().saturating_sub(1);
        let (writer, known) = Journal::open(directory.path()).unwrap().work_order("wo-1").unwrap();
        let ends_whole = length == 0 || whole[length - 1] == b'\n';
        assert_eq!(known.torn_bytes == 0, ends_whole, "{length} bytes");
        drop(writer);
        let again = read(&path, ORDER).unwrap();
        assert_eq!(again.records, records()[..kept], "{length} bytes");
        assert_eq!(again.torn_bytes, 0, "it is cut");
    }
}

#[test]
fn a_journal_of_another_version_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = path_of(directory.path(), "wo-1");
    fs::write(&path, file::line(br#"{"touchmark-station-journal":2,"work-order":"wo-1"}"#)).unwrap();
    assert!(matches!(read(&path, ORDER), Err(JournalError::Version { version: 2, .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn damage_is_reported_and_the_file_is_left_as_it_is(place: prop::sample::Index, bit in 0..8u8) {
        let directory = tempfile::tempdir().unwrap();
        let path = written(directory.path());
        let whole = fs::read(&path).unwrap();
        let place = place.index(whole.len() - 1);
        let mut damaged = whole.clone();
        damaged[place] ^= 1 << bit;
        fs::write(&path, &damaged).unwrap();
        let journal = Journal::open(directory.path()).unwrap();
        let refused = journal.work_order("wo-1").unwrap_err();
        prop_assert!(matches!(refused, JournalError::Damaged { .. }), "{refused}");
        prop_assert_eq!(fs::read(&path).unwrap(), damaged);
    }

    #[test]
    fn no_content_makes_the_reader_panic(content: Vec<u8>) {
        let directory = tempfile::tempdir().unwrap();
        let path = path_of(directory.path(), "wo-1");
        fs::write(&path, content).unwrap();
        read(&path, ORDER).ok();
    }
}

const ORDER: &str = "wo-1";

//! A ledger that the commit 551a908 wrote, with every kind of entry that there was: every later version opens
//! it and gives the same answers. `former_ledger/README.md` says how it was made.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a failed assumption is a failed test"
)]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::{IssuerName, ManualClock, Principal, SerialNumber};
use ledger::{AlarmKind, EntryNumber, JobId, Selection, WorkOrderId};
use ledger_log::format;
use store::{
    ChangePosition, ChangedStatus, DeviceFilter, Ledger as _, Listings as _, LogStore, Revocation,
    Status as _, StoreSettings,
};
use tempfile::TempDir;

/// The last second in which the former version wrote.
const NOW: Duration = Duration::from_secs(1_790_001_000);

/// Certificates have these serial numbers, from 1.
const DRAWN: u64 = 99;

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_of_551a908_opens_with_the_same_answers() {
    let directory = TempDir::new().unwrap();
    let former = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/former_ledger");
    let settings = StoreSettings::new(directory.path().to_owned());
    fs::create_dir(settings.ledger()).unwrap();
    for name in ["00000000000000000001.ledger", "closed-at"] {
        fs::copy(former.join(name), settings.ledger().join(name)).unwrap();
    }
    let clock = Arc::new(ManualClock::at(UNIX_EPOCH + NOW));
    let store = LogStore::open(&settings, clock).unwrap();
    assert!(store.torn_tail().is_none());
    let expected = fs::read_to_string(former.join("rows.txt")).unwrap();
    let found = rows(&store).await;
    let both = found.lines().zip(expected.lines());
    let other: Vec<_> = both.filter(|(found, expected)| found != expected).collect();
    assert!(other.is_empty(), "today's answers and the former ones: {other:#?}");
    assert_eq!(found.lines().count(), expected.lines().count());
    every_kind_is_there_and_is_written_as_it_was(&store);
    store.close().await.unwrap();
}

/// What a version of today would write for each entry is what the former one wrote.
fn every_kind_is_there_and_is_written_as_it_was(store: &LogStore) {
    let mut kinds = BTreeSet::new();
    for number in 1..=store.head().0 {
        let entry = store.entry(EntryNumber(number)).unwrap().unwrap();
        let kind = format!("{:?}", entry.event);
        kinds.insert(kind.split([' ', '{', '(']).next().unwrap().to_owned());
        let mut bytes = Vec::new();
        format::encode(&entry, &mut bytes);
        assert_eq!(format::decode(entry.number, &bytes).as_ref(), Some(&*entry));
        let segment = include_bytes!("former_ledger/00000000000000000001.ledger");
        let as_it_was = segment.windows(bytes.len()).any(|window| window == bytes);
        assert!(as_it_was, "entry {number} is written otherwise: {entry:?}");
    }
    // All but `TimeConfirmed`, which came later.
    assert_eq!(kinds.len(), 22, "{kinds:?}");
}

async fn rows(store: &LogStore) -> String {
    let mut text = String::new();
    entries_and_certificates(store, &mut text).await;
    devices_orders_and_principals(store, &mut text).await;
    alarms_jobs_and_rotations(store, &mut text).await;
    revocations(store, &mut text).await;
    listings(store, &mut text).await;
    text
}

async fn entries_and_certificates(store: &LogStore, text: &mut String) {
    for number in 1..=store.head().0 {
        let digest = store.entry_digest(EntryNumber(number)).await.unwrap().unwrap();
        writeln!(text, "entry {number} {}", hex(&digest)).unwrap();
    }
    for number in 1..DRAWN {
        let Some(one) = store.certificate(&serial_number(number)).await.unwrap() else { continue };
        let record = store.status_record(&serial_number(number)).await.unwrap().unwrap();
        assert_eq!((record.status, record.revocation.as_ref()), (one.status(), one.revocation()));
        let signed = one.certificate();
        writeln!(
            text,
            "certificate {number} {} {} {:?} {} {} {} {} {} {} shard {} {}",
            signed.issuer,
            signed.profile,
            one.status(),
            one.entry().number,
            at(one.entry().at),
            some(one.parent()),
            some(one.work_order()),
            some(one.ends().map(at)),
            one.revocation().map_or_else(|| "-".into(), revocation),
            some(record.shard),
            hex(&signed.der)
        )
        .unwrap();
    }
}

async fn devices_orders_and_principals(store: &LogStore, text: &mut String) {
    for device in store.devices(&DeviceFilter::default(), None, 99).await.unwrap().rows {
        let holder = Principal::Device(device.id.clone());
        let certificates = store.certificates_of(&holder, None, 99).await.unwrap().rows.len();
        writeln!(
            text,
            "device {} {:?} {} {} {} {} {} {} {} {certificates}",
            device.id,
            device.state(),
            device.work_order,
            some(device.station),
            at(device.born_at),
            device.birth,
            some(device.operational),
            device.flags.rework,
            at(device.seen_at)
        )
        .unwrap();
    }
    for order in store.work_orders(None, 99).await.unwrap().rows {
        let counts = &order.counts;
        writeln!(
            text,
            "order {} {:?} WorkOrderCounts {{ issued: {}, confirmed: {}, scrapped: {} }} {} {} {} {} {} {}",
            order.id,
            order.state,
            counts.issued,
            counts.confirmed,
            counts.scrapped,
            order.terms.product,
            order.terms.quantity,
            some(order.terms.opens_at.map(at)),
            some(order.terms.closes_at.map(at)),
            at(order.created_at),
            some(order.created_by)
        )
        .unwrap();
    }
    for one in store.principals(None, 99).await.unwrap().rows {
        let serial_number = one.credential.certificate().serial_number;
        let created = at(one.created_at);
        writeln!(text, "principal {} {} {created} {serial_number} {}", one.role, one.name, one.active)
            .unwrap();
    }
}

async fn alarms_jobs_and_rotations(store: &LogStore, text: &mut String) {
    for kind in [AlarmKind::Fork, AlarmKind::Duplicate] {
        for alarm in store.alarms(Some(kind), None, 99).await.unwrap().rows {
            writeln!(text, "alarm {kind:?} {}", alarm.number).unwrap();
        }
    }
    for id in 1..=2 {
        let job = store.job(JobId(id)).await.unwrap().unwrap();
        let (devices, certificates) = (job.terms.devices, job.terms.certificates);
        let goes_on = job.goes_on();
        writeln!(text, "job {id} {} {devices} {certificates} {} {goes_on}", job.revoked, job.terms.reason)
            .unwrap();
    }
    for rotation in store.rotations(UNIX_EPOCH).await.unwrap() {
        let spread = rotation.terms.spread.as_millis();
        writeln!(text, "rotation {} {} {spread}", rotation.entry, at(rotation.terms.until)).unwrap();
    }
}

async fn revocations(store: &LogStore, text: &mut String) {
    let beginning = ChangePosition::behind(EntryNumber(0));
    for change in store.revocation_changes(beginning, 999).await.unwrap() {
        let became = match change.status {
            ChangedStatus::RevokedOrHeld(why) => revocation(&why),
            ChangedStatus::Released => "released".into(),
        };
        let ChangePosition { entry, index } = change.position;
        writeln!(
            text,
            "change {entry}.{index} {} {} {} {} {} {became}",
            at(change.at),
            change.serial_number,
            change.issuer,
            some(change.shard),
            some(change.device)
        )
        .unwrap();
    }
    for issuer in IssuerName::ALL {
        let certificate = store.issuer(issuer).await.unwrap();
        let certificate = some(certificate.map(|one| one.certificate().serial_number));
        let (issued, shards) = (store.issued_by(issuer).await.unwrap(), store.shards(issuer).await.unwrap());
        writeln!(text, "issuer {issuer} {certificate} {issued} {shards}").unwrap();
        for one in store.revoked_in(issuer, None, UNIX_EPOCH, 0, 999).await.unwrap().entries {
            let Revocation { at: date, reason, invalidity_date, .. } = one.revocation;
            let since = some(invalidity_date.map(at));
            writeln!(text, "crl {issuer} {} {} {reason} {since}", one.serial_number, at(date)).unwrap();
        }
        for shard in 0..shards {
            let state = store.shard_state(issuer, shard).await.unwrap();
            writeln!(text, "shard {issuer} {shard} {} {}", state.changed, some(state.not_after.map(at)))
                .unwrap();
        }
    }
}

async fn listings(store: &LogStore, text: &mut String) {
    let late = UNIX_EPOCH + Duration::from_secs(40_000 * 86_400);
    for one in store.certificates_expiring(late, None, 99).await.unwrap().rows {
        writeln!(text, "expires {}", one.certificate().serial_number).unwrap();
    }
    let open = store.unaccounted(WorkOrderId(1), 99).await.unwrap();
    let devices: Vec<_> = open.devices.iter().map(ToString::to_string).collect();
    writeln!(text, "unaccounted {} {}", open.count, devices.join(" ")).unwrap();
    for serial_number in store.superseded_due(late, 99).await.unwrap() {
        writeln!(text, "due {serial_number}").unwrap();
    }
    let product = Selection::Product("cam-2".parse().unwrap());
    for one in store.select(&product, 0, 999).await.unwrap().certificates {
        writeln!(text, "selected {} {}", one.serial_number, one.since).unwrap();
    }
}

fn serial_number(number: u64) -> SerialNumber {
    let octets = [[0x41; 8], number.to_be_bytes()].concat();
    SerialNumber::try_from(octets.as_slice()).unwrap()
}

fn revocation(one: &Revocation) -> String {
    format!("{} {} {} {}", at(one.at), one.reason, some(one.invalidity_date.map(at)), one.entry)
}

/// Milliseconds since 1970.
fn at(time: SystemTime) -> u128 {
    time.duration_since(UNIX_EPOCH).unwrap().as_millis()
}

fn some<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".into(), |value| value.to_string())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

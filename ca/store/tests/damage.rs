//! Damage to the files of an embedded store: to the projection it costs listings for a moment, to the
//! ledger's torn tail nothing, and to the ledger before that it stops the start.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    dead_code,
    reason = "a failed assumption is a failed test"
)]

#[path = "store/cases.rs"]
mod cases;

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cases::{Bench, device};
use identity::{Clock, RevocationReason};
use ledger::{Action, CertificateStatus, JobId, RevocationTerms, Selection, WorkOrderId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use store::{
    ChangePosition, DeviceFilter, Ledger as _, Listings as _, LogError, LogSettings, LogStore, OpenError,
    Status as _, StoreError, StoreSettings,
};
use tempfile::TempDir;

const UNITS: u64 = 300;

fn settings(directory: &TempDir, preallocate: bool) -> StoreSettings {
    let log = LogSettings::Files { segment_bytes: 128 * 1024, preallocate, archive_dir: None };
    StoreSettings { log, checkpoint_entries: 100, ..StoreSettings::new(directory.path().to_owned()) }
}

async fn filled(directory: &TempDir, preallocate: bool) -> Bench {
    let clock = cases::clock();
    let store = LogStore::create(&settings(directory, preallocate), clock.clone()).unwrap();
    let bench = Bench::new(Arc::new(store), clock, None);
    let mut commands = vec![bench.create_order(UNITS * 2)];
    commands.extend((1..=UNITS).map(|serial| bench.birth(1, serial, serial)));
    for verdict in bench.store.commit(commands).await.unwrap() {
        verdict.unwrap();
    }
    bench
}

fn open(directory: &TempDir, preallocate: bool) -> Result<LogStore, OpenError> {
    LogStore::open(&settings(directory, preallocate), cases::clock())
}

/// All devices, once listings are there.
async fn listed(store: &LogStore) -> usize {
    let patience = Instant::now() + Duration::from_secs(60);
    loop {
        match store.devices(&DeviceFilter::default(), None, 1000).await {
            Ok(page) => return page.rows.len(),
            Err(StoreError::ListingsUnavailable { .. }) => {
                assert!(Instant::now() < patience, "listings do not come back");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Damages, truncates or deletes files below the directory, or all of it.
fn wreck(directory: &Path, random: &mut StdRng) -> &'static str {
    let mut files = Vec::new();
    files_below(directory, &mut files);
    if files.is_empty() || random.random_range(0..6) == 0 {
        fs::remove_dir_all(directory).ok();
        return "deleted the directory";
    }
    let path = &files[random.random_range(0..files.len())];
    match random.random_range(0..3) {
        0 => {
            fs::remove_file(path).ok();
            "deleted a file"
        }
        1 => {
            let file = OpenOptions::new().write(true).open(path).unwrap();
            file.set_len(random.random_range(0..=file.metadata().unwrap().len())).unwrap();
            "truncated a file"
        }
        _ => {
            let file = OpenOptions::new().write(true).open(path).unwrap();
            let length = file.metadata().unwrap().len().max(1);
            for _ in 0..64 {
                let junk: [u8; 16] = random.random();
                file.write_all_at(&junk, random.random_range(0..length)).unwrap();
            }
            "overwrote parts of a file"
        }
    }
}

fn files_below(directory: &Path, files: &mut Vec<PathBuf>) {
    for file in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = file.path();
        if path.is_dir() { files_below(&path, files) } else { files.push(path) }
    }
}

fn random() -> StdRng {
    let seed: u64 =
        std::env::var("TOUCHMARK_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_122);
    println!("seed {seed}");
    StdRng::seed_from_u64(seed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projection_damaged_while_closed_is_built_again() {
    let mut random = random();
    let directory = TempDir::new().unwrap();
    let bench = filled(&directory, false).await;
    bench.store.close().await.unwrap();
    drop(bench);
    for round in 0..12 {
        println!("round {round}: {}", wreck(&directory.path().join("projection"), &mut random));
        let store = open(&directory, false).unwrap();
        assert_eq!(listed(&store).await, UNITS as usize);
        store.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projection_damaged_while_in_use_stops_nothing_but_listings() {
    let mut random = random();
    let directory = TempDir::new().unwrap();
    let bench = filled(&directory, false).await;
    for round in 0..12 {
        assert_eq!(listed(&bench.store).await, UNITS as usize + round);
        println!("round {round}: {}", wreck(&directory.path().join("projection"), &mut random));
        let serial = UNITS + 1 + round as u64;
        let recorded = bench.done(bench.birth(1, serial, serial)).await;
        let serial_number = recorded.released().unwrap().serial_number();
        assert!(bench.store.certificate_status(&serial_number).await.unwrap().is_some());
        assert!(bench.store.device(&device(serial)).await.unwrap().is_some());
    }
    assert_eq!(listed(&bench.store).await, UNITS as usize + 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_tail_is_reported_and_cut_when_the_next_entry_is_recorded() {
    for preallocate in [false, true] {
        let directory = TempDir::new().unwrap();
        let bench = filled(&directory, preallocate).await;
        let head = bench.store.head();
        bench.store.close().await.unwrap();
        drop(bench);
        let segment = segments(&directory).pop().unwrap();
        let end = used(&segment);
        let file = OpenOptions::new().read(true).write(true).open(&segment).unwrap();
        // The first half of a frame that never became whole.
        let mut frame = vec![0; 200];
        file.read_exact_at(&mut frame, 24).unwrap();
        file.write_all_at(&frame, end).unwrap();
        let store = open(&directory, preallocate).unwrap();
        let torn = store.torn_tail().unwrap();
        assert_eq!((&torn.file, torn.offset), (&segment, end));
        assert_eq!(store.head(), head);
        let before = fs::read(&segment).unwrap();
        store.close().await.unwrap();
        drop(store);
        let store = open(&directory, preallocate).unwrap();
        assert!(store.torn_tail().is_some());
        assert_eq!(fs::read(&segment).unwrap(), before, "a start that records nothing changes nothing");
        store.close().await.unwrap();
        drop(store);
        let bench = Bench::new(Arc::new(open(&directory, preallocate).unwrap()), cases::clock(), None);
        bench.done(bench.birth(1, 301, 301)).await;
        assert_eq!(bench.store.head().0, head.0 + 1);
        bench.store.close().await.unwrap();
        drop(bench);
        let store = open(&directory, preallocate).unwrap();
        assert!(store.torn_tail().is_none());
        assert_eq!(store.head().0, head.0 + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_before_the_tail_stops_a_start_that_reads_it_and_names_the_place() {
    let directory = TempDir::new().unwrap();
    let bench = filled(&directory, false).await;
    // A batch of its own behind it proves that the first was acknowledged.
    bench.done(bench.birth(1, 301, 301)).await;
    bench.store.close().await.unwrap();
    drop(bench);
    for segment in segments(&directory) {
        let whole = fs::read(&segment).unwrap();
        let mut damaged = whole.clone();
        damaged[600] ^= 1;
        fs::write(&segment, &damaged).unwrap();
        // With its index a start reads the log behind the last checkpoint only.
        fs::remove_dir_all(directory.path().join("index")).ok();
        match open(&directory, false).map(drop) {
            Err(OpenError::Log(LogError::Damaged { place, entry, .. })) => {
                let (file, offset) = place.rsplit_once(", offset ").unwrap();
                assert_eq!(Path::new(file), segment);
                assert!(offset.parse::<u64>().unwrap() <= 600 && entry.0 > 0);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(fs::read(&segment).unwrap(), damaged, "a refused start changes nothing");
        fs::write(&segment, &whole).unwrap();
    }
    let first = segments(&directory).remove(0);
    fs::rename(&first, directory.path().join("elsewhere")).unwrap();
    assert!(matches!(open(&directory, false), Err(OpenError::Log(LogError::Damaged { .. }))));
    fs::rename(directory.path().join("elsewhere"), &first).unwrap();
    open(&directory, false).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_was_cut_short_after_a_clean_stop_is_refused() {
    let directory = TempDir::new().unwrap();
    let bench = filled(&directory, false).await;
    bench.done(bench.birth(1, 301, 301)).await;
    bench.store.close().await.unwrap();
    drop(bench);
    let segment = segments(&directory).pop().unwrap();
    OpenOptions::new().write(true).open(&segment).unwrap().set_len(used(&segment) - 10).unwrap();
    assert!(matches!(open(&directory, false), Err(OpenError::Log(LogError::Damaged { .. }))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_ends_before_what_the_listings_have_seen_is_refused_until_it_is_accepted() {
    let directory = TempDir::new().unwrap();
    let bench = filled(&directory, false).await;
    let head = bench.done(bench.birth(1, 301, 301)).await.entry().number;
    assert_eq!(listed(&bench.store).await, UNITS as usize + 1);
    bench.store.close().await.unwrap();
    drop(bench);
    // Without the note of a clean stop, a ledger that is cut looks like one with a torn tail.
    fs::remove_file(directory.path().join("ledger/closed-at")).unwrap();
    let segment = segments(&directory).pop().unwrap();
    OpenOptions::new().write(true).open(&segment).unwrap().set_len(used(&segment) - 10).unwrap();
    let short = fs::read(&segment).unwrap();
    for _ in 0..2 {
        match open(&directory, false).map(drop) {
            Err(OpenError::LostEnd { seen, head: end, .. }) => {
                assert_eq!((seen, end.0), (head, head.0 - 1));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(fs::read(&segment).unwrap(), short, "what is left of the entry is still there");
    }
    let accepting = StoreSettings { accept_lost_end: true, ..settings(&directory, false) };
    let store = LogStore::open(&accepting, cases::clock()).unwrap();
    store.close().await.unwrap();
    drop(store);
    let store = open(&directory, false).unwrap();
    assert_eq!((store.head().0, listed(&store).await), (head.0 - 1, UNITS as usize));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_acknowledged_once_the_ledger_was_taken_away_under_a_running_store() {
    for replace in [false, true] {
        let directory = TempDir::new().unwrap();
        let bench = filled(&directory, false).await;
        bench.done(bench.birth(1, UNITS + 3, UNITS + 3)).await;
        let ledger = directory.path().join("ledger");
        let newest = segments(&directory).pop().unwrap();
        if replace {
            let copy = newest.with_extension("copy");
            fs::copy(&newest, &copy).unwrap();
            fs::rename(&copy, &newest).unwrap();
        } else {
            fs::rename(&ledger, directory.path().join("elsewhere")).unwrap();
        }
        let lost = bench.store.commit(vec![bench.birth(1, UNITS + 1, UNITS + 1)]).await;
        assert!(matches!(lost, Err(StoreError::Log(LogError::Io { .. }))), "{lost:?}");
        assert!(bench.store.metrics().stopped);
        let later = bench.store.commit(vec![bench.birth(1, UNITS + 2, UNITS + 2)]).await;
        assert!(matches!(later, Err(StoreError::Stopped)), "{later:?}");
        bench.store.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_opened_by_one_process_at_a_time() {
    let directory = TempDir::new().unwrap();
    let bench = filled(&directory, false).await;
    assert!(matches!(open(&directory, false), Err(OpenError::InUse { .. })));
    assert!(matches!(
        LogStore::create(&settings(&directory, false), cases::clock()),
        Err(OpenError::InUse { .. })
    ));
    bench.store.close().await.unwrap();
    drop(bench);
    assert!(matches!(
        LogStore::create(&settings(&directory, false), cases::clock()),
        Err(OpenError::Exists { .. })
    ));
    open(&directory, false).unwrap();
    let empty = TempDir::new().unwrap();
    assert!(matches!(open(&empty, false), Err(OpenError::Missing { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_there_after_a_stop_that_was_not_clean() {
    let directory = TempDir::new().unwrap();
    let bench = filled(&directory, true).await;
    let head = bench.store.head();
    drop(bench);
    let store = opened_after_a_crash(&directory, true).await;
    assert_eq!(store.head(), head);
    assert_eq!(listed(&store).await, UNITS as usize);
}

/// The committer and the projector of a dropped store end by themselves.
async fn opened_after_a_crash(directory: &TempDir, preallocate: bool) -> LogStore {
    let patience = Instant::now() + Duration::from_secs(30);
    loop {
        match open(directory, preallocate) {
            Ok(store) => return store,
            Err(OpenError::InUse { .. }) => assert!(Instant::now() < patience),
            Err(error) => panic!("{error}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_opened_again_knows_every_row() {
    let directory = TempDir::new().unwrap();
    let clock = cases::clock();
    let store = LogStore::create(&settings(&directory, false), clock.clone()).unwrap();
    let bench = Bench::new(Arc::new(store), clock, None);
    let history = cases::random_history(&bench).await;
    bench.store.close().await.unwrap();
    for lose_projection in [false, true] {
        if lose_projection {
            fs::remove_dir_all(directory.path().join("projection")).unwrap();
        }
        let store = open(&directory, false).unwrap();
        let again = Bench::new(Arc::new(store), bench.clock.clone(), None);
        listed(&again.store).await;
        cases::agree(&again, &history).await;
        let ids = bench.store.issued_by(identity::IssuerName::Factory).await.unwrap();
        assert_eq!(again.store.issued_by(identity::IssuerName::Factory).await.unwrap(), ids);
        let alarms = async |store: &LogStore| store.alarms(None, None, 999).await.unwrap().rows.len();
        assert_eq!(alarms(&again.store).await, alarms(&bench.store).await);
        again.store.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_damaged_while_closed_is_built_again_with_the_same_answers() {
    let mut random = random();
    let directory = TempDir::new().unwrap();
    let clock = cases::clock();
    let store = LogStore::create(&settings(&directory, false), clock.clone()).unwrap();
    let bench = Bench::new(Arc::new(store), clock.clone(), None);
    let history = cases::random_history(&bench).await;
    bench.store.close().await.unwrap();
    for round in 0..12 {
        println!("round {round}: {}", wreck(&directory.path().join("index"), &mut random));
        let again = Bench::new(Arc::new(open(&directory, false).unwrap()), clock.clone(), None);
        listed(&again.store).await;
        match again.store.head() == bench.store.head() && round % 2 == 0 {
            true => cases::agree(&again, &history).await,
            // Writes a checkpoint that has one entry more: the next start may not take an older one for it.
            false => {
                let order = again.create_order(1);
                again.done(order).await;
            }
        }
        again.store.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_damaged_while_in_use_gives_no_wrong_answer_and_stops_the_store() {
    let mut random = random();
    for _ in 0..6 {
        let directory = TempDir::new().unwrap();
        let clock = cases::clock();
        let store = LogStore::create(&settings(&directory, false), clock.clone()).unwrap();
        let bench = Bench::new(Arc::new(store), clock.clone(), None);
        let mut commands = vec![bench.create_order(UNITS)];
        commands.extend((1..=UNITS).map(|serial| bench.birth(1, serial, serial)));
        let mut issued = Vec::new();
        for commands in commands.chunks(60) {
            let verdicts = bench.store.commit(commands.to_vec()).await.unwrap();
            issued.extend(verdicts.into_iter().filter_map(|verdict| verdict.unwrap().released()));
        }
        bench.store.close().await.unwrap();
        drop(bench);
        let bench = Bench::new(Arc::new(opened_after_a_crash(&directory, false).await), clock, None);
        let mut files = Vec::new();
        files_below(&directory.path().join("index"), &mut files);
        files.retain(|file| file.file_name().is_some_and(|name| name != "checkpoint"));
        for path in files {
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            let length = file.metadata().unwrap().len();
            file.write_all_at(&random.random::<[u8; 16]>(), random.random_range(0..length)).unwrap();
        }
        let mut refused = 0;
        for released in &issued {
            match bench.store.certificate(&released.serial_number()).await {
                Ok(found) => assert_eq!(found.unwrap().certificate().der, released.der()),
                Err(StoreError::IndexDamaged { .. }) => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert!(refused > 0, "no damage was found");
        // Nobody is answered any more, also not wrongly: a key on record counts as new to nobody.
        bench.store.commit(vec![bench.birth(1, 1, 1)]).await.ok();
        let stopped = bench.store.commit(vec![bench.create_order(1)]).await;
        assert!(matches!(stopped, Err(StoreError::Stopped)), "{stopped:?}");
        drop(bench);
        let again = opened_after_a_crash(&directory, false).await;
        for released in &issued {
            let found = again.certificate(&released.serial_number()).await.unwrap().unwrap();
            assert_eq!(found.certificate().der, released.der());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_cannot_be_written_stops_nothing() {
    let directory = TempDir::new().unwrap();
    let (index, elsewhere) = (directory.path().join("index"), directory.path().join("elsewhere"));
    let bench = filled(&directory, false).await;
    let mut serial = UNITS;
    let mut some_more = async || {
        for _ in 0..150 {
            serial += 1;
            bench.done(bench.birth(1, serial, serial)).await;
        }
    };
    let reached = |entry: u64| bench.store.metrics().checkpoint >= entry;
    let patience = Instant::now() + Duration::from_secs(60);
    while !reached(UNITS) {
        assert!(Instant::now() < patience, "no checkpoint was written");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    fs::rename(&index, &elsewhere).unwrap();
    some_more().await;
    // All that was issued meanwhile is known: nothing of it is in a file.
    for serial in 1..=UNITS + 150 {
        assert!(bench.store.device(&device(serial)).await.unwrap().is_some());
    }
    fs::rename(&elsewhere, &index).unwrap();
    some_more().await;
    let head = bench.store.head();
    bench.store.close().await.unwrap();
    assert!(reached(head.0), "a clean stop writes a checkpoint");
    drop(bench);
    let again = opened_after_a_crash(&directory, false).await;
    assert_eq!(again.metrics().checkpoint, head.0);
    for serial in 1..=UNITS + 300 {
        assert!(again.device(&device(serial)).await.unwrap().is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_of_another_ledger_is_not_used() {
    let (one, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let bench = filled(&one, false).await;
    bench.store.close().await.unwrap();
    let clock = cases::clock();
    let store = LogStore::create(&settings(&other, false), clock.clone()).unwrap();
    let stranger = Bench::new(Arc::new(store), clock, None);
    stranger.done(stranger.create_order(777)).await;
    for serial in 1..=UNITS {
        stranger.done(stranger.birth(1, serial, 5_000 + serial)).await;
    }
    stranger.store.close().await.unwrap();
    assert_eq!(stranger.store.head(), bench.store.head());
    fs::remove_dir_all(other.path().join("index")).unwrap();
    fs::rename(one.path().join("index"), other.path().join("index")).unwrap();
    let store = opened_after_a_crash(&other, false).await;
    assert_eq!(store.work_order(WorkOrderId(1)).await.unwrap().unwrap().terms.quantity, 777);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mass_revocation_that_was_killed_goes_on_at_the_next_start() {
    let directory = TempDir::new().unwrap();
    let clock = cases::clock();
    let store = LogStore::create(&settings(&directory, false), clock.clone()).unwrap();
    let bench = Bench::new(Arc::new(store), clock, None);
    bench.done(bench.create_order(5_000)).await;
    let births = (1..=3_000).map(|serial| bench.birth(1, serial, serial)).collect();
    bench.store.commit(births).await.unwrap();
    let selection = Selection::WorkOrder(WorkOrderId(1));
    let begin = Action::BeginRevocation(RevocationTerms {
        selection: selection.clone(),
        reason: RevocationReason::KeyCompromise,
        invalidity_date: None,
        devices: 3_000,
        certificates: 3_000,
    });
    bench.done(bench.operate(begin)).await;
    let (step, mut stepped) = tokio::sync::mpsc::channel(9);
    let store = Arc::clone(&bench.store);
    let work = tokio::spawn(async move {
        // After the first chunk it is as slow as a dying machine.
        store::carry_out(&*store, JobId(1), |_| {
            step.try_send(()).ok();
            std::thread::sleep(Duration::from_millis(200));
        })
        .await
    });
    stepped.recv().await.unwrap();
    work.abort();
    work.await.ok();
    drop(bench);
    let store = opened_after_a_crash(&directory, false).await;
    let left = store.unfinished_jobs().await.unwrap();
    assert_eq!(left.len(), 1);
    assert!((1..3_000).contains(&left[0].revoked), "{}", left[0].revoked);
    let finished = store::carry_out(&store, JobId(1), |_| {}).await.unwrap().unwrap();
    assert_eq!((finished.revoked, finished.goes_on()), (3_000, false));
    assert_eq!(store.survey(&selection).await.unwrap().certificates, 0);
    let changes = store.revocation_changes(ChangePosition::behind(Default::default()), 9_999).await.unwrap();
    let named: std::collections::HashSet<_> = changes.iter().map(|change| change.serial_number).collect();
    assert_eq!((changes.len(), named.len()), (3_000, 3_000));
    assert_eq!(
        store.certificate_status(&changes[2_999].serial_number).await.unwrap(),
        Some(CertificateStatus::Revoked)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn when_devices_were_last_seen_is_written_down_and_may_be_lost() {
    let directory = TempDir::new().unwrap();
    let bench = filled(&directory, false).await;
    let later = bench.clock.now() + Duration::from_secs(9_000);
    bench.store.seen(&device(7), later);
    bench.store.close().await.unwrap();
    let seen = async || {
        let store = open(&directory, false).unwrap();
        let seen = store.device(&device(7)).await.unwrap().unwrap().seen_at;
        let silent = store.devices_not_seen_since(later, None, 999).await.unwrap().rows.len();
        // It does not write again.
        drop(store);
        opened_after_a_crash(&directory, false).await.close().await.unwrap();
        (seen, silent)
    };
    assert_eq!(seen().await, (later, UNITS as usize - 1));
    assert_eq!(seen().await, (later, UNITS as usize - 1));
    let file = directory.path().join("last-seen");
    let mut bytes = fs::read(&file).unwrap();
    bytes[40] ^= 1;
    fs::write(&file, bytes).unwrap();
    // A checkpoint of the index may have it, too.
    fs::remove_dir_all(directory.path().join("index")).unwrap();
    assert_eq!(seen().await, (bench.clock.now(), UNITS as usize));
    fs::remove_dir_all(directory.path().join("index")).unwrap();
    fs::remove_file(&file).unwrap();
    assert_eq!(seen().await, (bench.clock.now(), UNITS as usize));
}

fn segments(directory: &TempDir) -> Vec<PathBuf> {
    let mut files = Vec::new();
    files_below(&directory.path().join("ledger"), &mut files);
    files.retain(|path| path.extension().is_some_and(|extension| extension == "ledger"));
    files.sort();
    files
}

/// Where the zeros of a segment start: no entry of these tests ends with a zero.
fn used(segment: &Path) -> u64 {
    let bytes = fs::read(segment).unwrap();
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1)
}

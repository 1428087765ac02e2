//! The power goes at every single write, sync and rename; then the unit is started again.

use agent::enroll::enroll;
use identity::Clock;
use std::collections::BTreeSet;

use crate::support::prelude::*;

#[test]
fn an_enrolment_that_loses_power_at_any_write_ends_with_one_certificate() {
    let ca = FakeCa::start();
    let factory = tempfile::tempdir().unwrap();
    born(factory.path(), &ca.issuers, "SN1", &ca.url());
    for last_is_done in [false, true] {
        for operations in 0.. {
            let home = tempfile::tempdir().unwrap();
            copy(factory.path(), home.path());
            ca.state.lock().unwrap().issued.clear();
            let disk = Arc::new(PowerCut::after(operations, last_is_done));
            let first = run(home.path(), disk.clone());
            let case = format!("cut at {operations}, done: {last_is_done}");
            assert_eq!(first.is_err(), disk.happened(), "{case}");
            whatever_is_current_works(home.path(), &case);
            run(home.path(), Arc::new(FileSystem)).unwrap_or_else(|error| panic!("{case}: {error}"));
            whatever_is_current_works(home.path(), &case);
            let state = ca.state.lock().unwrap();
            assert_eq!(state.issued.len(), 1, "{case}: one unit, one certificate");
            let kept = view(home.path()).credential(CredentialLocation::Slot(Slot::A)).unwrap();
            assert_eq!(state.issued.values().next().unwrap().1, kept.leaf.der, "{case}");
            if !disk.happened() {
                assert!(operations > 20, "there were only {operations} places to cut");
                break;
            }
        }
    }
}

#[test]
fn a_unit_that_loses_power_at_any_write_in_the_factory_keeps_one_key() {
    let issuers = Issuers::new();
    for last_is_done in [false, true] {
        for operations in 0.. {
            let home = tempfile::tempdir().unwrap();
            let disk = Arc::new(PowerCut::after(operations, last_is_done));
            let case = format!("cut at {operations}, done: {last_is_done}");
            let mut keys = BTreeSet::new();
            let first = bench(home.path(), Storage::on(disk.clone()), &issuers, "", &mut keys);
            assert_eq!(first.is_err(), disk.happened(), "{case}");
            bench(home.path(), Storage::on(Arc::new(FileSystem)), &issuers, "", &mut keys)
                .unwrap_or_else(|error| panic!("{case}: {error}"));
            assert_eq!(keys.len(), 1, "{case}: the station saw {} keys", keys.len());
            if !disk.happened() {
                assert!(operations > 20, "there were only {operations} places to cut");
                break;
            }
        }
    }
}

#[test]
fn a_certificate_that_ended_is_replaced_in_the_other_slot_and_stays_current_until_then() {
    let ca = FakeCa::start();
    let home = tempfile::tempdir().unwrap();
    born(home.path(), &ca.issuers, "SN1", &ca.url());
    ca.state.lock().unwrap().until = Some(day(3));
    run(home.path(), Arc::new(FileSystem)).unwrap();
    let later = clock();
    later.advance(Duration::from_secs(10 * 86_400));
    ca.state.lock().unwrap().refusals.push((Code::PermissionDenied, "NOT_TODAY", None));
    let refused = run_at(home.path(), Arc::new(FileSystem), later.clone()).unwrap_err();
    assert!(refused.is_refusal(), "{refused}");
    assert_eq!(view(home.path()).current().unwrap(), Some(Slot::A));
    ca.state.lock().unwrap().until = None;
    run_at(home.path(), Arc::new(FileSystem), later).unwrap();
    assert_eq!(view(home.path()).current().unwrap(), Some(Slot::B));
}

#[test]
fn a_unit_whose_answer_was_lost_and_ended_meanwhile_asks_another_question() {
    let ca = FakeCa::start();
    let factory = tempfile::tempdir().unwrap();
    born(factory.path(), &ca.issuers, "SN1", &ca.url());
    for operations in 0.. {
        let home = tempfile::tempdir().unwrap();
        copy(factory.path(), home.path());
        *ca.state.lock().unwrap() = CaState { until: Some(day(3)), ..CaState::default() };
        let disk = Arc::new(PowerCut::after(operations, true));
        run(home.path(), disk.clone()).ok();
        // Then it lies on a shelf.
        let asleep = Duration::from_secs(40 * 86_400);
        let later = clock();
        later.advance(asleep);
        {
            let mut state = ca.state.lock().unwrap();
            (state.until, state.later) = (None, asleep.as_secs().try_into().unwrap());
        }
        run_at(home.path(), Arc::new(FileSystem), later.clone())
            .unwrap_or_else(|error| panic!("cut at {operations}: {error}"));
        let view = view(home.path());
        let (slot, device) = (view.current().unwrap().unwrap(), "cam-2/SN1".parse().unwrap());
        view.checked(CredentialLocation::Slot(slot), &device, Kind::Operational, |_| later.now()).unwrap();
        assert!(ca.state.lock().unwrap().issued.len() <= 2, "cut at {operations}");
        if !disk.happened() {
            break;
        }
    }
}

#[test]
fn every_file_is_on_disk_before_its_name_and_every_name_before_the_next_step() {
    let ca = FakeCa::start();
    let home = tempfile::tempdir().unwrap();
    let (disk, mut keys) = (Arc::new(Witness::default()), BTreeSet::new());
    bench(home.path(), Storage::on(disk.clone()), &ca.issuers, "", &mut keys).unwrap();
    run_with(home.path(), disk.clone(), clock(), Some(ca.url().parse().unwrap())).unwrap();
    let renames = disk.each_name_follows_its_file();
    assert!(renames > 15, "{renames}");
}

/// `current` is absent, or leads to a key and a certificate that belong together.
fn whatever_is_current_works(state: &Path, case: &str) {
    let view = view(state);
    if let Some(slot) = view.current().unwrap() {
        let device = view.record().device.clone().unwrap();
        let now = now();
        view.checked(CredentialLocation::Slot(slot), &device, Kind::Operational, |_| now)
            .unwrap_or_else(|error| panic!("{case}: {error}"));
    }
}

fn clock() -> Arc<ManualClock> {
    clock_at(now())
}

fn run(state: &Path, disk: Arc<dyn Disk>) -> Result<(), ObtainError> {
    run_at(state, disk, clock())
}

fn run_at(state: &Path, disk: Arc<dyn Disk>, clock: Arc<ManualClock>) -> Result<(), ObtainError> {
    run_with(state, disk, clock, None)
}

fn run_with(
    state: &Path,
    disk: Arc<dyn Disk>,
    clock: Arc<ManualClock>,
    server: Option<agent::ca_client::Server>,
) -> Result<(), ObtainError> {
    let mut state = State::open(state, Storage::on(disk))?;
    // Another day, another request id.
    let today = clock.now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let generator = StdRng::seed_from_u64(today);
    block(enroll(&mut state, server, clock, generator, retry_policy())).map(|_| ())
}

//! A renewal whose power, answers, disk or clock fail it at any point: one line of descent, and a unit that
//! can connect.

use agent::renew::{Outcome, When, renew};
use std::collections::HashMap;

use crate::support::prelude::*;

#[test]
fn a_renewal_that_loses_power_at_any_write_ends_with_one_line_of_descent() {
    let site = Site::new();
    for last_is_done in [false, true] {
        for operations in 0.. {
            let home = site.unit();
            let case = format!("cut at {operations}, done: {last_is_done}");
            let disk = Arc::new(PowerCut::after(operations, last_is_done));
            site.ca.state.lock().unwrap().window = Some(DUE);
            let first = run(home.path(), disk.clone(), When::Due);
            // Removing the old key is left for the next run when it fails.
            assert!(first.is_ok() || disk.happened(), "{case}: {:?}", first.err());
            site.current_works(home.path(), &case);
            site.ca.state.lock().unwrap().window = None;
            run(home.path(), Arc::new(FileSystem), When::Due).unwrap_or_else(|e| panic!("{case}: {e}"));
            site.is_at_rest(home.path(), &case);
            if !disk.happened() {
                assert!(matches!(first, Ok(Outcome::Renewed(_))), "{case}");
                assert!(operations > 40, "there were only {operations} places to cut");
                break;
            }
        }
    }
}

#[test]
fn a_renewal_that_loses_power_again_and_again_ends_with_one_line_of_descent() {
    let site = Site::new();
    for stride in [3, 5, 7, 11] {
        let home = site.unit();
        let mut cuts = 0;
        loop {
            // Each life gets a little further than the one before.
            let disk = Arc::new(PowerCut::after(cuts * stride / 2 + 1, cuts % 2 == 0));
            run(home.path(), disk.clone(), When::Now).ok();
            site.current_works(home.path(), &format!("stride {stride}, cut {cuts}"));
            if !disk.happened() {
                break;
            }
            cuts += 1;
            assert!(cuts < 200, "it gets nowhere");
            if view(home.path()).record().renewal.is_none() && site.issued() > 1 {
                break;
            }
        }
        run(home.path(), Arc::new(FileSystem), When::Due).unwrap();
        site.is_at_rest(home.path(), &format!("stride {stride}"));
    }
}

#[test]
fn lost_answers_and_ten_retries_end_with_one_child() {
    let site = Site::new();
    for lost in [1, 2, 10] {
        let home = site.unit();
        site.ca.state.lock().unwrap().lost = lost;
        for _ in 0..=lost {
            let mut state = State::open(home.path(), Storage::default()).unwrap();
            let once = RetryPolicy::once();
            block(renew(&mut state, None, clock_at(now()), generator(), once, When::Now)).ok();
            drop(state);
            site.current_works(home.path(), &format!("{lost} lost"));
        }
        assert_eq!(site.issued(), 2, "{lost} lost: one child");
        run(home.path(), Arc::new(FileSystem), When::Due).unwrap();
        site.is_at_rest(home.path(), &format!("{lost} lost"));
    }
}

#[test]
fn a_full_disk_costs_nothing_and_the_renewal_goes_on_when_there_is_room() {
    let site = Site::new();
    for files in 0.. {
        let home = site.unit();
        let full = run(home.path(), Arc::new(FullDisk::with_room_for(files)), When::Now);
        site.current_works(home.path(), &format!("room for {files}"));
        if let Err(error) = &full {
            assert!(matches!(error, ObtainError::State(StateError::Write { .. })), "{files}: {error}");
        }
        run(home.path(), Arc::new(FileSystem), When::Now).unwrap_or_else(|e| panic!("{files}: {e}"));
        site.current_works(home.path(), &format!("room for {files}, then more"));
        if full.is_ok() {
            assert!(files > 5, "{files}");
            break;
        }
        assert_eq!(site.issued(), 2, "room for {files}: one child");
        site.is_at_rest(home.path(), &format!("room for {files}, then more"));
    }
}

#[test]
fn every_file_of_a_renewal_is_on_disk_before_its_name_and_every_name_before_the_next_step() {
    let site = Site::new();
    let (home, disk) = (site.unit(), Arc::new(Witness::default()));
    run(home.path(), disk.clone(), When::Now).unwrap();
    let renames = disk.each_name_follows_its_file();
    assert!(renames > 7, "{renames}");
}

/// R-LIFE-06: the CA's clock decides, and a clock that jumps takes nothing away.
#[test]
fn a_clock_that_jumps_decades_neither_hastens_nor_hinders_a_renewal() {
    let site = Site::with_certificates_until(day(40));
    let year = Duration::from_secs(365 * 86_400);
    for (name, moment) in [("1970", UNIX_EPOCH), ("ahead", now() + 30 * year), ("right", now())] {
        let home = site.unit();
        site.ca.state.lock().unwrap().until = Some(day(40));
        let early = run_at(home.path(), clock_at(moment), When::Due).unwrap();
        assert!(matches!(early, Outcome::NotDue(_)), "{name}: the CA says that it is not time");
        site.ca.state.lock().unwrap().window = Some(DUE);
        let due = run_at(home.path(), clock_at(moment), When::Due).unwrap();
        assert!(matches!(due, Outcome::Renewed(_)), "{name}");
        let floor = view(home.path()).record().time_floor.moment();
        assert!(
            floor < now() + Duration::from_secs(86_400),
            "{name}: its own clock does not raise the floor"
        );
        site.is_at_rest(home.path(), name);
    }
}

#[test]
fn a_unit_that_lay_on_a_shelf_in_the_middle_of_a_renewal_gets_another_certificate() {
    let site = Site::with_certificates_until(day(3));
    for operations in (0..60).step_by(3) {
        let home = site.unit();
        run(home.path(), Arc::new(PowerCut::after(operations, true)), When::Now).ok();
        let asleep = Duration::from_secs(40 * 86_400);
        {
            let mut state = site.ca.state.lock().unwrap();
            (state.until, state.later) = (None, asleep.as_secs().try_into().unwrap());
        }
        run_at(home.path(), clock_at(now() + asleep), When::Due)
            .unwrap_or_else(|error| panic!("cut at {operations}: {error}"));
        let view = view(home.path());
        let slot = view.current().unwrap().unwrap();
        let device = "cam-2/SN1".parse().unwrap();
        view.checked(CredentialLocation::Slot(slot), &device, Kind::Operational, |_| now() + asleep).unwrap();
        assert!(site.issued() <= 3, "cut at {operations}");
    }
}

/// A CA and a unit that has enrolled there, to be copied.
struct Site {
    ca: FakeCa,
    enrolled: tempfile::TempDir,
    issued: HashMap<Vec<u8>, (identity::KeyFingerprint, Vec<u8>)>,
    until: Option<(i32, u8, u8)>,
}

impl Site {
    fn new() -> Self {
        Self::make(None)
    }

    fn with_certificates_until(until: (i32, u8, u8)) -> Self {
        Self::make(Some(until))
    }

    fn make(until: Option<(i32, u8, u8)>) -> Self {
        let (ca, home) = (FakeCa::start(), tempfile::tempdir().unwrap());
        ca.state.lock().unwrap().until = until;
        enrolled(home.path(), &ca.issuers, "SN1", &ca.url());
        let issued = ca.state.lock().unwrap().issued.clone();
        Self { ca, enrolled: home, issued, until }
    }

    /// The unit as it was, at a CA that remembers no renewal.
    fn unit(&self) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        copy(self.enrolled.path(), home.path());
        let issued = self.issued.clone();
        *self.ca.state.lock().unwrap() = CaState { issued, until: self.until, ..CaState::default() };
        home
    }

    fn issued(&self) -> usize {
        self.ca.state.lock().unwrap().issued.len()
    }

    /// `current` leads to a key and a certificate that belong together and that the CA takes.
    fn current_works(&self, home: &Path, case: &str) {
        let view = view(home);
        let slot = view.current().unwrap().unwrap();
        let device = view.record().device.clone().unwrap();
        view.checked(CredentialLocation::Slot(slot), &device, Kind::Operational, |_| now())
            .unwrap_or_else(|error| panic!("{case}: {error}"));
        let serial_number = view.certificate(CredentialLocation::Slot(slot)).unwrap().serial_number;
        assert!(
            !self.ca.state.lock().unwrap().revoked.contains(&serial_number),
            "{case}: current is superseded"
        );
    }

    /// Nothing is under way, and the CA takes one certificate of this unit: the one that it uses.
    fn is_at_rest(&self, home: &Path, case: &str) {
        self.current_works(home, case);
        let view = view(home);
        assert_eq!(view.record().renewal, None, "{case}");
        let slot = view.current().unwrap().unwrap();
        assert!(
            !view.path(CredentialLocation::Slot(slot.other())).join("key.pem").exists(),
            "{case}: the old key is gone"
        );
        let state = self.ca.state.lock().unwrap();
        assert!(state.issued.len() <= 2, "{case}: {} certificates", state.issued.len());
        assert_eq!(state.good(), 1, "{case}");
    }
}

fn run(home: &Path, disk: Arc<dyn Disk>, when: When) -> Result<Outcome, ObtainError> {
    let mut state = State::open(home, Storage::on(disk))?;
    block(renew(&mut state, None, clock_at(now()), generator(), retry_policy(), when))
}

fn run_at(home: &Path, clock: Arc<ManualClock>, when: When) -> Result<Outcome, ObtainError> {
    let mut state = State::open(home, Storage::default())?;
    block(renew(&mut state, None, clock, generator(), retry_policy(), when))
}

/// No two runs draw the same request id.
fn generator() -> StdRng {
    StdRng::try_from_rng(&mut rand::rngs::SysRng).unwrap()
}

/// A window that is over.
const DUE: (i64, i64) = (-7200, -3600);

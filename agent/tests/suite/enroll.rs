//! First boot, with a CA that behaves and one that does not.

use agent::enroll::enroll as enroll_in_process;
use std::process::Command;

use crate::support::prelude::*;

#[test]
fn a_unit_enrols_once_and_stays_enrolled() {
    let home = tempfile::tempdir().unwrap();
    let ca = FakeCa::start();
    born(home.path(), &ca.issuers, "SN1", &ca.url());
    assert_eq!(status(home.path()).status.code(), Some(6), "born, not enrolled");
    let first = enroll(home.path(), &[]);
    assert_eq!(first.status.code(), Some(0), "{}", stderr(&first));
    let first = json(&first);
    assert_eq!(first["device"], "cam-2/SN1");
    assert_eq!(first["already_enrolled"], false);
    for name in ["cert.pem", "key.pem", "chain.pem", "trust.pem"] {
        assert!(home.path().join("current").join(name).is_file(), "{name}");
    }
    let calls = ca.state.lock().unwrap().calls;
    assert_eq!(calls, 3, "enroll, the proof, confirm");
    let again = json(&enroll(home.path(), &[]));
    assert_eq!(again["already_enrolled"], true);
    assert_eq!(again["serial_number"], first["serial_number"]);
    assert_eq!(ca.state.lock().unwrap().calls, calls, "nobody was asked again");
    assert_eq!(ca.state.lock().unwrap().issued.len(), 1);
    let standing = status(home.path());
    assert_eq!(standing.status.code(), Some(0));
    assert_eq!(json(&standing)["standing"], "enrolled");
    assert_eq!(json(&standing)["ldevid"]["serial_number"], first["serial_number"]);
}

#[test]
fn an_answer_that_does_not_fit_is_not_kept_and_the_next_good_one_is() {
    let home = tempfile::tempdir().unwrap();
    let ca = FakeCa::start();
    born(home.path(), &ca.issuers, "SN1", &ca.url());
    for wrong_answer in WrongAnswer::TO_BOTH {
        ca.state.lock().unwrap().wrong_answer = Some(wrong_answer);
        let refused = enroll(home.path(), &[]);
        assert_eq!(refused.status.code(), Some(1), "{wrong_answer:?}: {}", stderr(&refused));
        assert!(!home.path().join("current").exists(), "{wrong_answer:?}");
        assert!(!home.path().join("a/cert.pem").exists(), "{wrong_answer:?}");
    }
    ca.state.lock().unwrap().wrong_answer = None;
    assert_eq!(enroll(home.path(), &[]).status.code(), Some(0));
}

#[test]
fn what_passes_is_tried_again_and_what_does_not_is_told() {
    let home = tempfile::tempdir().unwrap();
    let ca = FakeCa::start();
    born(home.path(), &ca.issuers, "SN1", &ca.url());
    let refuse = |code, reason, retry| ca.state.lock().unwrap().refusals.push((code, reason, retry));

    refuse(Code::Unauthenticated, "CLIENT_CERTIFICATE_REVOKED", None);
    let revoked = enroll(home.path(), &[]);
    assert_eq!(revoked.status.code(), Some(3));
    assert!(stderr(&revoked).contains("return the unit"), "{}", stderr(&revoked));

    refuse(Code::InvalidArgument, "KEY_TYPE_NOT_ALLOWED", None);
    assert_eq!(enroll(home.path(), &[]).status.code(), Some(3));

    refuse(Code::Unavailable, "STORE_FULL", Some(Duration::from_secs(3600)));
    let busy = enroll(home.path(), &["--deadline", "1s"]);
    assert_eq!(busy.status.code(), Some(7), "RetryInfo is honoured: {}", stderr(&busy));

    refuse(Code::Unavailable, "STORE_BUSY", Some(Duration::from_millis(20)));
    refuse(Code::Unavailable, "STORE_BUSY", None);
    assert_eq!(enroll(home.path(), &[]).status.code(), Some(0));
}

#[test]
fn a_certificate_that_ended_or_was_revoked_before_it_was_in_use_does_not_brick_the_unit() {
    let home = tempfile::tempdir().unwrap();
    let ca = FakeCa::start();
    born(home.path(), &ca.issuers, "SN1", &ca.url());
    // The answer is lost, and the unit is off until the certificate that the CA has for it has ended.
    ca.state.lock().unwrap().wrong_answer = Some(WrongAnswer::Garbage);
    assert_eq!(enroll(home.path(), &[]).status.code(), Some(1));
    ca.state.lock().unwrap().wrong_answer = None;
    ca.state.lock().unwrap().until = Some(day(-19));
    let ended = enroll(home.path(), &[]);
    assert_eq!(ended.status.code(), Some(1), "it asks for another once, not without end: {}", stderr(&ended));
    assert_eq!(ca.state.lock().unwrap().issued.len(), 2);
    ca.state.lock().unwrap().until = None;
    let first = enroll(home.path(), &[]);
    assert_eq!(first.status.code(), Some(0), "{}", stderr(&first));
    assert_eq!(ca.state.lock().unwrap().issued.len(), 3);

    for (code, reason, passing) in [
        (Code::FailedPrecondition, "CERTIFICATE_REVOKED", 0),
        (Code::Unauthenticated, "CLIENT_CERTIFICATE_REVOKED", 1),
        (Code::Unauthenticated, "CLIENT_CERTIFICATE_REVOKED", 2),
    ] {
        let home = tempfile::tempdir().unwrap();
        born(home.path(), &ca.issuers, "SN2", &ca.url());
        ca.state.lock().unwrap().refusals = vec![(code, reason, None)];
        ca.state.lock().unwrap().refusals.extend(vec![(Code::Ok, "", None); passing]);
        let enrolled = enroll(home.path(), &[]);
        assert_eq!(enrolled.status.code(), Some(0), "{reason}, call {passing}: {}", stderr(&enrolled));
        assert_eq!(status(home.path()).status.code(), Some(0), "{reason}, call {passing}");
    }
}

#[test]
fn nobody_at_home_ends_at_the_deadline() {
    let home = tempfile::tempdir().unwrap();
    let issuers = Issuers::new();
    // Port 9 (discard) of the loopback: nobody listens.
    born(home.path(), &issuers, "SN1", "https://127.0.0.1:9");
    let alone = enroll(home.path(), &["--deadline", "3s"]);
    assert_eq!(alone.status.code(), Some(7), "{}", stderr(&alone));
    assert!(stderr(&alone).contains("cannot be reached"), "{}", stderr(&alone));
}

#[test]
fn who_is_sent_sighup_while_trying_goes_on_to_the_deadline() {
    let home = tempfile::tempdir().unwrap();
    born(home.path(), &Issuers::new(), "SN1", "https://127.0.0.1:9");
    let mut trying = agent();
    trying.args(["enroll", "--deadline", "1s", "--state"]).arg(home.path()).stderr(Stdio::null());
    let mut trying = trying.spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let process = rustix::process::Pid::from_child(&trying);
    rustix::process::kill_process(process, rustix::process::Signal::HUP).unwrap();
    assert_eq!(trying.wait().unwrap().code(), Some(7));
}

#[test]
fn a_server_of_another_root_or_another_name_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let (ca, foreign) = (FakeCa::start(), FakeCa::start());
    born(home.path(), &ca.issuers, "SN1", &ca.url());
    let wrong = enroll(home.path(), &["--server", &foreign.url()]);
    assert_eq!(wrong.status.code(), Some(1), "{}", stderr(&wrong));
    assert!(stderr(&wrong).contains("not the CA that this unit trusts"));
    let elsewhere = format!("https://127.0.0.2:{}", ca.address.port());
    let other_name = enroll(home.path(), &["--server", &elsewhere, "--deadline", "1s"]);
    assert_ne!(other_name.status.code(), Some(0), "{}", stderr(&other_name));
    assert_eq!(foreign.state.lock().unwrap().calls, 0);
}

#[test]
fn a_clock_of_1970_enrols_and_a_clock_that_is_set_back_revives_no_server() {
    let clock = Arc::new(ManualClock::at(UNIX_EPOCH));
    let issuers = Issuers::new();
    // The server's certificate begins after the floor of a new unit, and ends soon.
    let ca = FakeCa::start_with(issuers, day(-2), day(32));
    let home = tempfile::tempdir().unwrap();
    born(home.path(), &ca.issuers, "SN1", &ca.url());
    let other = tempfile::tempdir().unwrap();
    copy(home.path(), other.path());
    in_process(home.path(), clock.clone()).unwrap();
    let floor = State::open(home.path(), Storage::default()).unwrap().record().time_floor;
    let told = now();
    assert!(floor.moment() >= told, "what the CA said is kept");

    let after = told + Duration::from_secs(40 * 86_400);
    let mut state = State::open(other.path(), Storage::default()).unwrap();
    state.update(|record| record.time_floor = record.time_floor.raised_to(after)).unwrap();
    drop(state);
    let refused = in_process(other.path(), clock).unwrap_err();
    assert!(matches!(refused, ObtainError::ServerCertificate { .. }), "{refused}");
    assert!(refused.to_string().contains("the clock is wrong"), "{refused}");
}

#[test]
fn the_program_enrols_under_faketime_1970() {
    if Command::new("faketime").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "faketime is not installed");
        eprintln!("SKIPPED: faketime is not installed");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let ca = FakeCa::start();
    born(home.path(), &ca.issuers, "SN1", &ca.url());
    let output = Command::new("faketime")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .args(["1970-01-01 00:00:10", env!("CARGO_BIN_EXE_touchmark-agent"), "enroll", "--state"])
        .arg(home.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("behind the time floor"), "{}", stderr(&output));
}

#[test]
fn units_killed_at_any_moment_end_with_one_certificate_each() {
    let ca = FakeCa::start();
    let seed = 20_261_122;
    let mut generator = StdRng::seed_from_u64(seed);
    for unit in 0..6 {
        let home = tempfile::tempdir().unwrap();
        born(home.path(), &ca.issuers, &format!("SN{unit}"), &ca.url());
        ca.state.lock().unwrap().issued.clear();
        let mut kills: u64 = 0;
        loop {
            match run_and_kill("enroll", home.path(), &mut generator, kills) {
                Some(0) => break,
                Some(code) => panic!("seed {seed}, unit {unit}, after {kills} kills: exit {code}"),
                None => kills += 1,
            }
        }
        let end = enroll(home.path(), &[]);
        assert_eq!(end.status.code(), Some(0), "seed {seed}, unit {unit}: {}", stderr(&end));
        assert_eq!(ca.state.lock().unwrap().issued.len(), 1, "seed {seed}, unit {unit}, {kills} kills");
    }
}

fn in_process(state: &Path, clock: Arc<ManualClock>) -> Result<agent::enroll::Enrolled, ObtainError> {
    let mut state = State::open(state, Storage::default()).unwrap();
    block(enroll_in_process(&mut state, None, clock, StdRng::seed_from_u64(1), retry_policy()))
}

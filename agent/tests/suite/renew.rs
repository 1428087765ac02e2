//! From one operational certificate to the next, with a CA that behaves and one that does not.

use crate::support::prelude::*;

#[test]
fn a_unit_renews_when_the_ca_says_and_not_before() {
    let (ca, home) = (FakeCa::start(), tempfile::tempdir().unwrap());
    enrolled(home.path(), &ca.issuers, "SN1", &ca.url());
    let first = current(home.path());

    let early = renew(home.path(), &[]);
    assert_eq!(early.status.code(), Some(0), "{}", stderr(&early));
    assert_eq!(json(&early)["renewed"], false);
    assert_eq!(current(home.path()), first, "it is not due");
    assert_eq!(json(&status(home.path()))["renewal"]["step"], "none");

    ca.state.lock().unwrap().window = Some((-7200, -3600));
    ca.state.lock().unwrap().reason = "rotation requested";
    let due = renew(home.path(), &[]);
    assert_eq!(due.status.code(), Some(0), "{}", stderr(&due));
    assert_eq!(json(&due)["renewed"], true);
    let second = current(home.path());
    assert_ne!(second, first);
    assert_eq!(json(&due)["serial_number"], hex::encode(&second));
    let spare = home.path().join("a");
    assert_eq!(spare.read_dir().unwrap().count(), 0, "the old key is gone");
    let state = ca.state.lock().unwrap();
    assert_eq!((state.issued.len(), state.good()), (2, 1), "one line of descent");
    assert_eq!(state.parents[&second], first);
    assert_eq!(state.confirmed.last(), Some(&second));
}

#[test]
fn a_unit_that_is_forced_renews_now_and_again_in_the_slot_before() {
    let (ca, home) = (FakeCa::start(), tempfile::tempdir().unwrap());
    enrolled(home.path(), &ca.issuers, "SN1", &ca.url());
    for slot in [Slot::B, Slot::A, Slot::B] {
        let forced = renew(home.path(), &["--force"]);
        assert_eq!(forced.status.code(), Some(0), "{}", stderr(&forced));
        assert_eq!(view(home.path()).current().unwrap(), Some(slot));
        assert_eq!(status(home.path()).status.code(), Some(0));
    }
    assert_eq!(ca.state.lock().unwrap().good(), 1);
}

#[test]
fn a_unit_that_has_not_enrolled_has_nothing_to_renew() {
    let (ca, home) = (FakeCa::start(), tempfile::tempdir().unwrap());
    born(home.path(), &ca.issuers, "SN1", &ca.url());
    let nothing = renew(home.path(), &["--force"]);
    assert_eq!(nothing.status.code(), Some(3), "{}", stderr(&nothing));
    assert!(stderr(&nothing).contains("touchmark-agent enroll"));
    assert_eq!(ca.state.lock().unwrap().calls, 0);
}

#[test]
fn an_answer_that_does_not_fit_replaces_nothing_and_the_next_good_one_does() {
    let (ca, home) = (FakeCa::start(), tempfile::tempdir().unwrap());
    enrolled(home.path(), &ca.issuers, "SN1", &ca.url());
    let first = current(home.path());
    for wrong_answer in
        WrongAnswer::TO_BOTH.into_iter().chain([WrongAnswer::UnknownRoots, WrongAnswer::Shorter])
    {
        ca.state.lock().unwrap().wrong_answer = Some(wrong_answer);
        let refused = renew(home.path(), &["--force"]);
        assert_eq!(refused.status.code(), Some(1), "{wrong_answer:?}: {}", stderr(&refused));
        assert_eq!(current(home.path()), first, "{wrong_answer:?}");
        assert!(!home.path().join("b/cert.pem").exists(), "{wrong_answer:?}");
        assert_eq!(
            status(home.path()).status.code(),
            Some(0),
            "{wrong_answer:?}: it is enrolled all the same"
        );
    }
    ca.state.lock().unwrap().wrong_answer = None;
    assert_eq!(renew(home.path(), &[]).status.code(), Some(0));
    assert_ne!(current(home.path()), first);
}

#[test]
fn a_successor_may_end_sooner_whether_or_not_an_operator_asked_for_rotation() {
    let ca = FakeCa::start();
    for reason in ["scheduled", "rotation requested"] {
        let home = tempfile::tempdir().unwrap();
        ca.state.lock().unwrap().until = None;
        enrolled(home.path(), &ca.issuers, "SN1", &ca.url());
        {
            let mut state = ca.state.lock().unwrap();
            (state.until, state.reason, state.window) = (Some(day(40)), reason, Some((-60, -30)));
        }
        let renewed = renew(home.path(), &[]);
        assert_eq!(renewed.status.code(), Some(0), "{reason}: {}", stderr(&renewed));
        assert_eq!(json(&renewed)["renewed"], true, "{reason}");
        assert!(stderr(&renewed).contains("before the one in use"), "{reason}: {}", stderr(&renewed));
    }
}

#[test]
fn an_answer_that_waited_until_it_was_of_no_use_is_asked_for_anew() {
    let (ca, home) = (FakeCa::start(), tempfile::tempdir().unwrap());
    ca.state.lock().unwrap().until = Some(day(40));
    enrolled(home.path(), &ca.issuers, "SN1", &ca.url());
    let first = current(home.path());
    // The CA has made a shorter one, and its answer is lost until most of its life is over.
    (ca.state.lock().unwrap().until, ca.state.lock().unwrap().lost) = (Some(day(38)), usize::MAX);
    let lost = renew(home.path(), &["--force", "--deadline", "1s"]);
    assert_eq!(lost.status.code(), Some(7), "{}", stderr(&lost));
    assert_eq!(ca.state.lock().unwrap().issued.len(), 2);
    let waiting = json(&status(home.path()));
    assert_eq!(waiting["next_action"], "let it finish: touchmark-agent renew, or run");
    {
        let mut state = ca.state.lock().unwrap();
        (state.lost, state.until, state.later) = (0, Some(day(80)), 37 * 86_400);
    }
    let renewed = renew(home.path(), &[]);
    assert_eq!(renewed.status.code(), Some(0), "{}", stderr(&renewed));
    assert_eq!(json(&renewed)["renewed"], true);
    assert_ne!(current(home.path()), first);
    assert_eq!(ca.state.lock().unwrap().issued.len(), 3, "one other question");
}

#[test]
fn a_certificate_that_the_ca_does_not_take_any_more_is_replaced_by_means_of_the_birth_certificate() {
    for reason in ["CLIENT_CERTIFICATE_EXPIRED", "CLIENT_CERTIFICATE_REVOKED", "CLIENT_CERTIFICATE_UNKNOWN"] {
        // At the question when to renew, and at Renew itself.
        for passing in [0, 1] {
            let (ca, home) = (FakeCa::start(), tempfile::tempdir().unwrap());
            enrolled(home.path(), &ca.issuers, "SN1", &ca.url());
            let first = current(home.path());
            {
                let mut state = ca.state.lock().unwrap();
                state.refusals = vec![(Code::Unauthenticated, reason, None)];
                state.refusals.extend(vec![(Code::Ok, "", None); passing]);
            }
            let renewed = renew(home.path(), &["--force"]);
            assert_eq!(renewed.status.code(), Some(0), "{reason}, {passing}: {}", stderr(&renewed));
            assert_ne!(current(home.path()), first, "{reason}, {passing}");
            assert_eq!(status(home.path()).status.code(), Some(0));
        }
    }
}

#[test]
fn a_child_that_was_revoked_before_its_use_is_given_up_for_another() {
    let (ca, home) = (FakeCa::start(), tempfile::tempdir().unwrap());
    enrolled(home.path(), &ca.issuers, "SN1", &ca.url());
    // Asked when, renewed; then the confirmation is refused: `current` leads to the child already.
    ca.state.lock().unwrap().refusals = vec![
        (Code::Unauthenticated, "CLIENT_CERTIFICATE_REVOKED", None),
        (Code::Ok, "", None),
        (Code::Ok, "", None),
    ];
    let renewed = renew(home.path(), &["--force"]);
    assert_eq!(renewed.status.code(), Some(0), "{}", stderr(&renewed));
    assert_eq!(ca.state.lock().unwrap().issued.len(), 3);
    assert_eq!(status(home.path()).status.code(), Some(0));
}

#[test]
fn a_unit_on_hold_or_out_says_so_and_keeps_what_it_has() {
    let ca = FakeCa::start();
    for (code, reason, exit, says) in [
        (Code::Unauthenticated, "CLIENT_CERTIFICATE_HELD", 7, "release"),
        (Code::FailedPrecondition, "DEVICE_HELD", 7, "release"),
        (Code::FailedPrecondition, "LINEAGE_FORKED", 7, "copy"),
        (Code::FailedPrecondition, "DEVICE_RETIRED", 3, "return the unit"),
        (Code::FailedPrecondition, "DEVICE_SCRAPPED", 3, "return the unit"),
        (Code::InvalidArgument, "KEY_TYPE_NOT_ALLOWED", 3, "operator"),
    ] {
        // At the question when to renew, and at Renew itself.
        for passing in [0, 1] {
            let home = tempfile::tempdir().unwrap();
            enrolled(home.path(), &ca.issuers, "SN1", &ca.url());
            let first = current(home.path());
            let mut refusals = vec![(code, reason, None)];
            refusals.extend(vec![(Code::Ok, "", None); passing]);
            ca.state.lock().unwrap().refusals = refusals;
            let refused = renew(home.path(), &["--force"]);
            ca.state.lock().unwrap().refusals.clear();
            assert_eq!(refused.status.code(), Some(exit), "{reason}: {}", stderr(&refused));
            assert!(stderr(&refused).contains(says), "{reason}: {}", stderr(&refused));
            assert_eq!(current(home.path()), first, "{reason}");
            assert_eq!(renew(home.path(), &["--force"]).status.code(), Some(0), "{reason}: taken back");
        }
    }
}

#[test]
fn a_unit_that_is_out_with_both_its_certificates_is_told_so() {
    let (ca, home) = (FakeCa::start(), tempfile::tempdir().unwrap());
    enrolled(home.path(), &ca.issuers, "SN1", &ca.url());
    let birth = view(home.path()).certificate(CredentialLocation::Birth).unwrap().serial_number;
    ca.state.lock().unwrap().revoked.extend([birth, current(home.path())]);
    for _ in 0..2 {
        let out = renew(home.path(), &[]);
        assert_eq!(out.status.code(), Some(3), "{}", stderr(&out));
        assert!(stderr(&out).contains("return the unit"), "{}", stderr(&out));
        assert_eq!(view(home.path()).record().renewal, None, "the way round is closed");
    }
}

#[test]
fn a_hook_is_told_once_and_one_that_fails_is_told_again() {
    let (ca, home) = (FakeCa::start(), tempfile::tempdir().unwrap());
    enrolled(home.path(), &ca.issuers, "SN1", &ca.url());
    let told = home.path().join("told");
    let hook = format!(
        "sh -c 'test -e {0}.ready && echo \"$TOUCHMARK_SERIAL_NUMBER $1\" >> {0}' x 'a b'",
        told.display()
    );
    let failed = renew(home.path(), &["--force", "--hook", &hook]);
    assert_eq!(failed.status.code(), Some(1), "{}", stderr(&failed));
    assert!(stderr(&failed).contains("the hook sh did not do its work"), "{}", stderr(&failed));
    assert_eq!(json(&status(home.path()))["applications_told"], false);
    std::fs::write(told.with_extension("ready"), "").unwrap();
    for _ in 0..2 {
        let again = renew(home.path(), &["--hook", &hook]);
        assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
    }
    let expected = format!("{} a b\n", hex::encode(current(home.path())));
    assert_eq!(std::fs::read_to_string(&told).unwrap(), expected);
    assert_eq!(json(&status(home.path()))["applications_told"], true);
}

#[test]
fn a_hook_that_hangs_is_ended_with_all_that_it_started() {
    let (ca, home) = (FakeCa::start(), tempfile::tempdir().unwrap());
    enrolled(home.path(), &ca.issuers, "SN1", &ca.url());
    let pid = home.path().join("pid");
    let hook = format!("sh -c 'sleep 1000 & echo $! > {}; wait'", pid.display());
    let hung = renew(home.path(), &["--force", "--hook", &hook, "--hook-time", "1s"]);
    assert_eq!(hung.status.code(), Some(1), "{}", stderr(&hung));
    assert!(stderr(&hung).contains("did not end within 1s"), "{}", stderr(&hung));
    let child = std::fs::read_to_string(&pid).unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.trim())).unwrap_or_default();
    assert!(status.is_empty() || status.contains("State:\tZ") || status.contains("State:\tX"), "{status}");
}

#[test]
fn units_killed_at_any_moment_of_a_renewal_end_with_one_line_of_descent() {
    let ca = FakeCa::start();
    let seed = 20_261_123;
    let mut generator = StdRng::seed_from_u64(seed);
    for unit in 0..6 {
        let home = tempfile::tempdir().unwrap();
        enrolled(home.path(), &ca.issuers, &format!("SN{unit}"), &ca.url());
        let first = current(home.path());
        ca.state.lock().unwrap().issued.clear();
        ca.state.lock().unwrap().window = Some((-7200, -3600));
        let mut kills: u64 = 0;
        while current(home.path()) == first || view(home.path()).record().renewal.is_some() {
            match run_and_kill("renew", home.path(), &mut generator, kills) {
                Some(0) | None => kills += 1,
                Some(code) => panic!("seed {seed}, unit {unit}, after {kills} kills: exit {code}"),
            }
        }
        ca.state.lock().unwrap().window = None;
        let end = renew(home.path(), &[]);
        assert_eq!(end.status.code(), Some(0), "seed {seed}, unit {unit}: {}", stderr(&end));
        let state = ca.state.lock().unwrap();
        assert_eq!(state.issued.len(), 1, "seed {seed}, unit {unit}, {kills} kills");
        assert!(state.revoked.contains(&first), "seed {seed}, unit {unit}: the parent is superseded");
        assert!(!home.path().join("a/key.pem").exists(), "seed {seed}, unit {unit}: the old key is gone");
    }
}

fn current(home: &Path) -> Vec<u8> {
    let view = view(home);
    let slot = view.current().unwrap().unwrap();
    view.certificate(CredentialLocation::Slot(slot)).unwrap().serial_number
}

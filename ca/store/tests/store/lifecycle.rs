//! Renewal and what operators do to devices.

use ledger::{AlarmKind, Event, RotationTerms, Selection};

use super::*;

pub(crate) async fn a_renewed_certificate_is_superseded_once_its_child_is_used(bench: Bench) {
    let birth = bench.one_unit().await;
    let first = bench.enrolled(1, birth, 600, AfterRenewal::Expire).await;
    let renewal = bench.enrol(1, first, 601);
    let child = bench.done(renewal.clone()).await.released().unwrap().serial_number();
    // Ten retries are one child, and until it is used nothing is taken from the parent.
    for _ in 0..10 {
        assert_eq!(bench.done(renewal.clone()).await.released().unwrap().serial_number(), child);
    }
    assert_eq!(
        (bench.status(first).await, bench.status(child).await),
        (CertificateStatus::InUse, CertificateStatus::Issued)
    );
    let lost = bench.done(bench.enrol(1, first, 602)).await.released().unwrap().serial_number();
    bench.done(bench.installed(1, child)).await;
    assert_eq!(bench.status(first).await, CertificateStatus::Superseded);
    assert_eq!(bench.status(lost).await, CertificateStatus::Revoked);
    assert_eq!(bench.status(birth).await, CertificateStatus::Issued);
    assert_eq!(bench.store.certificate(&child).await.unwrap().unwrap().parent(), Some(first));
    let record = bench.store.device(&device(1)).await.unwrap().unwrap();
    assert_eq!(
        (record.state(), record.operational, record.birth),
        (DeviceState::Enrolled, Some(child), birth)
    );
    assert_eq!(bench.store.superseded_due(SystemTime::UNIX_EPOCH + days(99_999), 9).await.unwrap(), []);
    // The answer that was lost is still given; a key is no answer to itself.
    assert!(bench.done(renewal).await.is_replay());
    let mut same_key = bench.enrol(1, child, 601);
    same_key.request = None;
    assert_eq!(bench.ask(same_key).await.unwrap_err(), Conflict::KeyAlreadyUsed);
}

pub(crate) async fn a_profile_says_what_becomes_of_the_parent(bench: Bench) {
    let birth = bench.one_unit().await;
    let first = bench.enrolled(1, birth, 600, AfterRenewal::Revoke).await;
    let second = bench.enrolled(1, first, 601, AfterRenewal::Grace(days(2))).await;
    assert_eq!(bench.status(first).await, CertificateStatus::Superseded);
    let ends = bench.clock.now() + days(2);
    let due = async |before| bench.store.superseded_due(before, 9).await.unwrap();
    assert_eq!(due(ends).await, []);
    let later = ends + Duration::from_secs(1);
    assert_eq!(due(later).await, [first]);
    let third = bench.enrolled(1, second, 602, AfterRenewal::Revoke).await;
    assert_eq!(bench.status(second).await, CertificateStatus::Revoked);
    let record = bench.store.certificate(&second).await.unwrap().unwrap();
    assert_eq!(record.revocation().unwrap().reason, RevocationReason::Superseded);
    bench.done(bench.revoke(&[first], RevocationReason::Superseded)).await;
    assert_eq!(due(later).await, []);
    // A grace that ends after the certificate does is none.
    bench.enrolled(1, third, 603, AfterRenewal::Grace(days(400))).await;
    assert_eq!(due(bench.clock.now() + days(9_999)).await, []);
}

pub(crate) async fn cloned_flash_is_found_out_and_held(bench: Bench) {
    let birth = bench.one_unit().await;
    let cloned = bench.enrolled(1, birth, 600, AfterRenewal::Expire).await;
    let real = bench.enrolled(1, cloned, 601, AfterRenewal::Expire).await;
    let forked = Conflict::LineageForked(device(1));
    let mut fork = bench.enrol(1, cloned, 602);
    let head = bench.store.head().0;
    // Nothing is signed twice for it: once it is on record, it is foreseen.
    assert!(matches!(
        bench.store.preflight(&intent(&fork)).await.unwrap(),
        Preflight::Alarm { pauses: false, .. }
    ));
    for _ in 0..10 {
        assert_eq!(bench.ask(fork.clone()).await.unwrap_err(), forked);
    }
    assert!(matches!(
        bench.store.preflight(&intent(&fork)).await.unwrap(),
        Preflight::Refused(why) if why == forked
    ));
    assert_eq!(bench.store.head().0, head + 1);
    assert_eq!(bench.status(real).await, CertificateStatus::InUse);
    if let Action::Issue { subject: IssuanceSubject::Operational { hold_on_fork, .. }, .. } = &mut fork.action
    {
        *hold_on_fork = true;
    }
    assert_eq!(bench.ask(fork.clone()).await.unwrap_err(), forked);
    for certificate in [birth, cloned, real] {
        assert_eq!(bench.status(certificate).await, CertificateStatus::Held);
    }
    let held = Conflict::DeviceHeld(device(1));
    assert_eq!(bench.ask(fork.clone()).await.unwrap_err(), held);
    assert_eq!(bench.ask(bench.enrol(1, real, 603)).await.unwrap_err(), held);
    bench.done(bench.operate(Action::Release(device(1)))).await;
    assert_eq!(
        (bench.status(real).await, bench.status(cloned).await),
        (CertificateStatus::InUse, CertificateStatus::Superseded)
    );
    // The clone is still there, and holds it again.
    assert_eq!(bench.ask(fork).await.unwrap_err(), forked);
    assert_eq!(bench.status(real).await, CertificateStatus::Held);
    let alarms = bench.store.alarms(Some(AlarmKind::Fork), None, 2).await.unwrap();
    let Event::ForkDetected { device: whose, parent, child, held, .. } = &alarms.rows[0].event else {
        panic!("no fork")
    };
    assert_eq!((whose, *parent, *child, *held), (&device(1), cloned, real, true));
    let last = bench.store.alarms(Some(AlarmKind::Fork), alarms.next.as_ref(), 2).await.unwrap();
    assert_eq!((alarms.rows.len(), last.rows.len(), last.next), (2, 1, None));
    assert!(bench.store.alarms(Some(AlarmKind::Duplicate), None, 9).await.unwrap().rows.is_empty());
}

pub(crate) async fn a_birth_certificate_that_enrols_again_is_an_alarm(bench: Bench) {
    let birth = bench.one_unit().await;
    let used = bench.enrolled(1, birth, 600, AfterRenewal::Expire).await;
    let twice = Conflict::AlreadyEnrolled(device(1));
    for key in 601..605 {
        assert_eq!(bench.ask(bench.enrol(1, birth, key)).await.unwrap_err(), twice);
    }
    let alarms = bench.store.alarms(None, None, 9).await.unwrap().rows;
    assert_eq!(alarms.len(), 1);
    assert!(matches!(alarms[0].event, Event::ForkDetected { held: false, .. }));
    assert_eq!(alarms[0].request, None);
    // An operator decides that it was a factory reset.
    bench.done(bench.revoke(&[used], RevocationReason::CessationOfOperation)).await;
    assert_eq!(bench.store.device(&device(1)).await.unwrap().unwrap().state(), DeviceState::Issued);
    bench.enrolled(1, birth, 606, AfterRenewal::Expire).await;
}

pub(crate) async fn duplicates_are_recorded_once(bench: Bench) {
    bench.one_unit().await;
    for _ in 0..3 {
        assert!(is_key_of_another(&bench.ask(bench.birth(1, 2, 501)).await.unwrap_err()));
        let taken = Conflict::DeviceAlreadyIssued(device(1));
        assert_eq!(bench.ask(bench.birth(1, 1, 502)).await.unwrap_err(), taken);
    }
    let alarms = bench.store.alarms(Some(AlarmKind::Duplicate), None, 9).await.unwrap().rows;
    assert_eq!(alarms.len(), 2);
    assert!(alarms.iter().all(|alarm| alarm.principal == Some(station("line-3"))));
}

pub(crate) async fn a_hold_is_undone_and_nothing_else_is(bench: Bench) {
    let birth = bench.one_unit().await;
    let older = bench.enrolled(1, birth, 600, AfterRenewal::Expire).await;
    let used = bench.enrolled(1, older, 601, AfterRenewal::Expire).await;
    let hold = || bench.operate(Action::Hold { device: device(1), note: "lost".into() });
    let release = || bench.operate(Action::Release(device(1)));
    let not_held = Conflict::DeviceNotHeld(device(1));
    assert_eq!(bench.ask(release()).await.unwrap_err(), not_held);
    let held_at = bench.clock.now();
    bench.done(hold()).await;
    assert!(bench.done(hold()).await.is_replay());
    assert_eq!(bench.store.device(&device(1)).await.unwrap().unwrap().state(), DeviceState::Held);
    let filter = DeviceFilter { state: Some(DeviceState::Held), ..DeviceFilter::default() };
    assert_eq!(bench.store.devices(&filter, None, 9).await.unwrap().rows.len(), 1);
    let mut with_it = bench.birth(1, 9, 9);
    with_it.credential = Some(used);
    assert_eq!(bench.ask(with_it).await.unwrap_err(), Conflict::CallerHeld);
    bench.clock.advance(days(1));
    // R-CRL-06: another reason may follow, and the date is kept.
    bench.done(bench.revoke(&[used], RevocationReason::KeyCompromise)).await;
    let revocation = *bench.store.certificate(&used).await.unwrap().unwrap().revocation().unwrap();
    assert_eq!((revocation.at, revocation.reason), (held_at, RevocationReason::KeyCompromise));
    bench.done(release()).await;
    assert_eq!(bench.ask(release()).await.unwrap_err(), not_held);
    assert_eq!(bench.status(used).await, CertificateStatus::Revoked);
    assert_eq!(bench.status(older).await, CertificateStatus::Superseded);
    assert_eq!(bench.status(birth).await, CertificateStatus::Issued);
    assert_eq!(bench.store.device(&device(1)).await.unwrap().unwrap().state(), DeviceState::Issued);
    for reason in [RevocationReason::CertificateHold, RevocationReason::CaCompromise] {
        let refused = bench.ask(bench.revoke(&[birth], reason)).await.unwrap_err();
        assert_eq!(refused, Conflict::ReasonNotAllowed(reason));
    }
}

pub(crate) async fn a_retired_device_never_returns(bench: Bench) {
    let birth = bench.one_unit().await;
    let used = bench.enrolled(1, birth, 600, AfterRenewal::Expire).await;
    let retire = || bench.operate(Action::Retire { device: device(1), note: "sold".into() });
    bench.done(bench.operate(Action::Hold { device: device(1), note: String::new() })).await;
    bench.done(retire()).await;
    assert!(bench.done(retire()).await.is_replay());
    for certificate in [birth, used] {
        let record = bench.store.certificate(&certificate).await.unwrap().unwrap();
        assert_eq!(record.revocation().unwrap().reason, RevocationReason::CessationOfOperation);
    }
    let retired = Conflict::DeviceRetired(device(1));
    for action in [
        Action::Release(device(1)),
        Action::Hold { device: device(1), note: String::new() },
        allow_rework(device(1)),
    ] {
        assert_eq!(bench.ask(bench.operate(action)).await.unwrap_err(), retired);
    }
    assert_eq!(bench.ask(bench.scrap(1, 1)).await.unwrap_err(), retired);
    assert_eq!(bench.ask(bench.birth(1, 1, 9)).await.unwrap_err(), retired);
    assert_eq!(bench.ask(bench.birth(1, 1, 501)).await.unwrap_err(), retired);
    assert_eq!(bench.ask(bench.enrol(1, birth, 9)).await.unwrap_err(), retired);
    for key in [501, 600] {
        assert!(is_key_of_another(&bench.ask(bench.birth(1, 2, key)).await.unwrap_err()));
    }
    assert_eq!(bench.store.device(&device(1)).await.unwrap().unwrap().state(), DeviceState::Retired);
}

pub(crate) async fn a_board_is_replaced_once_and_only_when_allowed(bench: Bench) {
    let birth = bench.one_unit().await;
    bench.done(bench.confirm(1, 1, birth)).await;
    let used = bench.enrolled(1, birth, 600, AfterRenewal::Expire).await;
    let in_use = Conflict::DeviceInUse(device(1));
    assert_eq!(bench.ask(bench.scrap(1, 1)).await.unwrap_err(), in_use);
    let allow = || bench.operate(allow_rework(device(1)));
    bench.done(allow()).await;
    assert!(bench.done(allow()).await.is_replay());
    assert_eq!(bench.ask(bench.birth(1, 1, 600)).await.unwrap_err(), Conflict::KeyAlreadyUsed);
    let again = bench.birth(1, 1, 502);
    let recorded = bench.done(again.clone()).await;
    let Event::BirthIssued { replaces, .. } = &recorded.entry().event else { panic!("no birth") };
    assert_eq!(replaces.iter().map(|one| one.serial_number).collect::<Vec<_>>(), [birth, used]);
    let new = recorded.released().unwrap().serial_number();
    assert!(bench.done(again).await.is_replay());
    for replaced in [birth, used] {
        let revocation = *bench.store.certificate(&replaced).await.unwrap().unwrap().revocation().unwrap();
        assert_eq!(
            (revocation.reason, revocation.entry),
            (RevocationReason::Superseded, recorded.entry().number)
        );
    }
    let record = bench.store.device(&device(1)).await.unwrap().unwrap();
    assert_eq!((record.birth, record.operational, record.state()), (new, None, DeviceState::Issued));
    let counts = bench.store.work_order(WorkOrderId(1)).await.unwrap().unwrap().counts;
    assert_eq!((counts.issued, counts.confirmed, counts.reworked), (1, 0, 1));
    assert_eq!(bench.store.unaccounted(WorkOrderId(1), 9).await.unwrap().devices, [device(1)]);
    // Good once.
    let taken = Conflict::DeviceAlreadyIssued(device(1));
    assert_eq!(bench.ask(bench.birth(1, 1, 503)).await.unwrap_err(), taken);
    assert_eq!(
        bench.ask(bench.confirm(1, 1, birth)).await.unwrap_err(),
        Conflict::NoSuchCertificate(device(1))
    );
    bench.done(bench.confirm(1, 1, new)).await;
    bench.enrolled(1, new, 604, AfterRenewal::Expire).await;
    assert_eq!(bench.store.devices(&DeviceFilter::default(), None, 9).await.unwrap().rows.len(), 1);
    bench.done(bench.operate(Action::CloseWorkOrder(WorkOrderId(1)))).await;
    let closed = Conflict::WorkOrderNotOpen { work_order: WorkOrderId(1), state: WorkOrderState::Closed };
    assert_eq!(bench.ask(allow()).await.unwrap_err(), closed);
}

pub(crate) async fn a_revoked_birth_is_not_brought_back_by_its_station(bench: Bench) {
    let birth = bench.one_unit().await;
    bench.done(bench.revoke(&[birth], RevocationReason::KeyCompromise)).await;
    assert_eq!(bench.ask(bench.confirm(1, 1, birth)).await.unwrap_err(), Conflict::CertificateRevoked);
    assert_eq!(bench.ask(bench.birth(1, 1, 501)).await.unwrap_err(), Conflict::CertificateRevoked);
    assert_eq!(bench.status(birth).await, CertificateStatus::Revoked);
}

pub(crate) async fn a_revoked_device_is_revoked_wherever_states_are_shown(bench: Bench) {
    let birth = bench.one_unit().await;
    bench.done(bench.confirm(1, 1, birth)).await;
    let used = bench.enrolled(1, birth, 600, AfterRenewal::Expire).await;
    let state = async || bench.store.device(&device(1)).await.unwrap().unwrap().state();
    let listed = async |state| {
        let filter = DeviceFilter { state: Some(state), ..DeviceFilter::default() };
        bench.store.devices(&filter, None, 9).await.unwrap().rows.len()
    };
    let silent = async || {
        let before = bench.clock.now() + days(9);
        bench.store.devices_not_seen_since(before, None, 9).await.unwrap().rows.len()
    };
    // Its birth certificate alone: what is in use goes on, and renews itself.
    bench.done(bench.revoke(&[birth], RevocationReason::KeyCompromise)).await;
    assert_eq!(
        (state().await, listed(DeviceState::Enrolled).await, silent().await),
        (DeviceState::Enrolled, 1, 1)
    );
    bench.done(bench.operate(Action::Hold { device: device(1), note: String::new() })).await;
    bench.done(bench.revoke(&[used], RevocationReason::KeyCompromise)).await;
    // A hold does not hide it: a release brings nothing back.
    assert_eq!(
        (state().await, listed(DeviceState::Revoked).await, silent().await),
        (DeviceState::Revoked, 1, 0)
    );
    for other in [DeviceState::Enrolled, DeviceState::Provisioned, DeviceState::Held] {
        assert_eq!(listed(other).await, 0);
    }
    bench.done(bench.operate(Action::Release(device(1)))).await;
    assert_eq!(state().await, DeviceState::Revoked);
    let hold = || bench.operate(Action::Hold { device: device(1), note: String::new() });
    assert_eq!(bench.ask(hold()).await.unwrap_err(), Conflict::DeviceRevoked(device(1)));
    // A rework brings it back, once; until then it is revoked.
    bench.done(bench.operate(allow_rework(device(1)))).await;
    assert_eq!(state().await, DeviceState::Revoked);
    let new = bench.done(bench.birth(1, 1, 502)).await.released().unwrap().serial_number();
    assert_eq!((state().await, listed(DeviceState::Issued).await), (DeviceState::Issued, 1));
    bench.done(bench.confirm(1, 1, new)).await;
    assert_eq!((listed(DeviceState::Provisioned).await, listed(DeviceState::Revoked).await), (1, 0));
    let counts = bench.store.work_order(WorkOrderId(1)).await.unwrap().unwrap().counts;
    assert_eq!((counts.issued, counts.confirmed, counts.scrapped, counts.reworked), (1, 1, 0, 1));
}

pub(crate) async fn a_rotation_means_what_was_there_when_it_was_asked(bench: Bench) {
    let birth = bench.one_unit().await;
    let first = bench.enrolled(1, birth, 600, AfterRenewal::Expire).await;
    let now = bench.clock.now();
    assert_eq!(bench.store.rotation_due(&first, now).await.unwrap(), None);
    let until = now + days(30);
    let ask = |selection| {
        bench.operate(Action::RequestRotation(RotationTerms {
            selection,
            spread: days(1),
            reason: "weak".into(),
            until,
        }))
    };
    bench.done(ask(Selection::Product("cam-9".parse().unwrap()))).await;
    assert_eq!(bench.store.rotation_due(&first, now).await.unwrap(), None);
    let asked = bench.done(ask(Selection::Lineage(birth))).await.entry().number;
    bench.done(ask(Selection::WorkOrder(WorkOrderId(1)))).await;
    assert_eq!(bench.store.rotation_due(&first, now).await.unwrap().unwrap().entry, asked);
    let second = bench.enrolled(1, first, 601, AfterRenewal::Expire).await;
    assert_eq!(bench.store.rotation_due(&second, now).await.unwrap(), None);
    assert_eq!(bench.store.rotations(now).await.unwrap().len(), 3);
    assert_eq!(bench.store.rotation_due(&first, until).await.unwrap(), None);
}

pub(crate) async fn devices_that_are_silent_are_listed(bench: Bench) {
    bench.done(bench.create_order(10)).await;
    let start = bench.clock.now();
    for serial in 1..=6 {
        bench.done(bench.birth(1, serial, serial)).await;
    }
    bench.done(bench.scrap(1, 6)).await;
    bench.clock.advance(days(3));
    bench.store.seen(&device(2), bench.clock.now());
    bench.store.seen(&device(77), bench.clock.now());
    let mut listed = Vec::new();
    let mut cursor = None;
    loop {
        let page = bench.store.devices_not_seen_since(start + days(1), cursor.as_ref(), 2).await.unwrap();
        listed.extend(page.rows.into_iter().map(|row| row.id));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(listed, [1, 3, 4, 5].map(device));
    assert!(bench.store.device(&device(2)).await.unwrap().unwrap().seen_at >= start + days(2));
    assert!(bench.store.devices_not_seen_since(start, None, 9).await.unwrap().rows.is_empty());
}

//! Revocation by name and by selection, and what lists, status and the feed are made of.

use ledger::{JobId, REVOKE_MAX, RevocationTerms, Selection};
use store::{ChangePosition, ChangedStatus, RevocationChange, RevokedEntry};

use super::*;

const BEGINNING: ChangePosition = ChangePosition { entry: EntryNumber(0), index: 0 };

async fn changes(bench: &Bench, limit: usize) -> Vec<RevocationChange> {
    let mut changes = Vec::new();
    let mut after = BEGINNING;
    loop {
        let next = bench.store.revocation_changes(after, limit).await.unwrap();
        assert!(next.len() <= limit);
        let Some(last) = next.last() else { return changes };
        assert!(next.is_sorted_by_key(|change| change.position) && next[0].position > after);
        after = last.position;
        changes.extend(next);
    }
}

async fn listed(bench: &Bench, issuer: IssuerName, shard: Option<u32>, limit: usize) -> Vec<RevokedEntry> {
    let mut entries = Vec::new();
    let mut next = Some(0);
    while let Some(from) = next {
        let page = bench.store.revoked_in(issuer, shard, UNIX_EPOCH, from, limit).await.unwrap();
        assert!(page.entries.len() <= limit);
        entries.extend(page.entries);
        next = page.next;
    }
    entries
}

/// Units with birth certificates, some of them enrolled.
async fn jobs(bench: &Bench, units: u64) -> Vec<SerialNumber> {
    bench.done(bench.create_order(1000)).await;
    let mut births = Vec::new();
    for serial in 1..=units {
        let birth = bench.done(bench.birth(1, serial, serial)).await.released().unwrap().serial_number();
        if serial % 3 == 0 {
            bench.enrolled(serial, birth, 5_000 + serial, AfterRenewal::Expire).await;
        }
        births.push(birth);
    }
    births
}

pub(crate) async fn certificates_are_revoked_once(bench: Bench) {
    let births = jobs(&bench, 4).await;
    let lost = bench.clock.now() - days(9);
    let mut revoke = bench.revoke(&[births[0], births[1], births[0]], RevocationReason::KeyCompromise);
    if let Action::Revoke { invalidity_date, .. } = &mut revoke.action {
        *invalidity_date = Some(lost);
    }
    let first = bench.done(revoke).await.entry().number;
    bench.clock.advance(days(1));
    // Those that are revoked keep their date and reason.
    bench.done(bench.revoke(&[births[1], births[2]], RevocationReason::PrivilegeWithdrawn)).await;
    let again = bench.done(bench.revoke(&[births[0]], RevocationReason::Unspecified)).await;
    assert!(again.is_replay());
    assert_eq!(again.entry().number, first);
    let status = bench.store.status_record(&births[1]).await.unwrap().unwrap();
    let revocation = status.revocation.unwrap();
    assert_eq!((status.issuer, status.status), (IssuerName::Factory, CertificateStatus::Revoked));
    assert_eq!(
        (revocation.reason, revocation.invalidity_date),
        (RevocationReason::KeyCompromise, Some(lost))
    );
    assert_eq!(bench.store.status_record(&births[3]).await.unwrap().unwrap().revocation, None);
    assert_eq!(bench.store.status_record(&serial_number(1 << 50)).await.unwrap(), None);
    let nobody = serial_number(1 << 50);
    let reason = RevocationReason::Superseded;
    assert_eq!(
        bench.ask(bench.revoke(&[nobody], reason)).await.unwrap_err(),
        Conflict::NoCertificate(nobody)
    );
    assert_eq!(bench.ask(bench.revoke(&[], reason)).await.unwrap_err(), Conflict::RevokeCount);
    let many = vec![births[3]; REVOKE_MAX + 1];
    assert_eq!(bench.ask(bench.revoke(&many, reason)).await.unwrap_err(), Conflict::RevokeCount);
    let root = bench.certificate(IssuerName::Root, ProfileName::Root, key(9_999));
    let serial = root.serial_number;
    let action = Action::InstallIssuer { issuer: IssuerName::Root, certificate: root };
    bench
        .done(Command {
            principal: None,
            credential: None,
            request: None,
            content: [0; 32],
            remark: String::new(),
            action,
        })
        .await;
    assert_eq!(bench.ask(bench.revoke(&[serial], reason)).await.unwrap_err(), Conflict::IssuerNotRevocable);
    assert_eq!(bench.status(births[3]).await, CertificateStatus::Issued);
}

pub(crate) async fn changes_come_in_order_and_none_is_lost_or_doubled(bench: Bench) {
    let births = jobs(&bench, 9).await;
    bench.done(bench.revoke(&births[..4], RevocationReason::KeyCompromise)).await;
    bench.done(bench.operate(Action::Hold { device: device(6), note: String::new() })).await;
    bench.done(bench.operate(Action::Release(device(6)))).await;
    bench.done(bench.operate(Action::Retire { device: device(9), note: String::new() })).await;
    let all = changes(&bench, 100).await;
    assert_eq!(all.len(), 4 + 2 + 2 + 2);
    for limit in [1, 2, 3, 7] {
        assert_eq!(changes(&bench, limit).await, all);
    }
    let released = |change: &&RevocationChange| change.status == ChangedStatus::Released;
    assert_eq!(all.iter().filter(released).count(), 2);
    assert!(all.iter().all(|change| change.device.is_some() && change.shard.is_some()));
    let behind = ChangePosition::behind(bench.store.head());
    assert_eq!(bench.store.revocation_changes(behind, 9).await.unwrap(), []);
}

pub(crate) async fn a_crl_names_what_is_revoked_or_held_and_nothing_else(bench: Bench) {
    let births = jobs(&bench, 40).await;
    let revoked: Vec<_> = births.iter().copied().step_by(3).collect();
    bench.done(bench.revoke(&revoked, RevocationReason::KeyCompromise)).await;
    bench.done(bench.operate(Action::Hold { device: device(2), note: String::new() })).await;
    let held = births[1];
    let mut expected: Vec<_> = revoked.iter().copied().chain([held]).collect();
    expected.sort_by_key(|one| births.iter().position(|birth| birth == one));
    for limit in [1, 3, 100] {
        let full = listed(&bench, IssuerName::Factory, None, limit).await;
        assert_eq!(full.iter().map(|one| one.serial_number).collect::<Vec<_>>(), expected);
    }
    let on_hold = |one: &RevokedEntry| one.revocation.reason == RevocationReason::CertificateHold;
    let full = listed(&bench, IssuerName::Factory, None, 100).await;
    assert_eq!(
        full.iter().filter(|one| on_hold(one)).map(|one| one.serial_number).collect::<Vec<_>>(),
        [held]
    );
    // The shards together are the whole, each knows how many it lists and when it changed.
    let mut together = Vec::new();
    for shard in 0..bench.store.shards(IssuerName::Factory).await.unwrap() {
        let part = listed(&bench, IssuerName::Factory, Some(shard), 2).await;
        let state = bench.store.shard_state(IssuerName::Factory, shard).await.unwrap();
        assert_eq!(state.revoked_or_held, part.len() as u64);
        assert_eq!(state.changed.0 > 0, !part.is_empty());
        for one in &part {
            assert_eq!(
                bench.store.status_record(&one.serial_number).await.unwrap().unwrap().shard,
                Some(shard)
            );
        }
        together.extend(part);
    }
    together.sort_by_key(|one| births.iter().position(|birth| *birth == one.serial_number));
    assert_eq!(together, full);
    assert_eq!(bench.store.issued_by(IssuerName::Factory).await.unwrap(), 40);
    assert_eq!(bench.store.issued_by(IssuerName::Operational).await.unwrap(), 13);
    bench.done(bench.operate(Action::Release(device(2)))).await;
    let full = listed(&bench, IssuerName::Factory, None, 100).await;
    assert!(!full.iter().any(on_hold) && full.len() == revoked.len());
}

pub(crate) async fn what_expired_leaves_the_crl(bench: Bench) {
    let births = jobs(&bench, 3).await;
    let used = bench.store.device(&device(3)).await.unwrap().unwrap().operational.unwrap();
    bench.done(bench.revoke(&[used, births[2]], RevocationReason::Superseded)).await;
    let in_force =
        async |issuer, at| bench.store.revoked_in(issuer, None, at, 0, 9).await.unwrap().entries.len();
    let ends = UNIX_EPOCH + Duration::from_secs(1_790_000_000) + days(30);
    assert_eq!(in_force(IssuerName::Operational, ends).await, 1);
    assert_eq!(in_force(IssuerName::Operational, ends + Duration::from_secs(1)).await, 0);
    assert_eq!(in_force(IssuerName::Factory, ends + days(99_999)).await, 1);
}

pub(crate) async fn a_selection_is_what_its_survey_says(bench: Bench) {
    let births = jobs(&bench, 30).await;
    let start = bench.clock.now();
    bench.clock.advance(days(1));
    bench.done(bench.create_order(10)).await;
    bench.done(bench.birth(2, 99, 99)).await;
    let used = bench.store.device(&device(3)).await.unwrap().unwrap().operational.unwrap();
    let renewed = bench.enrolled(3, used, 700, AfterRenewal::Expire).await;
    bench.done(bench.revoke(&[births[0]], RevocationReason::Superseded)).await;
    bench.done(bench.credential("line-9", 800)).await;
    let survey = async |selection| {
        let survey = bench.store.survey(&selection).await.unwrap();
        let products: u64 = survey.products.values().map(|product| product.devices).sum();
        assert_eq!(products, survey.devices);
        (survey.devices, survey.certificates)
    };
    assert_eq!(survey(Selection::Device(device(3))).await, (1, 3));
    assert_eq!(survey(Selection::Device(device(1))).await, (0, 0));
    assert_eq!(survey(Selection::Device(device(98))).await, (0, 0));
    assert_eq!(survey(Selection::Certificate(births[2])).await, (1, 1));
    assert_eq!(survey(Selection::Lineage(births[2])).await, (1, 3));
    assert_eq!(survey(Selection::Lineage(used)).await, (1, 2));
    assert_eq!(survey(Selection::Lineage(renewed)).await, (1, 1));
    assert_eq!(survey(Selection::WorkOrder(WorkOrderId(1))).await, (29, 29 + 10 + 1));
    assert_eq!(survey(Selection::WorkOrder(WorkOrderId(2))).await, (1, 1));
    assert_eq!(survey(Selection::Product("cam-2".parse().unwrap())).await, (30, 41));
    assert_eq!(survey(Selection::Product("cam-3".parse().unwrap())).await, (0, 0));
    assert_eq!(survey(Selection::Station("line-3".parse().unwrap())).await, (30, 41));
    assert_eq!(survey(Selection::Station("line-9".parse().unwrap())).await, (0, 0));
    let (from, until) = (start, start + days(1));
    assert_eq!(survey(Selection::Issued { from, until }).await, (29, 39));
    let (from, until) = (start + days(1), start + days(2));
    assert_eq!(survey(Selection::Issued { from, until }).await, (2, 2));
    assert_eq!(survey(Selection::Key(key(800))).await, (0, 1));
    assert_eq!(survey(Selection::Key(key(700))).await, (1, 1));
    let found = bench.store.survey(&Selection::Device(device(3))).await.unwrap();
    assert_eq!(found.last_seen_newest, Some(start + days(1)));
    // Small pages are the same rows.
    let mut paged = Vec::new();
    let mut next = Some(0);
    let selection = Selection::WorkOrder(WorkOrderId(1));
    while let Some(from) = next {
        let page = bench.store.select(&selection, from, 2).await.unwrap();
        paged.extend(page.certificates);
        next = page.next;
    }
    assert_eq!(paged, bench.store.select(&selection, 0, 10_000).await.unwrap().certificates);
}

pub(crate) async fn a_job_revokes_its_selection_and_what_grew_meanwhile(bench: Bench) {
    let births = jobs(&bench, 30).await;
    let used = bench.store.device(&device(3)).await.unwrap().unwrap().operational.unwrap();
    let selection = Selection::WorkOrder(WorkOrderId(1));
    let survey = bench.store.survey(&selection).await.unwrap();
    let begin = Action::BeginRevocation(RevocationTerms {
        selection: selection.clone(),
        reason: RevocationReason::KeyCompromise,
        invalidity_date: None,
        devices: survey.devices,
        certificates: survey.certificates,
    });
    bench.done(bench.operate(begin)).await;
    let job = JobId(1);
    assert_eq!(bench.store.unfinished_jobs().await.unwrap().len(), 1);
    // Half of it, and then the CA was killed; one device renews, one is born.
    let part = Action::Revoke {
        certificates: births[..9].to_vec(),
        reason: RevocationReason::KeyCompromise,
        invalidity_date: None,
        job: Some(job),
    };
    bench.done(bench.operate(part)).await;
    let child = bench.enrolled(3, used, 900, AfterRenewal::Expire).await;
    bench.done(bench.birth(1, 77, 77)).await;
    let mut steps = 0;
    let finished = store::carry_out(&*bench.store, job, |_| steps += 1).await.unwrap().unwrap();
    assert!(steps > 0 && finished.finished.is_some());
    assert_eq!(finished.revoked, survey.certificates + 1);
    assert_eq!(bench.status(child).await, CertificateStatus::Revoked);
    let left = bench.store.survey(&selection).await.unwrap();
    assert_eq!((left.devices, left.certificates), (1, 1));
    assert_eq!(bench.store.unfinished_jobs().await.unwrap(), []);
    let head = bench.store.head();
    store::carry_out(&*bench.store, job, |_| {}).await.unwrap().unwrap();
    assert_eq!(bench.store.head(), head);
    assert_eq!(store::carry_out(&*bench.store, JobId(7), |_| {}).await.unwrap(), None);
    let mut late = bench.revoke(&births[..1], RevocationReason::KeyCompromise);
    if let Action::Revoke { job, .. } = &mut late.action {
        *job = Some(JobId(1));
    }
    assert_eq!(bench.ask(late).await.unwrap_err(), Conflict::NoSuchJob(job));
}

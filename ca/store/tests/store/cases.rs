//! What every store must do. Each case is a sentence of the contract in `ca/store/src/contract`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::{
    Clock, DeviceId, GeneratorTraces, IssuerName, KeyEnds, KeyFingerprint, ManualClock, Principal,
    ProfileName, RequestId, RevocationReason, Role, SerialNumber, Validity, no_well_defined_expiration,
};
use ledger::{
    Action, AfterRenewal, CertificateStatus, Command, Conflict, DeviceState, EmptyView, EntryNumber, Holder,
    Intent, IssuanceSubject, Overlay, Serials, SignedCertificate, View, WorkOrderId, WorkOrderState,
    WorkOrderTerms,
};
use ledger_log::Log;
use rand::RngExt;
use rand::rngs::StdRng;
use store::{
    DeviceFilter, Ledger as _, Listings as _, LogStore, MemoryLog, Preflight, Recorded, Status as _,
    StoreError, StoreSettings, Verdict,
};
use tempfile::TempDir;

#[path = "lifecycle.rs"]
mod lifecycle;
#[path = "listings.rs"]
mod listings;
#[path = "model.rs"]
pub(crate) mod model;
#[path = "revocations.rs"]
mod revocations;
#[allow(unused_imports, reason = "only the conformance suite asks them")]
pub(crate) use {lifecycle::*, listings::*, model::*, revocations::*};

/// What is known of a request before its certificate is signed.
pub(crate) fn intent(command: &Command) -> Intent {
    let Action::Issue { subject, certificate } = &command.action else {
        panic!("no certificate is asked for")
    };
    Intent {
        principal: command.principal.clone(),
        request: command.request,
        content: command.content,
        subject: subject.clone(),
        key: certificate.key,
    }
}

/// A store on the bench, and what makes questions for it.
pub(crate) struct Bench {
    pub(crate) store: Arc<LogStore>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) drawn: Arc<AtomicU64>,
    _directory: Option<TempDir>,
}

pub(crate) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(UNIX_EPOCH + Duration::from_secs(1_790_000_000)))
}

pub(crate) fn days(days: u64) -> Duration {
    Duration::from_secs(days * 86_400)
}

pub(crate) fn device(serial: u64) -> DeviceId {
    format!("cam-2/SN{serial:06}").parse().unwrap()
}

pub(crate) fn station(name: &str) -> Principal {
    Principal::named(Role::Station, name.parse().unwrap())
}

pub(crate) fn key(number: u64) -> KeyFingerprint {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    KeyFingerprint::from(bytes)
}

pub(crate) fn is_key_of_another(conflict: &Conflict) -> bool {
    matches!(conflict, Conflict::KeyOfAnotherUnit { .. })
}

/// What the request for this key shows of its generator.
pub(crate) fn traces(number: u64) -> GeneratorTraces {
    let key_ends = KeyEnds { start: number.to_be_bytes(), end: number.to_be_bytes() };
    GeneratorTraces { nonce: Some(*key(number).as_bytes()), key_ends: Some(key_ends) }
}

pub(crate) fn serial_number(number: u64) -> SerialNumber {
    let mut octets = [0x41; 16];
    octets[8..].copy_from_slice(&number.to_be_bytes());
    SerialNumber::try_from(octets.as_slice()).unwrap()
}

pub(crate) fn terms(quantity: u64) -> WorkOrderTerms {
    WorkOrderTerms {
        product: "cam-2".parse().unwrap(),
        quantity,
        profile: ProfileName::Idevid,
        serials: Serials::Pattern("SN{000001..999999}".parse().unwrap()),
        stations: vec!["line-3".parse().unwrap()],
        opens_at: None,
        closes_at: None,
    }
}

/// By an operator, who says nothing of why.
pub(crate) fn allow_rework(device: DeviceId) -> Action {
    Action::AllowRework { work_order: None, device, reason: String::new(), operator: String::new() }
}

/// The same question has the same request id, and no other has it.
fn question(kind: u64, of: u64, serial: u64, key: u64) -> u64 {
    ((kind * 10_000 + of) * 1_000_000 + serial) * 10_000 + key
}

impl Bench {
    pub(crate) fn new(store: Arc<LogStore>, clock: Arc<ManualClock>, directory: Option<TempDir>) -> Self {
        Self { store, clock, drawn: Arc::new(AtomicU64::new(1)), _directory: directory }
    }

    /// Over a log that is empty, with a checkpoint of the index after so many entries.
    pub(crate) fn over(log: Arc<dyn Log>, checkpoint_entries: u64) -> Self {
        let (clock, directory) = (clock(), TempDir::new().unwrap());
        let settings =
            StoreSettings { checkpoint_entries, ..StoreSettings::new(directory.path().to_owned()) };
        let store = LogStore::over(log, &settings, clock.clone()).unwrap();
        Self::new(Arc::new(store), clock, Some(directory))
    }

    /// Over an empty log in memory.
    pub(crate) fn in_memory(checkpoint_entries: u64) -> Self {
        Self::over(Arc::new(MemoryLog::default()), checkpoint_entries)
    }

    pub(crate) fn draw(&self) -> u64 {
        self.drawn.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn certificate(
        &self,
        issuer: IssuerName,
        profile: ProfileName,
        key: KeyFingerprint,
    ) -> SignedCertificate {
        let start = UNIX_EPOCH + Duration::from_secs(1_790_000_000);
        let end = match profile {
            ProfileName::Idevid => no_well_defined_expiration(),
            _ => start + days(30),
        };
        let number = self.draw();
        SignedCertificate {
            issuer,
            profile,
            serial_number: serial_number(number),
            key,
            validity: Validity::new(start, end).unwrap(),
            shard: Some((number / 8) as u32),
            der: number.to_be_bytes().repeat(70).into(),
        }
    }

    pub(crate) fn command(&self, principal: Principal, request: Option<u64>, action: Action) -> Command {
        let request = request.map(|number| RequestId::from(u128::from(number).to_be_bytes()));
        Command {
            principal: Some(principal),
            credential: None,
            request,
            content: [1; 32],
            remark: String::new(),
            action,
        }
    }

    pub(crate) fn create_order(&self, quantity: u64) -> Command {
        let operator = Principal::named(Role::Operator, "admin".parse().unwrap());
        self.command(operator, Some(self.draw()), Action::CreateWorkOrder(terms(quantity)))
    }

    pub(crate) fn birth(&self, order: u64, serial: u64, key_number: u64) -> Command {
        let certificate = self.certificate(IssuerName::Factory, ProfileName::Idevid, key(key_number));
        let action = Action::Issue {
            subject: IssuanceSubject::Birth {
                work_order: WorkOrderId(order),
                device: device(serial),
                made_at: None,
                shift: String::new(),
                operator: String::new(),
                traces: traces(key_number),
            },
            certificate,
        };
        self.command(station("line-3"), Some(question(1, order, serial, key_number)), action)
    }

    pub(crate) fn enrol(&self, serial: u64, parent: SerialNumber, key_number: u64) -> Command {
        let certificate = self.certificate(IssuerName::Operational, ProfileName::Ldevid, key(key_number));
        let action = Action::Issue {
            subject: IssuanceSubject::Operational { device: device(serial), parent, hold_on_fork: false },
            certificate,
        };
        self.command(Principal::Device(device(serial)), Some(question(2, 0, serial, key_number)), action)
    }

    pub(crate) fn installed(&self, serial: u64, serial_number: SerialNumber) -> Command {
        let action = Action::ConfirmInstalled {
            device: device(serial),
            serial_number,
            after_renewal: AfterRenewal::Expire,
        };
        self.command(Principal::Device(device(serial)), None, action)
    }

    /// By an operator.
    pub(crate) fn operate(&self, action: Action) -> Command {
        self.command(Principal::named(Role::Operator, "admin".parse().unwrap()), None, action)
    }

    pub(crate) fn revoke(&self, certificates: &[SerialNumber], reason: RevocationReason) -> Command {
        let certificates = certificates.to_vec();
        self.operate(Action::Revoke { certificates, reason, invalidity_date: None, job: None })
    }

    /// Puts an operational certificate into use.
    pub(crate) async fn enrolled(
        &self,
        serial: u64,
        parent: SerialNumber,
        key_number: u64,
        after_renewal: AfterRenewal,
    ) -> SerialNumber {
        let issued = self.done(self.enrol(serial, parent, key_number)).await;
        let serial_number = issued.released().unwrap().serial_number();
        let mut installed = self.installed(serial, serial_number);
        installed.action = Action::ConfirmInstalled { device: device(serial), serial_number, after_renewal };
        self.done(installed).await;
        serial_number
    }

    pub(crate) async fn status(&self, serial_number: SerialNumber) -> CertificateStatus {
        self.store.certificate_status(&serial_number).await.unwrap().unwrap()
    }

    pub(crate) fn confirm(&self, order: u64, serial: u64, serial_number: SerialNumber) -> Command {
        let (work_order, device) = (WorkOrderId(order), device(serial));
        self.command(station("line-3"), None, Action::ConfirmUnit { work_order, device, serial_number })
    }

    pub(crate) fn scrap(&self, order: u64, serial: u64) -> Command {
        let (work_order, device, reason) = (WorkOrderId(order), device(serial), "dropped".to_owned());
        let operator = "7".to_owned();
        self.command(station("line-3"), None, Action::ScrapUnit { work_order, device, reason, operator })
    }

    pub(crate) fn credential(&self, name: &str, key_number: u64) -> Command {
        let certificate = self.certificate(
            IssuerName::Infrastructure,
            ProfileName::Credential(Role::Station),
            key(key_number),
        );
        let operator = Principal::named(Role::Operator, "admin".parse().unwrap());
        let request = question(3, name.bytes().map(u64::from).sum(), 0, key_number);
        let subject = IssuanceSubject::Credential { role: Role::Station, name: name.parse().unwrap() };
        self.command(operator, Some(request), Action::Issue { subject, certificate })
    }

    pub(crate) async fn ask(&self, command: Command) -> Verdict {
        self.store.commit(vec![command]).await.unwrap().remove(0)
    }

    pub(crate) async fn done(&self, command: Command) -> Recorded {
        self.ask(command).await.unwrap()
    }

    /// An order for many, and one unit of it.
    pub(crate) async fn one_unit(&self) -> SerialNumber {
        self.done(self.create_order(1000)).await;
        self.done(self.birth(1, 1, 501)).await.released().unwrap().serial_number()
    }
}

pub(crate) async fn entries_are_numbered_without_gaps_in_the_order_of_the_commands(bench: Bench) {
    let verdicts = bench
        .store
        .commit(vec![bench.create_order(3), bench.birth(9, 1, 1), bench.birth(1, 1, 1), bench.birth(1, 2, 2)])
        .await
        .unwrap();
    let numbers: Vec<_> = verdicts.iter().map(|v| v.as_ref().ok().map(|r| r.entry().number.0)).collect();
    assert_eq!(numbers, [Some(1), None, Some(2), Some(3)]);
    assert_eq!(bench.store.head(), EntryNumber(3));
}

pub(crate) async fn later_commands_see_the_effect_of_earlier_ones_in_the_same_call(bench: Bench) {
    let mut commands = vec![bench.create_order(2)];
    commands.extend((1..=3).map(|serial| bench.birth(1, serial, serial)));
    commands.push(bench.birth(1, 1, 9));
    let verdicts = bench.store.commit(commands).await.unwrap();
    assert!(verdicts[..3].iter().all(Result::is_ok));
    assert_eq!(
        *verdicts[3].as_ref().unwrap_err(),
        Conflict::WorkOrderExhausted { work_order: WorkOrderId(1), quantity: 2 }
    );
    assert_eq!(*verdicts[4].as_ref().unwrap_err(), Conflict::DeviceAlreadyIssued(device(1)));
    // And again, of what is durable by now.
    assert_eq!(bench.ask(bench.birth(1, 1, 9)).await.unwrap_err(), Conflict::DeviceAlreadyIssued(device(1)));
}

pub(crate) async fn the_same_request_gets_the_same_entry_for_ever(bench: Bench) {
    bench.done(bench.create_order(1)).await;
    // Twice in one call, then by request id, then by device and key alone, then after the order is exhausted
    // and closed.
    let both = bench.store.commit(vec![bench.birth(1, 1, 5), bench.birth(1, 1, 5)]).await.unwrap();
    let (first, second) = (both[0].clone().unwrap(), both[1].clone().unwrap());
    assert!(!first.is_replay() && second.is_replay());
    let order = WorkOrderId(1);
    let operator = Principal::named(Role::Operator, "admin".parse().unwrap());
    bench.done(bench.command(operator, None, Action::CloseWorkOrder(order))).await;
    let third = bench.done(bench.birth(1, 1, 5)).await;
    let mut other_id = bench.birth(1, 1, 5);
    other_id.request = None;
    let fourth = bench.done(other_id).await;
    for replay in [second, third, fourth] {
        assert!(replay.is_replay());
        assert_eq!(replay.entry().number, first.entry().number);
        assert_eq!(replay.released().unwrap().der(), first.released().unwrap().der());
    }
    assert_eq!(bench.store.work_order(order).await.unwrap().unwrap().counts.issued, 1);
}

pub(crate) async fn a_request_id_with_other_content_is_refused(bench: Bench) {
    bench.done(bench.create_order(5)).await;
    bench.done(bench.birth(1, 1, 5)).await;
    let mut other = bench.birth(1, 1, 5);
    other.content = [2; 32];
    assert_eq!(bench.ask(other).await.unwrap_err(), Conflict::RequestReused);
    // The same id of another caller is another request.
    let mut stranger = bench.birth(1, 2, 5);
    stranger.principal = Some(station("line-4"));
    assert_eq!(bench.ask(stranger).await.unwrap_err(), Conflict::NoSuchWorkOrder(WorkOrderId(1)));
}

pub(crate) async fn racing_callers_never_exceed_a_work_order(bench: Bench) {
    bench.done(bench.create_order(25)).await;
    let tasks: Vec<_> = (1..=60)
        .map(|serial| {
            let (store, command) = (Arc::clone(&bench.store), bench.birth(1, serial, serial));
            tokio::spawn(async move { store.commit(vec![command]).await.unwrap().remove(0).is_ok() })
        })
        .collect();
    let mut issued = 0;
    for task in tasks {
        issued += u64::from(task.await.unwrap());
    }
    assert_eq!(issued, 25);
    assert_eq!(bench.store.work_order(WorkOrderId(1)).await.unwrap().unwrap().counts.issued, 25);
}

pub(crate) async fn racing_callers_with_one_key_get_one_certificate(bench: Bench) {
    bench.done(bench.create_order(1000)).await;
    let tasks: Vec<_> = (1..=40)
        .map(|serial| {
            let mut command = bench.birth(1, serial, 77);
            command.request = None;
            let store = Arc::clone(&bench.store);
            tokio::spawn(async move { store.commit(vec![command]).await.unwrap().remove(0) })
        })
        .collect();
    let mut won = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => won += 1,
            Err(conflict) => assert!(is_key_of_another(&conflict), "{conflict}"),
        }
    }
    assert_eq!(won, 1);
}

pub(crate) async fn what_is_foreseen_is_what_is_committed(bench: Bench) {
    bench.done(bench.create_order(1)).await;
    let first = bench.birth(1, 1, 5);
    let asked = intent(&first);
    assert!(matches!(bench.store.preflight(&asked).await.unwrap(), Preflight::Clear));
    let recorded = bench.done(first).await;
    match bench.store.preflight(&asked).await.unwrap() {
        Preflight::Answered(answer) => assert_eq!(answer.entry(), recorded.entry()),
        other => panic!("{other:?}"),
    }
    let next = intent(&bench.birth(1, 2, 6));
    assert!(matches!(
        bench.store.preflight(&next).await.unwrap(),
        Preflight::Refused(Conflict::WorkOrderExhausted { .. })
    ));
}

pub(crate) async fn a_certificate_is_read_back_with_its_status(bench: Bench) {
    let birth = bench.one_unit().await;
    assert_eq!(bench.store.certificate_status(&birth).await.unwrap(), Some(CertificateStatus::Issued));
    assert_eq!(bench.store.certificate_status(&serial_number(1 << 40)).await.unwrap(), None);
    bench.done(bench.confirm(1, 1, birth)).await;
    assert!(bench.done(bench.confirm(1, 1, birth)).await.is_replay());
    let record = bench.store.certificate(&birth).await.unwrap().unwrap();
    assert_eq!(record.status(), CertificateStatus::InUse);
    assert_eq!(record.work_order(), Some(WorkOrderId(1)));
    assert_eq!(record.certificate().key, key(501));
    assert_eq!(record.entry().principal, Some(station("line-3")));
    assert!(record.revocation().is_none());
    let device = bench.store.device(&device(1)).await.unwrap().unwrap();
    assert_eq!((device.state(), device.birth), (DeviceState::Provisioned, birth));
}

pub(crate) async fn a_scrapped_unit_is_revoked_and_never_returns(bench: Bench) {
    let birth = bench.one_unit().await;
    bench.done(bench.confirm(1, 1, birth)).await;
    let operational = bench.done(bench.enrol(1, birth, 600)).await.released().unwrap().serial_number();
    let scrapped = bench.done(bench.scrap(1, 1)).await;
    assert!(bench.done(bench.scrap(1, 1)).await.is_replay());
    for serial_number in [birth, operational] {
        assert_eq!(
            bench.store.certificate_status(&serial_number).await.unwrap(),
            Some(CertificateStatus::Revoked)
        );
        let record = bench.store.certificate(&serial_number).await.unwrap().unwrap();
        let revocation = record.revocation().unwrap();
        assert_eq!(revocation.reason, RevocationReason::CessationOfOperation);
        assert_eq!(revocation.entry, scrapped.entry().number);
    }
    let gone = Conflict::DeviceScrapped(device(1));
    assert_eq!(bench.ask(bench.birth(1, 1, 501)).await.unwrap_err(), gone);
    assert_eq!(bench.ask(bench.birth(1, 1, 502)).await.unwrap_err(), gone);
    assert_eq!(bench.ask(bench.enrol(1, birth, 601)).await.unwrap_err(), gone);
    // Its key never returns either, and its quota is not given back.
    assert!(is_key_of_another(&bench.ask(bench.birth(1, 2, 600)).await.unwrap_err()));
    let counts = bench.store.work_order(WorkOrderId(1)).await.unwrap().unwrap().counts;
    assert_eq!((counts.issued, counts.confirmed, counts.scrapped), (1, 0, 1));
}

pub(crate) async fn a_unit_that_left_the_factory_is_not_scrapped(bench: Bench) {
    let passed = bench.one_unit().await;
    bench.done(bench.confirm(1, 1, passed)).await;
    for serial in [2, 3] {
        let birth = bench.done(bench.birth(1, serial, serial)).await.released().unwrap().serial_number();
        bench.done(bench.confirm(1, serial, birth)).await;
    }
    bench.done(bench.birth(1, 4, 4)).await;
    bench.done(bench.scrap(1, 2)).await;
    let operator = Principal::named(Role::Operator, "admin".parse().unwrap());
    let work_order = WorkOrderId(1);
    bench.done(bench.command(operator, None, Action::CloseWorkOrder(work_order))).await;
    let closed = Conflict::WorkOrderNotOpen { work_order, state: WorkOrderState::Closed };
    assert_eq!(bench.ask(bench.scrap(1, 1)).await.unwrap_err(), closed);
    assert_eq!(bench.store.certificate_status(&passed).await.unwrap(), Some(CertificateStatus::InUse));
    // What was reported is reported again, and a unit that never passed may still be.
    assert!(bench.done(bench.scrap(1, 2)).await.is_replay());
    bench.done(bench.scrap(1, 4)).await;
}

pub(crate) async fn an_enrolment_is_confirmed_and_the_others_are_revoked(bench: Bench) {
    let birth = bench.one_unit().await;
    let first = bench.done(bench.enrol(1, birth, 600)).await.released().unwrap().serial_number();
    // The device lost its state before it could install: another key gets another certificate.
    let second = bench.done(bench.enrol(1, birth, 601)).await.released().unwrap().serial_number();
    bench.done(bench.installed(1, second)).await;
    assert!(bench.done(bench.installed(1, second)).await.is_replay());
    assert_eq!(bench.store.certificate_status(&first).await.unwrap(), Some(CertificateStatus::Revoked));
    assert_eq!(bench.store.certificate_status(&second).await.unwrap(), Some(CertificateStatus::InUse));
    assert_eq!(bench.store.device(&device(1)).await.unwrap().unwrap().operational, Some(second));
    assert_eq!(
        bench.ask(bench.enrol(1, birth, 602)).await.unwrap_err(),
        Conflict::AlreadyEnrolled(device(1))
    );
    // R-LIFE-05: an expired one does not keep the device from coming back with its birth certificate.
    bench.clock.advance(days(31));
    bench.done(bench.enrol(1, birth, 602)).await;
    let holder = Principal::Device(device(1));
    let all = bench.store.certificates_of(&holder, None, 1000).await.unwrap().rows;
    assert_eq!(all.len(), 4);
    assert_eq!(all[0].certificate().serial_number, birth);
    assert_eq!(all[1].parent(), Some(birth));
    assert_eq!(all[3].certificate().key, key(602));
    let mut paged = Vec::new();
    let mut cursor = None;
    loop {
        let page = bench.store.certificates_of(&holder, cursor.as_ref(), 3).await.unwrap();
        paged.extend(page.rows.iter().map(|one| one.certificate().serial_number));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(paged, all.iter().map(|one| one.certificate().serial_number).collect::<Vec<_>>());
}

pub(crate) async fn a_revoked_principal_is_revoked_at_once(bench: Bench) {
    let credential = bench.done(bench.credential("line-3", 40)).await.released().unwrap().serial_number();
    bench.done(bench.credential("line-3", 41)).await;
    let (role, name) = (Role::Station, "line-3".parse().unwrap());
    let known = bench.store.principal(role, &name).await.unwrap().unwrap();
    assert!(known.active);
    assert_eq!(known.credential.certificate().key, key(41));
    let operator = Principal::named(Role::Operator, "admin".parse().unwrap());
    let reason = RevocationReason::KeyCompromise;
    let revoke = bench.command(
        operator,
        None,
        Action::RevokePrincipal { role, name: name.clone(), reason, last_operator: false },
    );
    bench.done(revoke.clone()).await;
    assert!(bench.done(revoke).await.is_replay());
    assert_eq!(bench.store.certificate_status(&credential).await.unwrap(), Some(CertificateStatus::Revoked));
    assert!(!bench.store.principal(role, &name).await.unwrap().unwrap().active);
    assert_eq!(bench.ask(bench.credential("line-3", 40)).await.unwrap_err(), Conflict::CertificateRevoked);
}

pub(crate) async fn a_new_question_is_not_answered_with_an_expired_certificate(bench: Bench) {
    let birth = bench.one_unit().await;
    let first = bench.done(bench.enrol(1, birth, 600)).await;
    bench.done(bench.credential("line-4", 40)).await;
    let without_id = |mut command: Command| {
        command.request = None;
        command
    };
    assert!(bench.done(without_id(bench.enrol(1, birth, 600))).await.is_replay());
    assert!(bench.done(without_id(bench.credential("line-4", 40))).await.is_replay());
    bench.clock.advance(days(31));
    for expired in [bench.enrol(1, birth, 600), bench.credential("line-4", 40)] {
        assert_eq!(bench.ask(without_id(expired)).await.unwrap_err(), Conflict::KeyAlreadyUsed);
    }
    // The same question gets the same answer, for ever.
    let again = bench.done(bench.enrol(1, birth, 600)).await;
    assert_eq!(again.entry().number, first.entry().number);
}

/// R-CA-11: what waited in the queue when the caller was revoked, even in the same batch, does not happen;
/// nor is it answered again.
pub(crate) async fn a_caller_that_was_revoked_is_decided_nothing_for(bench: Bench) {
    bench.done(bench.create_order(1000)).await;
    let credential = bench.done(bench.credential("line-3", 40)).await.released().unwrap().serial_number();
    let by_it = |mut command: Command| {
        command.credential = Some(credential);
        command
    };
    let first = bench.done(by_it(bench.birth(1, 1, 1))).await;
    let operator = Principal::named(Role::Operator, "admin".parse().unwrap());
    let (role, name, reason) = (Role::Station, "line-3".parse().unwrap(), RevocationReason::KeyCompromise);
    let revoke =
        bench.command(operator, None, Action::RevokePrincipal { role, name, reason, last_operator: false });
    let batch =
        vec![by_it(bench.birth(1, 2, 2)), revoke, by_it(bench.birth(1, 3, 3)), by_it(bench.birth(1, 1, 1))];
    let verdicts = bench.store.commit(batch).await.unwrap();
    assert!(verdicts[0].is_ok() && verdicts[1].is_ok());
    let birth = first.released().unwrap().serial_number();
    for late in &verdicts[2..] {
        assert_eq!(*late.as_ref().unwrap_err(), Conflict::CallerRevoked);
    }
    for late in [bench.birth(1, 4, 4), bench.confirm(1, 1, birth), bench.scrap(1, 1)] {
        assert_eq!(bench.ask(by_it(late)).await.unwrap_err(), Conflict::CallerRevoked);
    }
    assert_eq!(bench.store.work_order(WorkOrderId(1)).await.unwrap().unwrap().counts.issued, 2);
    // A certificate that is not on record never was anybody's.
    let mut stranger = bench.birth(1, 5, 5);
    stranger.credential = Some(serial_number(1 << 41));
    assert_eq!(bench.ask(stranger).await.unwrap_err(), Conflict::CallerRevoked);
}

pub(crate) async fn a_closed_store_refuses(bench: Bench) {
    bench.one_unit().await;
    bench.store.close().await.unwrap();
    bench.store.close().await.unwrap();
    assert!(matches!(bench.store.commit(vec![bench.birth(1, 2, 2)]).await, Err(StoreError::Stopped)));
}

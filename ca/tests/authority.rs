//! The authority through its public API, over a store in memory that fails when told to.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "world/world.rs"]
mod world;

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::time::Duration;

use authority::{
    CallerKind, CredentialRequest, PeerCertificate, PrincipalRevocation, Proof, UnknownStations,
};
use identity::{RevocationReason, Role};
use issuance::Names;
use ledger::CertificateStatus;
use store::{DeviceFilter, Fault};

use world::{Key, World, birth, device, fresh_id, noon, reason, terms};

#[tokio::test]
async fn a_device_is_born_confirmed_enrolled_and_in_use() {
    let world = World::new().await;
    let station = world.station("line-3").await;
    let order = world.order(2, &["line-3"]).await;
    let released = world.born(&station, order, 1, &Key::new()).await;
    let counts =
        world.authority.confirm_unit(&station, order, device(1), released.serial_number()).await.unwrap();
    assert_eq!((counts.issued, counts.confirmed, counts.scrapped), (1, 1, 0));

    let with_birth = world.caller(released.der()).await;
    assert_eq!(with_birth.kind(), CallerKind::DeviceBirth);
    let operational = world.authority.enroll(&with_birth, fresh_id(), &Key::new().csr()).await.unwrap();
    let with_operational = world.caller(operational.der()).await;
    assert_eq!(with_operational.kind(), CallerKind::DeviceOperational);
    world.authority.confirm_installed(&with_operational, operational.serial_number()).await.unwrap();

    let history = world.authority.device(&device(1)).await.unwrap();
    assert_eq!(history.device.operational, Some(operational.serial_number()));
    assert_eq!(history.certificates.len(), 2);
    assert_eq!(history.certificates[1].status(), CertificateStatus::InUse);
    assert_eq!(history.certificates[1].parent(), Some(released.serial_number()));
}

#[tokio::test]
async fn the_signatures_of_a_batch_are_made_together() {
    let world = World::new().await;
    let station = world.station("line-3").await;
    let order = world.order(64, &["line-3"]).await;
    let requests = (1..=64).map(|serial| birth(order, serial, &Key::new())).collect();
    world.factory.delay_ms.store(20, Ordering::SeqCst);
    let began = std::time::Instant::now();
    let answers = world.authority.issue_births(&station, requests).await.unwrap();
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    // One after the other they would take 1,280 ms.
    assert!(began.elapsed() < Duration::from_millis(640), "{:?}", began.elapsed());
}

#[tokio::test]
async fn the_same_request_gets_the_same_certificate_also_with_the_csr_signed_again() {
    let world = World::new().await;
    let station = world.station("line-3").await;
    let order = world.order(1, &["line-3"]).await;
    let key = Key::new();
    let asked = birth(order, 1, &key);
    let first = world.authority.issue_birth(&station, asked.clone()).await.unwrap();
    let mut again = asked;
    again.csr = key.csr().into();
    let second = world.authority.issue_birth(&station, again).await.unwrap();
    assert_eq!(first.der(), second.der());
    let other_id = world.authority.issue_birth(&station, birth(order, 1, &key)).await.unwrap();
    assert_eq!(first.der(), other_id.der(), "without the id: the same unit with the same key");
    assert_eq!(world.authority.work_order(order).await.unwrap().counts.issued, 1);
}

#[tokio::test]
async fn a_request_id_with_other_content_is_refused() {
    let world = World::new().await;
    let station = world.station("line-3").await;
    let order = world.order(9, &["line-3"]).await;
    let asked = birth(order, 1, &Key::new());
    world.authority.issue_birth(&station, asked.clone()).await.unwrap();
    let mut other = birth(order, 2, &Key::new());
    other.request = asked.request;
    assert_eq!(reason(&world.authority.issue_birth(&station, other).await), "REQUEST_ID_REUSED");
}

#[tokio::test]
async fn every_refusal_of_a_birth_certificate_has_its_reason_and_records_only_duplicates_and_those_once() {
    let world = World::new().await;
    let station = world.station("line-3").await;
    let foreign = world.station("line-4").await;
    let order = world.order(2, &["line-3"]).await;
    let taken = Key::new();
    world.born(&station, order, 1, &taken).await;
    let head = world.store.head();
    let birth_with = |csr: Vec<u8>| {
        let mut request = birth(order, 7, &taken);
        request.csr = csr.into();
        request
    };
    let mut damaged = Key::new().csr();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    let mut trailing = Key::new().csr();
    trailing.push(0);
    let outside = {
        let mut request = birth(order, 7, &Key::new());
        request.device = "cam-2/XX000001".parse().unwrap();
        request
    };
    let product = {
        let mut request = birth(order, 7, &Key::new());
        request.device = "cam-3/SN000007".parse().unwrap();
        request
    };
    let cases = [
        (&station, birth(order, 2, &taken), "KEY_ALREADY_USED"),
        (&station, birth(order, 1, &Key::new()), "DEVICE_ALREADY_ISSUED"),
        (&foreign, birth(order, 2, &Key::new()), "WORK_ORDER_NOT_FOUND"),
        (&station, birth(ledger::WorkOrderId(99), 2, &Key::new()), "WORK_ORDER_NOT_FOUND"),
        (&station, outside, "SERIAL_NOT_IN_WORK_ORDER"),
        (&station, product, "PRODUCT_NOT_IN_WORK_ORDER"),
        (&station, birth_with(vec![0; 8193]), "CSR_TOO_LARGE"),
        (&station, birth_with(vec![0x30, 0x80, 0, 0]), "CSR_NOT_DER"),
        (&station, birth_with(Vec::new()), "CSR_NOT_DER"),
        (&station, birth_with(trailing), "CSR_NOT_DER"),
        (&station, birth_with(damaged), "PROOF_OF_POSSESSION_FAILED"),
    ];
    for _ in 0..2 {
        for (caller, request, expected) in cases.clone() {
            assert_eq!(reason(&world.authority.issue_birth(caller, request).await), expected);
        }
    }
    // The first two are what a copied key and a copied device look like.
    assert_eq!(world.store.head().0, head.0 + 2, "other refusals record nothing");
}

#[tokio::test]
async fn an_order_that_is_paused_closed_not_open_or_over_gives_nothing() {
    let world = World::new().await;
    let station = world.station("line-3").await;
    let operator = world.operator().await;
    let order = world.order(9, &["line-3"]).await;
    let try_one = |order| world.authority.issue_birth(&station, birth(order, 1, &Key::new()));
    world.authority.pause_work_order(&operator, order).await.unwrap();
    assert_eq!(reason(&try_one(order).await), "WORK_ORDER_PAUSED");
    world.authority.resume_work_order(&operator, order).await.unwrap();
    let issued = try_one(order).await;
    assert_eq!(reason(&issued), "OK");
    let report = world.authority.close_work_order(&operator, order).await.unwrap();
    assert_eq!((report.unaccounted_count, report.unaccounted), (1, vec![device(1)]));
    assert_eq!(
        reason(&world.authority.issue_birth(&station, birth(order, 2, &Key::new())).await),
        "WORK_ORDER_CLOSED"
    );
    let later = world
        .order_with(ledger::WorkOrderTerms {
            opens_at: Some(noon() + Duration::from_secs(60)),
            closes_at: Some(noon() + Duration::from_secs(120)),
            ..terms(9, &["line-3"])
        })
        .await;
    let next = |serial| world.authority.issue_birth(&station, birth(later, serial, &Key::new()));
    assert_eq!(reason(&next(2).await), "WORK_ORDER_NOT_YET_OPEN");
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(reason(&next(2).await), "OK");
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(reason(&next(3).await), "WORK_ORDER_EXPIRED");
}

#[tokio::test]
async fn a_batch_answers_each_request_in_its_place() {
    let world = World::new().await;
    let station = world.station("line-3").await;
    let order = world.order(2, &["line-3"]).await;
    let key = Key::new();
    let mut bad = birth(order, 3, &Key::new());
    bad.csr = b"nonsense".as_slice().into();
    let requests = vec![
        birth(order, 1, &key),
        bad,
        birth(order, 4, &Key::new()),
        birth(order, 5, &Key::new()),
        birth(order, 2, &key),
    ];
    let answers = world.authority.issue_births(&station, requests).await.unwrap();
    let reasons: Vec<_> = answers.iter().map(reason).collect();
    assert_eq!(reasons, ["OK", "CSR_NOT_DER", "OK", "WORK_ORDER_EXHAUSTED", "KEY_ALREADY_USED"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_stations_that_race_never_exceed_an_order() {
    let world = std::sync::Arc::new(World::new().await);
    let names: Vec<String> = (1..=8).map(|n| format!("line-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let order = world.order(50, &names).await;
    let mut tasks = tokio::task::JoinSet::new();
    for (at, name) in names.iter().enumerate() {
        let station = world.station(name).await;
        let world = world.clone();
        tasks.spawn(async move {
            let mut got = Vec::new();
            for batch in 0..4u32 {
                let first = u32::try_from(at).unwrap() * 100 + batch * 10 + 1;
                let requests = (first..first + 4).map(|serial| birth(order, serial, &Key::new())).collect();
                for answer in world.authority.issue_births(&station, requests).await.unwrap() {
                    match answer {
                        Ok(released) => got.push(released.serial_number()),
                        Err(refused) => {
                            assert_eq!(ca::grpc::reason(&refused).as_str_name(), "WORK_ORDER_EXHAUSTED")
                        }
                    }
                }
            }
            got
        });
    }
    let numbers: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(numbers.len(), 50);
    assert_eq!(numbers.iter().collect::<HashSet<_>>().len(), 50);
    assert_eq!(world.authority.work_order(order).await.unwrap().counts.issued, 50);
}

#[tokio::test]
async fn a_signer_that_fails_records_nothing() {
    let world = World::new().await;
    let station = world.station("line-3").await;
    let order = world.order(9, &["line-3"]).await;
    let head = world.store.head();
    let asked = birth(order, 1, &Key::new());
    world.factory.failing.store(1, Ordering::SeqCst);
    assert_eq!(reason(&world.authority.issue_birth(&station, asked.clone()).await), "SIGNER_UNAVAILABLE");
    assert_eq!(world.store.head(), head);
    world.factory.failing.store(0, Ordering::SeqCst);
    assert_eq!(reason(&world.authority.issue_birth(&station, asked).await), "OK");
}

#[tokio::test]
async fn a_store_that_fails_releases_nothing_and_the_retry_gets_the_one_certificate() {
    let world = World::new().await;
    let station = world.station("line-3").await;
    let order = world.order(9, &["line-3"]).await;
    for (serial, fault, expected) in [
        (1, Fault::Failed, "STORE_BUSY"),
        (2, Fault::FailedButPersisted, "STORE_BUSY"),
        (3, Fault::Full, "STORE_FULL"),
    ] {
        let asked = birth(order, serial, &Key::new());
        world.log.fail_next(fault);
        assert_eq!(reason(&world.authority.issue_birth(&station, asked.clone()).await), expected);
        let first = world.authority.issue_birth(&station, asked.clone()).await.unwrap();
        let second = world.authority.issue_birth(&station, asked).await.unwrap();
        assert_eq!(first.der(), second.der());
        let history = world.authority.device(&device(serial)).await.unwrap();
        assert_eq!(history.certificates.len(), 1);
    }
    assert_eq!(world.authority.work_order(order).await.unwrap().counts.issued, 3);
}

/// R-5280-02.
#[tokio::test]
async fn a_generator_that_repeats_is_drawn_again_and_then_refused_before_anything_is_signed() {
    let world = World::with(Box::new(Repeating { at: 0, period: 4 })).await;
    let station = world.station("line-3").await;
    let order = world.order(99, &["line-3"]).await;
    let mut numbers = HashSet::new();
    // The station's credential took one of the numbers that there are.
    for serial in 1..=3 {
        numbers.insert(world.born(&station, order, serial, &Key::new()).await.serial_number());
    }
    assert_eq!(numbers.len(), 3);
    let answer = world.authority.issue_birth(&station, birth(order, 4, &Key::new())).await;
    assert_eq!(reason(&answer), "GENERATOR_FAILED");
    assert_eq!(world.authority.work_order(order).await.unwrap().counts.issued, 3);
}

#[tokio::test]
async fn who_calls_is_what_the_ledger_says_of_the_very_bytes() {
    let world = World::new().await;
    let station = world.credential(Role::Station, "line-3").await;
    let who = async |der: Option<&[u8]>| {
        let proof = der.map(|der| Proof::Certificate(PeerCertificate::new(der)));
        reason(&world.authority.identify(proof.as_ref()).await)
    };
    assert_eq!(who(Some(&station)).await, "OK");
    assert_eq!(who(None).await, "CLIENT_CERTIFICATE_REQUIRED");
    assert_eq!(who(Some(b"")).await, "CLIENT_CERTIFICATE_UNKNOWN");
    let mut forged = station.clone();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    assert_eq!(who(Some(&forged)).await, "CLIENT_CERTIFICATE_UNKNOWN", "the same number, other bytes");
    // Of the same names and keys, made by another installation.
    let other = World::new().await.credential(Role::Station, "line-3").await;
    assert_eq!(who(Some(&other)).await, "CLIENT_CERTIFICATE_UNKNOWN");
    let factory = world.authority.chain(identity::IssuerName::Factory)[0].der().to_vec();
    assert_eq!(who(Some(&factory)).await, "CLIENT_CERTIFICATE_UNKNOWN", "an issuer is nobody who calls");
}

#[tokio::test]
async fn a_revoked_or_expired_credential_is_refused_on_the_next_message() {
    let world = World::new().await;
    let station = world.station("line-3").await;
    let fading = world.station("line-4").await;
    let order = world.order(9, &["line-3", "line-4"]).await;
    assert_eq!(reason(&world.authority.check_caller(&station).await), "OK");
    let operator = world.operator().await;
    let name = || "line-3".parse().unwrap();
    let revoke = async || {
        let revocation = PrincipalRevocation {
            role: Role::Station,
            name: name(),
            reason: RevocationReason::KeyCompromise,
            remark: "stolen".to_owned(),
            last_operator: false,
        };
        world.authority.revoke_principal(&operator, revocation).await.unwrap()
    };
    assert_eq!(revoke().await, 1);
    assert_eq!(revoke().await, 0, "idempotent");
    assert_eq!(reason(&world.authority.check_caller(&station).await), "CLIENT_CERTIFICATE_REVOKED");
    let head = world.store.head();
    let answer = world.authority.issue_birth(&station, birth(order, 1, &Key::new())).await;
    assert_eq!(reason(&answer), "CLIENT_CERTIFICATE_REVOKED");
    assert_eq!(world.store.head(), head);
    world.clock.advance(Duration::from_secs(60 * 60 * 24 * 3660));
    assert_eq!(reason(&world.authority.check_caller(&fading).await), "CLIENT_CERTIFICATE_EXPIRED");
}

#[tokio::test]
async fn a_scrapped_unit_is_refused_everywhere_and_gives_no_quota_back() {
    let world = World::new().await;
    let station = world.station("line-3").await;
    let order = world.order(1, &["line-3"]).await;
    let key = Key::new();
    let released = world.born(&station, order, 1, &key).await;
    let with_birth = world.caller(released.der()).await;
    let (reason_of, operator) = ("dropped".to_owned(), String::new());
    let report = authority::UnitReport { work_order: order, device: device(1), reason: reason_of, operator };
    let scrap = || world.authority.report_scrap(&station, report.clone());
    assert_eq!(scrap().await.unwrap().scrapped, 1);
    assert_eq!(scrap().await.unwrap().scrapped, 1, "idempotent");
    assert_eq!(
        reason(
            &world.authority.identify(Some(&Proof::Certificate(PeerCertificate::new(released.der())))).await
        ),
        "CLIENT_CERTIFICATE_REVOKED"
    );
    let enrolled = world.authority.enroll(&with_birth, fresh_id(), &Key::new().csr()).await;
    assert_eq!(reason(&enrolled), "DEVICE_SCRAPPED");
    let again = world.authority.issue_birth(&station, birth(order, 1, &key)).await;
    assert_eq!(reason(&again), "DEVICE_SCRAPPED");
    let next = world.authority.issue_birth(&station, birth(order, 2, &Key::new())).await;
    assert_eq!(reason(&next), "WORK_ORDER_EXHAUSTED");
}

#[tokio::test]
async fn a_lost_enrolment_answer_is_given_again() {
    let world = World::new().await;
    let station = world.station("line-3").await;
    let order = world.order(1, &["line-3"]).await;
    let device = world.caller(world.born(&station, order, 1, &Key::new()).await.der()).await;
    let (key, id) = (Key::new(), fresh_id());
    world.log.fail_next(Fault::FailedButPersisted);
    let lost = world.authority.enroll(&device, id, &key.csr()).await;
    assert_eq!(reason(&lost), "STORE_BUSY");
    let first = world.authority.enroll(&device, id, &key.csr()).await.unwrap();
    let second = world.authority.enroll(&device, fresh_id(), &key.csr()).await.unwrap();
    assert_eq!(first.der(), second.der());
    let other = world.authority.enroll(&device, id, &Key::new().csr()).await;
    assert_eq!(reason(&other), "REQUEST_ID_REUSED");
}

#[tokio::test]
async fn a_device_confirms_only_the_certificate_that_it_calls_with() {
    let world = World::new().await;
    let station = world.station("line-3").await;
    let order = world.order(1, &["line-3"]).await;
    let born = world.born(&station, order, 1, &Key::new()).await;
    let with_birth = world.caller(born.der()).await;
    let operational = world.authority.enroll(&with_birth, fresh_id(), &Key::new().csr()).await.unwrap();
    let confirm = world.authority.confirm_installed(&with_birth, operational.serial_number()).await;
    assert_eq!(reason(&confirm), "ROLE_NOT_ALLOWED");
    let with_operational = world.caller(operational.der()).await;
    let other = world.authority.confirm_installed(&with_operational, born.serial_number()).await;
    assert_eq!(reason(&other), "CERTIFICATE_NOT_FOUND");
    for _ in 0..2 {
        world.authority.confirm_installed(&with_operational, operational.serial_number()).await.unwrap();
    }
    let second = world.authority.enroll(&with_birth, fresh_id(), &Key::new().csr()).await;
    assert_eq!(reason(&second), "ALREADY_ENROLLED");
}

#[tokio::test]
async fn an_operator_makes_credentials_once_and_a_key_has_one_holder() {
    let world = World::new().await;
    let operator = world.operator().await;
    let key = Key::new();
    let request = CredentialRequest {
        request: fresh_id(),
        role: Role::Station,
        name: "line-3".parse().unwrap(),
        csr: key.csr(),
        lifetime: Some(Duration::from_secs(24 * 60 * 60)),
        names: Names::default(),
    };
    let first = world.authority.issue_credential(&operator, request.clone()).await.unwrap();
    let again = CredentialRequest { csr: key.csr(), ..request.clone() };
    let second = world.authority.issue_credential(&operator, again).await.unwrap();
    assert_eq!(first.der(), second.der());
    let other = CredentialRequest { request: fresh_id(), name: "line-4".parse().unwrap(), ..request.clone() };
    assert_eq!(reason(&world.authority.issue_credential(&operator, other).await), "KEY_ALREADY_USED");
    let long = CredentialRequest {
        request: fresh_id(),
        csr: Key::new().csr(),
        lifetime: Some(Duration::from_secs(60 * 60 * 24 * 36_500)),
        ..request
    };
    assert_eq!(reason(&world.authority.issue_credential(&operator, long).await), "PROFILE_FORBIDS");
    let page = world.authority.store().principals(None, 10).await.unwrap();
    let names: Vec<_> = page.rows.iter().map(|row| format!("{}:{}", row.role, row.name)).collect();
    assert!(names.contains(&"station:line-3".to_owned()), "{names:?}");
}

#[tokio::test]
async fn an_order_is_made_once_and_listed() {
    let world = World::new().await;
    let operator = world.operator().await;
    let id = fresh_id();
    let allowed = UnknownStations::Allowed;
    let unknown = world
        .authority
        .create_work_order(&operator, id, terms(5, &["line-3"]), UnknownStations::Refused)
        .await;
    assert_eq!(reason(&unknown), "STATION_UNKNOWN");
    let first =
        world.authority.create_work_order(&operator, id, terms(5, &["line-3"]), allowed).await.unwrap();
    let again =
        world.authority.create_work_order(&operator, id, terms(5, &["line-3"]), allowed).await.unwrap();
    assert_eq!(first.id, again.id);
    let other = world.authority.create_work_order(&operator, id, terms(6, &["line-3"]), allowed).await;
    assert_eq!(reason(&other), "REQUEST_ID_REUSED");
    let none = world.authority.create_work_order(&operator, fresh_id(), terms(0, &["line-3"]), allowed).await;
    assert_eq!(reason(&none), "QUANTITY_OUT_OF_RANGE");
    let page = world.authority.store().work_orders(None, 10).await.unwrap();
    assert_eq!(page.rows.len(), 1);
    let devices = world.authority.store().devices(&DeviceFilter::default(), None, 10).await.unwrap();
    assert!(devices.rows.is_empty());
}

/// Says the same few numbers over and over.
struct Repeating {
    at: u8,
    period: u8,
}

impl rand::TryRng for Repeating {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(0)
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(0)
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill(self.at);
        self.at = (self.at + 1) % self.period;
        Ok(())
    }
}

impl rand::TryCryptoRng for Repeating {}

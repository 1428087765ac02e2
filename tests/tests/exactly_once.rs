//! A work order is never exceeded, a repeated request gets the same answer, and a key or a serial number
//! belongs to one device: with several stations that race on a real CA.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::collections::HashSet;

use futures::future::join_all;
use proto::v1::{ReportScrapRequest, Role};
use tests::{
    Answer, Caller, CertificateAuthority, Credentials, Device, Factory, KeyAndRequest, OrderTerms, ask,
    ask_on_stream,
};
use tonic::Code;

#[tokio::test(flavor = "multi_thread")]
async fn stations_that_race_never_exceed_an_order_by_one() {
    const QUANTITY: u64 = 60;
    let authority = CertificateAuthority::start();
    let factory = Factory::of(&authority);
    let names = ["line-1", "line-2", "line-3"];
    let callers = connections(&authority, &factory, &names).await;
    let order = factory.order(OrderTerms::new(QUANTITY, &names)).await;

    // Half of the connections call one by one, half use a stream; together for three times the quantity.
    let answers = join_all(callers.iter().enumerate().map(async |(number, caller)| {
        let requests: Vec<_> = (0..30)
            .map(|unit| {
                Device::new("cam-2", &format!("SN{:06}", number * 1_000 + unit)).birth_request(&order)
            })
            .collect();
        if number % 2 == 0 {
            join_all(requests.into_iter().map(|request| ask(caller, request))).await
        } else {
            ask_on_stream(caller, requests).await.into_values().collect()
        }
    }))
    .await
    .concat();

    let issued: Vec<_> =
        answers.iter().filter(|answer| answer.is_issued()).cloned().map(Answer::issued).collect();
    assert_eq!(issued.len() as u64, QUANTITY);
    let serial_numbers: HashSet<_> = issued.iter().map(|certificate| &certificate.serial_number).collect();
    assert_eq!(serial_numbers.len() as u64, QUANTITY, "no certificate serial number twice");
    for answer in answers.iter().filter(|answer| !answer.is_issued()) {
        let Answer::Refused(refused) = answer else { panic!("{answer:?}") };
        assert_eq!(
            (refused.code, refused.reason.as_str()),
            (Code::ResourceExhausted, "WORK_ORDER_EXHAUSTED")
        );
    }
    assert_eq!(factory.counts(&order).await.issued, QUANTITY);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_gets_the_same_certificate_also_after_the_ca_was_killed() {
    let mut authority = CertificateAuthority::start();
    let factory = Factory::of(&authority);
    let credentials = factory.credential(Role::Station, "line-1").await;
    let callers: Vec<_> = (0..4).map(|_| authority.caller(&credentials)).collect();
    let order = factory.order(OrderTerms::new(10, &["line-1"])).await;
    let device = Device::new("cam-2", "SN000001");

    let racing =
        join_all((0..16).map(|number| ask(&callers[number % 4], device.birth_request(&order)))).await;
    let streamed = ask_on_stream(&callers[0], vec![device.birth_request(&order)]).await;
    let first = racing[0].clone().issued();
    for answer in racing.into_iter().chain(streamed.into_values()) {
        assert_eq!(answer.issued(), first);
    }

    authority.kill();
    authority.serve();
    assert_eq!(ask(&authority.caller(&credentials), device.birth_request(&order)).await.issued(), first);

    // A station that forgot its request id: the same device, key and profile make the same request (ADR
    // 0010).
    let mut forgetful = device.birth_request(&order);
    forgetful.request_id = Device::new("cam-2", "SN000001").request_id;
    forgetful.csr = device.key.again();
    assert_eq!(ask(&authority.caller(&credentials), forgetful).await.issued().certificate, first.certificate);
    assert_eq!(factory.counts(&order).await.issued, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_is_one_device_for_ever() {
    let authority = CertificateAuthority::start();
    let factory = Factory::of(&authority);
    let station = factory.station("line-1").await;
    let order = factory.order(OrderTerms::new(100, &["line-1"])).await;
    let other_product =
        factory.order(OrderTerms { product: "lock-7".to_owned(), ..OrderTerms::new(100, &["line-1"]) }).await;

    // Sixteen devices race with one key: one of them gets it.
    let key = KeyAndRequest::fresh();
    let racing = join_all((0..16).map(|number| {
        let mut request = Device::new("cam-2", &format!("SN{number:06}")).birth_request(&order);
        request.csr = key.again();
        ask(&station, request)
    }))
    .await;
    let winner = racing.iter().position(Answer::is_issued).expect("one gets it");
    for (number, answer) in racing.iter().enumerate().filter(|(number, _)| *number != winner) {
        assert_eq!(answer.reason(), "KEY_ALREADY_USED", "device {number}");
    }

    // Not for another product, and not when its device was scrapped.
    let mut elsewhere = Device::new("lock-7", "SN000900").birth_request(&other_product);
    elsewhere.csr = key.again();
    assert_eq!(ask(&station, elsewhere.clone()).await.reason(), "KEY_ALREADY_USED");
    scrap(&station, &order, &format!("SN{winner:06}")).await;
    assert_eq!(ask(&station, elsewhere).await.reason(), "KEY_ALREADY_USED");

    // And not for a principal; nor a principal's key for a device.
    let refused = tests::refusal(factory.issue(Role::Station, "line-9", &key.again()).await);
    assert_eq!((refused.code, refused.reason.as_str()), (Code::AlreadyExists, "KEY_ALREADY_USED"));
    let principals = KeyAndRequest::fresh();
    factory.issue(Role::Station, "line-8", &principals.csr).await.expect("a credential");
    let mut request = Device::new("cam-2", "SN000901").birth_request(&order);
    request.csr = principals.again();
    assert_eq!(ask(&station, request).await.reason(), "KEY_ALREADY_USED");
    assert_eq!(factory.counts(&order).await.issued, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_serial_number_is_one_device_for_ever() {
    let authority = CertificateAuthority::start();
    let factory = Factory::of(&authority);
    let callers = connections(&authority, &factory, &["line-1", "line-2"]).await;
    let order = factory.order(OrderTerms::new(100, &["line-1", "line-2"])).await;

    let devices: Vec<_> = (0..16).map(|_| Device::new("cam-2", "SN000007")).collect();
    let racing = join_all(
        devices
            .iter()
            .zip(callers.iter().cycle())
            .map(|(device, caller)| ask(caller, device.birth_request(&order))),
    )
    .await;
    assert_eq!(racing.iter().filter(|answer| answer.is_issued()).count(), 1);
    for answer in racing.iter().filter(|answer| !answer.is_issued()) {
        assert_eq!(answer.reason(), "DEVICE_ALREADY_ISSUED");
    }

    scrap(&callers[0], &order, "SN000007").await;
    let answer = ask(&callers[0], Device::new("cam-2", "SN000007").birth_request(&order)).await;
    assert_eq!(answer.reason(), "DEVICE_SCRAPPED");
    let counts = factory.counts(&order).await;
    assert_eq!((counts.issued, counts.scrapped), (1, 1), "scrap does not give quota back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_is_one_request() {
    let authority = CertificateAuthority::start();
    let factory = Factory::of(&authority);
    let station = factory.station("line-1").await;
    let other_station = factory.station("line-2").await;
    let order = factory.order(OrderTerms::new(100, &["line-1", "line-2"])).await;

    let first = Device::new("cam-2", "SN000001");
    ask(&station, first.birth_request(&order)).await.issued();

    let mut other_serial = Device::new("cam-2", "SN000002").birth_request(&order);
    other_serial.request_id = first.request_id.clone();
    let mut other_key = Device::new("cam-2", "SN000001").birth_request(&order);
    other_key.request_id = first.request_id.clone();
    for request in [other_serial.clone(), other_key] {
        let Answer::Refused(refused) = ask(&station, request.clone()).await else { panic!("refused") };
        assert_eq!((refused.code, refused.reason.as_str()), (Code::AlreadyExists, "REQUEST_ID_REUSED"));
        let streamed = ask_on_stream(&station, vec![request.clone()]).await;
        assert_eq!(streamed[&request.request_id].reason(), "REQUEST_ID_REUSED");
    }

    // Request ids belong to their caller: another station may use the same one.
    ask(&other_station, other_serial).await.issued();

    // A work order is made once, too.
    let terms = OrderTerms::new(5, &["line-1"]);
    let made = join_all((0..8).map(|_| factory.order(terms.clone()))).await;
    assert_eq!(made.iter().collect::<HashSet<_>>().len(), 1);
    let refused = tests::refusal(factory.try_order(OrderTerms { quantity: 6, ..terms }).await);
    assert_eq!((refused.code, refused.reason.as_str()), (Code::AlreadyExists, "REQUEST_ID_REUSED"));
}

/// Two connections for each station.
async fn connections(authority: &CertificateAuthority, factory: &Factory, names: &[&str]) -> Vec<Caller> {
    let credentials: Vec<Credentials> =
        join_all(names.iter().map(|name| factory.credential(Role::Station, name))).await;
    credentials.iter().flat_map(|one| [authority.caller(one), authority.caller(one)]).collect()
}

async fn scrap(station: &Caller, work_order: &str, serial: &str) {
    let request = ReportScrapRequest {
        work_order: work_order.to_owned(),
        device: Some(Device::new("cam-2", serial).id),
        reason: "dropped".to_owned(),
        operator: String::new(),
    };
    station.provisioning().report_scrap(request).await.expect("it is scrapped");
}

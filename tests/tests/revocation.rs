//! A revocation or hold acts at once, and watchers receive it once and in order, whatever is killed on the
//! way.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test"
)]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use prost::bytes::Bytes;
use proto::v1::revocation_service_client::RevocationServiceClient;
use proto::v1::{
    CheckStatusRequest, GetTrustBundleRequest, GetWorkOrderRequest, HoldRequest,
    IssueBirthCertificateRequest, PreviewSelectionRequest, ReleaseRequest, RevocationEvent, RevocationState,
    RevokePrincipalRequest, RevokeProgress, RevokeRequest, Role, Selection, WatchRevocationsRequest,
    WatchRevocationsResponse, selection::By,
};
use rand::RngExt;
use tests::{
    Caller, CertificateAuthority, Credentials, Device, Factory, Operator, OrderTerms, Program, Seed,
    ask_on_stream, eventually, plain_http, refusal, refused, within,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};

#[tokio::test(flavor = "multi_thread")]
async fn a_station_that_is_revoked_by_selection_is_refused_its_next_message() {
    let authority = CertificateAuthority::start();
    let factory = Factory::of(&authority);
    let credentials = factory.credential(Role::Station, "line-1").await;
    let station = authority.caller(&credentials);
    let order = factory.order(OrderTerms::new(10, &["line-1"])).await;
    let (requests, open) = mpsc::channel::<IssueBirthCertificateRequest>(1);
    requests.send(Device::new("cam-2", "SN000001").birth_request(&order)).await.unwrap();
    let mut provisioning = station.provisioning();
    let answers = provisioning.issue_birth_certificates(ReceiverStream::new(open));
    let mut answers = within(SOON, "the stream opens", answers).await.unwrap().into_inner();
    within(SOON, "the first answer", answers.message()).await.unwrap().expect("an answer");

    let by = By::SerialNumber(serial_number(&credentials.certificate_der()));
    assert_eq!(revoke(&authority, by, "keyCompromise", 1).await.unwrap().revoked, 1);
    // The stream may have ended already, because a revoked caller is told at once.
    requests.send(Device::new("cam-2", "SN000002").birth_request(&order)).await.ok();
    let said = refusal(within(SOON, "the second answer", answers.message()).await);
    assert_eq!(said.reason, "CLIENT_CERTIFICATE_REVOKED");
    assert_eq!(factory.counts(&order).await.issued, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watch_of_a_relying_party_ends_when_it_is_revoked() {
    let authority = CertificateAuthority::start();
    let broker = relying_party(&authority, "broker-1").await;
    let mut feed = watch(&broker, "", true).await;
    let first = next(&mut feed).await.unwrap();
    assert!(first.events.is_empty() && first.caught_up && !first.cursor.is_empty());
    let revoke = RevokePrincipalRequest {
        role: Role::RelyingParty.into(),
        name: "broker-1".into(),
        reason: "keyCompromise".into(),
        ..RevokePrincipalRequest::default()
    };
    authority.operator().principals().revoke(revoke).await.unwrap();
    let said = loop {
        match next(&mut feed).await {
            Ok(page) => assert!(page.events.is_empty(), "nothing is told to it any more: {page:?}"),
            Err(status) => break refused(&status),
        }
    };
    assert_eq!((said.code, said.reason.as_str()), (Code::Unauthenticated, "CLIENT_CERTIFICATE_REVOKED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_is_refused_when_the_operator_confirmed_another_count() {
    let authority = CertificateAuthority::start();
    let units = born(&authority, 3).await;
    let by = || By::Product("cam-2".into());
    let preview = PreviewSelectionRequest { selection: Some(Selection { by: Some(by()) }) };
    let preview = authority.operator().lifecycle().preview_selection(preview).await.unwrap().into_inner();
    assert_eq!((preview.certificates, preview.devices, preview.products.len()), (3, 3, 1));
    let said = refusal(revoke(&authority, by(), "superseded", 2).await);
    assert_eq!((said.code, said.reason.as_str()), (Code::FailedPrecondition, "COUNT_CHANGED"));
    assert!(said.message.contains('3'), "it says the count: {}", said.message);
    assert_eq!(states(&authority, &units).await, [RevocationState::Good; 3]);

    let request = request(by(), "superseded", 3);
    for _ in 0..2 {
        let answer = ask(&authority, request.clone()).await.unwrap();
        assert_eq!((answer.revoked, answer.done), (3, true), "one question, one answer");
    }
    assert_eq!(states(&authority, &units).await, [RevocationState::Revoked; 3]);
    for reason in ["certificateHold", "cACompromise", "whim"] {
        let said = refusal(revoke(&authority, by(), reason, 0).await);
        assert_eq!(said.code, Code::InvalidArgument, "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_misses_nothing_and_hears_nothing_twice_across_kills() {
    let mut generator = Seed::of_this_run().generator(0);
    let mut authority = CertificateAuthority::start();
    let credentials = Factory::of(&authority).credential(Role::RelyingParty, "broker-1").await;
    let units = born(&authority, UNITS).await;
    let mut heard: Vec<RevocationEvent> = Vec::new();
    let mut cursor = String::new();
    let mut left = units.clone();
    while !left.is_empty() {
        // Revokes one after the other until the CA is gone.
        let operator = authority.operator();
        let round = left.clone();
        let revoking = tokio::spawn(async move {
            for (place, unit) in round.iter().enumerate() {
                let request = request(By::SerialNumber(unit.clone()), "keyCompromise", 1);
                if follow(&operator, request).await.is_err() {
                    return place;
                }
            }
            round.len()
        });
        let broker = authority.caller(&credentials);
        let from = cursor.clone();
        let listening = tokio::spawn(async move {
            let (mut heard, mut cursor) = (Vec::new(), from);
            // On a busy machine the CA is gone before the feed is open.
            let Ok(mut feed) = watch_from(&broker, &cursor).await else { return (heard, cursor) };
            while let Ok(page) = next(&mut feed).await {
                heard.extend(page.events);
                cursor = page.cursor;
            }
            (heard, cursor)
        });
        tokio::time::sleep(Duration::from_millis(generator.random_range(20..200))).await;
        authority.kill();
        revoking.await.unwrap();
        let (more, behind) = listening.await.unwrap();
        heard.extend(more);
        cursor = behind;
        authority.serve();
        let states = states(&authority, &left).await;
        left = left
            .into_iter()
            .zip(states)
            .filter(|(_, state)| *state == RevocationState::Good)
            .map(|(unit, _)| unit)
            .collect();
    }
    let broker = authority.caller(&credentials);
    let mut feed = watch(&broker, &cursor, false).await;
    while heard.len() < UNITS {
        heard.extend(next(&mut feed).await.unwrap().events);
    }
    let told: Vec<_> = heard.iter().map(|event| event.serial_number.clone()).collect();
    assert_eq!(told, units, "each once, in the order in which they were revoked");
    assert!(heard.windows(2).all(|pair| pair[0].ledger_entry < pair[1].ledger_entry));

    let from_the_start = from_start(&broker, UNITS).await;
    assert_eq!(from_the_start, heard, "who comes later hears the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mass_revocation_that_is_killed_goes_on_where_it_was() {
    let mut authority = CertificateAuthority::start();
    let broker = Factory::of(&authority).credential(Role::RelyingParty, "broker-1").await;
    let units = born(&authority, MANY).await;
    let request = request(By::Product("cam-2".into()), "cACompromise", 0);
    let request =
        RevokeRequest { reason: "keyCompromise".into(), expected_certificates: MANY as u64, ..request };
    let mut kills = 0;
    let last = loop {
        let mut progress = match authority.operator().lifecycle().revoke(request.clone()).await {
            Ok(progress) => progress.into_inner(),
            Err(status) => panic!("it is followed: {status}"),
        };
        let first = within(SOON, "progress", progress.message()).await.unwrap().expect("one at least");
        assert_eq!((first.total, first.job.as_str()), (MANY as u64, "rv-000001"), "the same work");
        if kills < 3 && !first.done {
            kills += 1;
            authority.kill();
            authority.serve();
            continue;
        }
        let mut last = first;
        while let Some(now) = within(LONG, "progress", progress.message()).await.unwrap() {
            assert!(now.revoked >= last.revoked, "it never goes back");
            last = now;
        }
        break last;
    };
    eprintln!("killed {kills} times");
    assert!(last.done);
    assert_eq!(last.revoked, MANY as u64);
    let broker = authority.caller(&broker);
    let heard = from_start(&broker, MANY).await;
    let mut told: Vec<_> = heard.into_iter().map(|event| event.serial_number).collect();
    let mut all = units;
    told.sort();
    all.sort();
    assert_eq!(told, all, "each exactly once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_and_its_release_are_told_and_leave_no_trace() {
    let authority = CertificateAuthority::start();
    let units = born(&authority, 1).await;
    let broker = relying_party(&authority, "broker-1").await;
    let device = Some(Device::new("cam-2", "SN000001").id);
    let hold = HoldRequest { device: device.clone(), remark: String::new() };
    authority.operator().lifecycle().hold(hold).await.unwrap();
    assert_eq!(states(&authority, &units).await, [RevocationState::Held]);
    authority.operator().lifecycle().release(ReleaseRequest { device }).await.unwrap();
    assert_eq!(states(&authority, &units).await, [RevocationState::Good]);
    let heard = from_start(&broker, 2).await;
    let told: Vec<_> = heard.iter().map(|event| (event.state(), event.reason.as_str())).collect();
    assert_eq!(told, [(RevocationState::Held, "certificateHold"), (RevocationState::Good, "")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lineage_takes_its_descendants_and_a_cursor_of_another_ledger_is_refused() {
    let authority = CertificateAuthority::start();
    let factory = Factory::of(&authority);
    let station = factory.station("line-1").await;
    let order = factory.order(OrderTerms::new(1, &["line-1"])).await;
    let birth = factory.born(&station, &order, &Device::new("cam-2", "SN000001")).await;
    let operational = factory.enrolled(&birth).await;
    let by = By::Lineage(serial_number(&birth.certificate_der()));
    assert_eq!(revoke(&authority, by, "keyCompromise", 2).await.unwrap().revoked, 2);
    let caller = authority.caller(&operational);
    let said = refusal(caller.enrollment().get_trust_bundle(GetTrustBundleRequest {}).await);
    assert_eq!(said.reason, "CLIENT_CERTIFICATE_REVOKED");

    let broker = relying_party(&authority, "broker-1").await;
    for cursor in ["1000000.0", "nonsense", "1"] {
        let request = WatchRevocationsRequest { cursor: cursor.into(), from_now: false };
        let said = refusal(RevocationServiceClient::new(broker.channel()).watch_revocations(request).await);
        assert_eq!((said.code, said.reason.as_str()), (Code::InvalidArgument, "CURSOR_UNKNOWN"), "{cursor}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_that_read_nothing_keep_no_connection_of_others_open() {
    let mut authority = CertificateAuthority::start();
    born(&authority, UNITS).await;
    let by = By::Product("cam-2".into());
    revoke(&authority, by, "keyCompromise", UNITS as u64).await.unwrap();
    let station = Factory::of(&authority).credential(Role::Station, "line-1").await;
    // So many pages that some of them do not fit the window of their connection.
    let broker = Factory::of(&authority).credential(Role::RelyingParty, "broker-1").await;
    let broker = Caller::with_a_small_window(authority.grpc(), &broker);
    let mut unread = Vec::new();
    for _ in 0..UNREAD_STREAMS {
        unread.push(watch(&broker, "", false).await);
    }
    let (operator, station) = (authority.operator(), authority.caller(&station));
    for caller in [&operator, &station] {
        let order = GetWorkOrderRequest { work_order: "wo-000001".to_owned() };
        caller.provisioning().get_work_order(order).await.ok();
    }
    let before = open_connections(&authority);
    let revoke = RevokePrincipalRequest {
        role: Role::Station.into(),
        name: "line-1".into(),
        reason: "keyCompromise".into(),
        ..RevokePrincipalRequest::default()
    };
    operator.principals().revoke(revoke).await.unwrap();
    let revoked = Instant::now();
    eventually(SOON, "the connection of the revoked station is closed", async || {
        (open_connections(&authority) < before).then_some(())
    })
    .await;
    let took = revoked.elapsed();
    eprintln!("closed after {took:?}");
    // Sooner than the half-minute check of all connections.
    assert!(took < Duration::from_secs(10), "{took:?}");
    authority.kill();
    drop((unread, broker, operator, station));
}

fn open_connections(authority: &CertificateAuthority) -> usize {
    let (_, body) = plain_http(authority.http(), "GET /metrics HTTP/1.0\r\n\r\n", &[]);
    let text = String::from_utf8(body).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix("touchmark_connections ")?.parse().ok());
    value.expect("the metric is there")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_of_what_a_restore_lost_is_refused_also_when_the_ledger_has_grown_past_it_again() {
    let mut authority = CertificateAuthority::start();
    born(&authority, 3).await;
    let directory = tempfile::tempdir().unwrap();
    let (store, backup) = (authority.directory().join("store"), directory.path().join("backup"));
    assert!(authority.stop().success());
    copy(&store, &backup);
    authority.serve();

    let operator = Operator::of(&authority);
    operator.says(&["device", "hold", "cam-2/SN000001"]);
    operator.says(&["device", "release", "cam-2/SN000001"]);
    let file = directory.path().join("cursor");
    let watch = ["revocations", "watch", "--once", "--cursor-file", file.to_str().unwrap()];
    assert_eq!(operator.json(&watch).len(), 2);
    assert!(operator.json(&watch).is_empty(), "the same history goes on where it was");
    let cursor = std::fs::read_to_string(&file).unwrap();
    let without_mark = cursor.trim().rsplit_once('.').unwrap().0.to_owned();
    assert_eq!(without_mark.split('.').count(), 2, "{cursor}");
    // A cursor of an earlier version is accepted only while the ledger was never restored.
    let broker = Factory::of(&authority).credential(Role::RelyingParty, "broker-1").await;
    next(&mut watch_from(&authority.caller(&broker), &without_mark).await.unwrap()).await.unwrap();

    assert!(authority.stop().success());
    std::fs::remove_dir_all(&store).unwrap();
    copy(&backup, &store);
    let mut accept = Program::CertificateAuthority.command();
    accept.args(["accept-restored-store", "--yes", "--config"]).arg(authority.directory().join("ca.toml"));
    let accepted = accept.output().unwrap();
    assert!(accepted.status.success(), "{accepted:?}");
    authority.serve();
    let operator = Operator::of(&authority);
    operator.says(&["device", "revoke", "cam-2/SN000002", "--reason", "keyCompromise", "--confirm", "1"]);
    for _ in 0..3 {
        operator.says(&["device", "hold", "cam-2/SN000003"]);
        operator.says(&["device", "release", "cam-2/SN000003"]);
    }

    let (status, said) = operator.fails(&watch);
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("CURSOR_UNKNOWN") && said.contains("remove its cursor file"), "{said}");
    let refused = watch_from(&authority.operator(), &without_mark).await.map(drop);
    assert_eq!(refusal(refused).reason, "CURSOR_UNKNOWN", "nobody knows of which history it is");
    std::fs::remove_file(&file).unwrap();
    let heard = operator.json(&watch);
    assert_eq!(heard.len(), 7, "{heard:?}");
    assert_eq!(heard[0]["device"], "cam-2/SN000002");
    assert!(operator.json(&watch).is_empty());
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

/// So many birth certificates: their serial numbers, in the order of the devices' serial numbers.
async fn born(authority: &CertificateAuthority, units: usize) -> Vec<Bytes> {
    let factory = Factory::of(authority);
    let station = factory.station("line-9").await;
    let order = factory.order(OrderTerms::new(units as u64, &["line-9"])).await;
    let devices: Vec<_> = (1..=units).map(|number| Device::new("cam-2", &format!("SN{number:06}"))).collect();
    let requests = devices.iter().map(|device| device.birth_request(&order)).collect();
    let mut answers = ask_on_stream(&station, requests).await;
    devices.iter().map(|device| answers.remove(&device.request_id).unwrap().issued().serial_number).collect()
}

async fn relying_party(authority: &CertificateAuthority, name: &str) -> Caller {
    let credentials: Credentials = Factory::of(authority).credential(Role::RelyingParty, name).await;
    authority.caller(&credentials)
}

fn request(by: By, reason: &str, expected: u64) -> RevokeRequest {
    RevokeRequest {
        request_id: Device::new("cam-2", "SN000001").request_id,
        selection: Some(Selection { by: Some(by) }),
        reason: reason.into(),
        invalidity_date: None,
        expected_certificates: expected,
        remark: String::new(),
    }
}

async fn revoke(
    authority: &CertificateAuthority,
    by: By,
    reason: &str,
    expected: u64,
) -> Result<RevokeProgress, Status> {
    ask(authority, request(by, reason, expected)).await
}

async fn ask(authority: &CertificateAuthority, request: RevokeRequest) -> Result<RevokeProgress, Status> {
    follow(&authority.operator(), request).await
}

async fn follow(operator: &Caller, request: RevokeRequest) -> Result<RevokeProgress, Status> {
    let mut progress = operator.lifecycle().revoke(request).await?.into_inner();
    let mut last = None;
    while let Some(now) = progress.message().await? {
        last = Some(now);
    }
    Ok(last.expect("one message at least"))
}

async fn states(authority: &CertificateAuthority, units: &[Bytes]) -> Vec<RevocationState> {
    let mut client = RevocationServiceClient::new(authority.operator().channel());
    let request = CheckStatusRequest { serial_numbers: units.to_vec() };
    let states = client.check_status(request).await.unwrap().into_inner().states;
    states.iter().map(proto::v1::CertificateState::state).collect()
}

async fn watch_from(caller: &Caller, cursor: &str) -> Result<Streaming<WatchRevocationsResponse>, Status> {
    let request = WatchRevocationsRequest { cursor: cursor.into(), from_now: false };
    let mut client: RevocationServiceClient<Channel> = RevocationServiceClient::new(caller.channel());
    client.watch_revocations(request).await.map(tonic::Response::into_inner)
}

async fn watch(caller: &Caller, cursor: &str, from_now: bool) -> Streaming<WatchRevocationsResponse> {
    let mut client: RevocationServiceClient<Channel> = RevocationServiceClient::new(caller.channel());
    let request = WatchRevocationsRequest { cursor: cursor.into(), from_now };
    client.watch_revocations(request).await.unwrap().into_inner()
}

/// The next page; what ends the stream is an error.
async fn next(feed: &mut Streaming<WatchRevocationsResponse>) -> Result<WatchRevocationsResponse, Status> {
    let page = within(SOON, "the next page", feed.message()).await?;
    page.ok_or_else(|| Status::unavailable("the stream ended"))
}

/// The first events from the beginning.
async fn from_start(caller: &Caller, expected: usize) -> Vec<RevocationEvent> {
    let mut feed = watch(caller, "", false).await;
    let mut heard = Vec::new();
    loop {
        let page = next(&mut feed).await.unwrap();
        heard.extend(page.events);
        if page.caught_up && heard.len() >= expected {
            assert_eq!(heard.len(), expected);
            return heard;
        }
    }
}

fn serial_number(der: &[u8]) -> Bytes {
    let (_, parsed) = x509_parser::parse_x509_certificate(der).unwrap();
    Bytes::copy_from_slice(parsed.raw_serial())
}

const UNITS: usize = 60;

/// Streams of one connection. Their first pages have some kilobytes each; the window of a connection has 64.
const UNREAD_STREAMS: usize = 30;

/// The bytes of more than two entries.
const MANY: usize = 2_600;

const SOON: Duration = Duration::from_secs(30);

const LONG: Duration = Duration::from_secs(120);

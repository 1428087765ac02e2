//! Long manifests: sent in parts, by programs and to a CA that are killed; and lists with mistakes, of which
//! nothing is recorded.
//!
//! `TOUCHMARK_MANIFEST_SERIALS=1000000` sends a million serial numbers (default 50,000) and prints what they
//! cost.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use proto::v1::{
    AppendManifestRequest, GetUnitsRequest, GetWorkOrderByIdRequest, ReserveUnitsRequest, UnitState,
};
use tests::{Answer, Caller, CertificateAuthority, Device, Factory, Operator, OrderTerms, ask, refused};
use tonic::Code;

#[tokio::test(flavor = "multi_thread")]
async fn a_long_manifest_goes_on_where_it_was_cut_off_and_the_order_is_open_when_it_is_whole() {
    let mut authority = CertificateAuthority::start();
    let factory = Factory::of(&authority);
    let station = factory.credential(proto::v1::Role::Station, "line-1").await;
    let home = tempfile::tempdir().unwrap();
    let total = serials();
    let file = list(home.path(), total);
    let before_kib = authority.process().resident_kib();
    let begun = Instant::now();

    // The program is killed, in the midst of it.
    let mut killed = create(&authority, &file);
    let recorded = reached(&authority, 10_000).await;
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(recorded < total, "it was not over yet");
    let order = only_order(&authority).await;
    assert_eq!(order.state(), proto::v1::WorkOrderState::Incomplete);
    refused_while_incomplete(&authority, &authority.caller(&station), &order.id).await;

    // The same command goes on, also when the CA is killed.
    let second = create(&authority, &file);
    reached(&authority, order.manifest_recorded + 10_000).await;
    authority.kill();
    authority.serve();
    let output = second.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("of its manifest are on record; going on behind them"), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), order.id);
    let created = begun.elapsed();

    let whole = only_order(&authority).await;
    assert_eq!(whole.state(), proto::v1::WorkOrderState::Open);
    assert_eq!((whole.quantity, whole.manifest_recorded), (total, total));
    let kib = authority.process().resident_kib().saturating_sub(before_kib);
    authority.stop();
    let restarting = Instant::now();
    authority.serve();
    let restarted = restarting.elapsed();
    assert_eq!(only_order(&authority).await, whole, "a start reads the same");
    let kib_again = authority.process().resident_kib().saturating_sub(before_kib);
    eprintln!(
        "{total} serial numbers: created in {created:.1?} with two kills; started again in {restarted:.1?}; memory: {kib} KiB more \
         after that, {kib_again} KiB more after the start"
    );
    let line = authority.caller(&station);
    the_list_is_that_of_the_file(&line, &whole.id, total).await;
    units_are_reserved(&line, &whole.id).await;
    let short = Factory::of(&authority).order(OrderTerms::new(100, &["line-1"])).await;
    let of_range = issued_each_in(&line, &short, |number| format!("SN{number:06}")).await;
    let of_list = issued_each_in(&line, &whole.id, serial).await;
    eprintln!("a certificate in {of_list:.1?}, of an order with a range in {of_range:.1?}");
    assert!(of_list < of_range * 5 + Duration::from_millis(50), "a long manifest makes issuing slow");
}

/// Nothing is made of an order that is not whole, and a part that does not fit changes nothing.
async fn refused_while_incomplete(authority: &CertificateAuthority, line: &Caller, order: &str) {
    let incomplete = |status: &tonic::Status| {
        let why = refused(status);
        assert_eq!((why.code, why.reason.as_str()), (Code::FailedPrecondition, "MANIFEST_INCOMPLETE"));
    };
    let request = ReserveUnitsRequest {
        request_id: OrderTerms::new(1, &[]).request_id,
        work_order: order.to_owned(),
        count: 1,
        ..ReserveUnitsRequest::default()
    };
    incomplete(&line.provisioning().reserve_units(request).await.unwrap_err());
    match ask(line, Device::new("cam-2", &serial(1)).birth_request(order)).await {
        Answer::Refused(why) => assert_eq!(why.reason, "MANIFEST_INCOMPLETE"),
        _ => panic!("no unit is made"),
    }
    let before = only_order(authority).await;
    for (position, serials, code) in [
        (before.manifest_recorded + 1, vec!["ZZ1".to_owned()], Code::FailedPrecondition),
        (before.manifest_recorded, vec!["0".to_owned()], Code::FailedPrecondition),
        (before.manifest_recorded, vec!["ZZ2".to_owned(), "ZZ1".to_owned()], Code::InvalidArgument),
        (before.manifest_recorded, vec!["ZZ1".to_owned(), "ZZ1".to_owned()], Code::InvalidArgument),
        (before.manifest_recorded, vec!["ZZ\u{7}".to_owned()], Code::InvalidArgument),
        (before.manifest_recorded, Vec::new(), Code::InvalidArgument),
        (before.manifest_recorded, vec!["Z".to_owned(); 10_001], Code::InvalidArgument),
        (u64::MAX, vec!["ZZ1".to_owned()], Code::FailedPrecondition),
    ] {
        let request = AppendManifestRequest { work_order: order.to_owned(), position, serials };
        let refused = authority.operator().work_orders().append_manifest(request).await.unwrap_err();
        assert_eq!(refused.code(), code, "{position}: {refused:?}");
    }
    assert_eq!(only_order(authority).await, before);
}

async fn the_list_is_that_of_the_file(line: &Caller, order: &str, total: u64) {
    let page = async |after: u64| {
        let after = if after == 0 { String::new() } else { serial(after) };
        let request = GetUnitsRequest { work_order: order.to_owned(), serials: Vec::new(), after };
        line.provisioning().get_units(request).await.unwrap().into_inner()
    };
    for after in [0, 9_999, 10_000, total / 2, total - 500] {
        let answer = page(after).await;
        let expected: Vec<String> = (after + 1..=total).take(1_000).map(serial).collect();
        let found: Vec<String> = answer.units.into_iter().map(|unit| unit.serial).collect();
        assert_eq!(found, expected, "behind {after}");
        assert_eq!(answer.more, after + 1_000 < total);
    }
}

/// The next free positions, in no more time than from a short range.
async fn units_are_reserved(line: &Caller, order: &str) {
    let mut slowest = Duration::ZERO;
    for round in 0..9 {
        let request = ReserveUnitsRequest {
            request_id: OrderTerms::new(1, &[]).request_id,
            work_order: order.to_owned(),
            count: 100,
            ..ReserveUnitsRequest::default()
        };
        let asked = Instant::now();
        let answer = line.provisioning().reserve_units(request).await.unwrap().into_inner();
        slowest = slowest.max(asked.elapsed());
        let expected: Vec<String> = (round * 100 + 1..=round * 100 + 100).map(serial).collect();
        assert_eq!(answer.serials, expected);
    }
    eprintln!("100 units reserved in at most {slowest:.1?}");
    assert!(slowest < Duration::from_secs(2), "a long manifest makes reserving slow: {slowest:?}");
}

/// What one certificate of the order takes, after a first one.
async fn issued_each_in(line: &Caller, order: &str, serial: impl Fn(u64) -> String) -> Duration {
    let mut took = Duration::ZERO;
    for number in 1..=11 {
        let request = Device::new("cam-2", &serial(number)).birth_request(order);
        let asked = Instant::now();
        assert!(ask(line, request).await.is_issued());
        took += if number > 1 { asked.elapsed() } else { Duration::ZERO };
    }
    took / 10
}

#[tokio::test(flavor = "multi_thread")]
async fn all_mistakes_of_a_list_are_said_at_once_and_no_order_is_made() {
    let authority = CertificateAuthority::start();
    let operator = Operator::of(&authority);
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("units.csv");
    let mut text = String::from("\u{feff}Unit;Lot\r\n");
    for number in 1..=20_000 {
        write!(text, "{};7\r\n", serial(number)).unwrap();
    }
    let long = "X".repeat(65);
    write!(text, "{};7\r\n;7\r\n{long};7\r\nSN*1;7\r\nSN\u{7}2;7\r\nlost\r\n", serial(5)).unwrap();
    fs::write(&file, text).unwrap();
    let (status, said) = operator.fails(&arguments(&file, &["--column", "Unit"]));
    assert_eq!(status, 2, "{said}");
    for sentence in [
        "6 mistakes",
        "line 20002: SN0000005 is in line 6 already",
        "line 20003: the serial number is empty",
        "line 20004: \"XXXX",
        "line 20005: \"SN*1\"",
        "line 20006: \"SN\\u{7}2\"",
        "line 20007: it has 1 columns, and the header has 2",
    ] {
        assert!(said.contains(sentence), "{sentence}: {said}");
    }
    // Thousands of mistakes are one screen.
    let twice =
        format!("{0}{0}", (1..=3_000).map(|number| format!("{}\n", serial(number))).collect::<String>());
    fs::write(&file, twice).unwrap();
    let (status, said) = operator.fails(&arguments(&file, &[]));
    assert_eq!(status, 2);
    assert!(said.contains("3000 mistakes") && said.contains("more") && said.lines().count() < 60, "{said}");
    assert!(operator.json(&["work-order", "list"]).is_empty(), "nothing was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_given_up_half_way_is_closed_and_another_file_does_not_go_on_with_it() {
    let authority = CertificateAuthority::start();
    let operator = Operator::of(&authority);
    let home = tempfile::tempdir().unwrap();
    let file = list(home.path(), 40_000);
    let mut killed = create(&authority, &file);
    reached(&authority, 10_000).await;
    killed.kill().unwrap();
    killed.wait().unwrap();
    let half = only_order(&authority).await;
    let shown = operator.says(&["work-order", "show", &half.id]);
    assert!(shown.contains("incomplete: ") && shown.contains("of its manifest on record"), "{shown}");
    assert!(operator.fails(&["work-order", "resume", &half.id]).1.contains("MANIFEST_INCOMPLETE"));
    // One serial number is another: this is another order.
    fs::write(&file, fs::read_to_string(&file).unwrap().replace(&serial(40_000), "SN9999999")).unwrap();
    let other = operator.says(&arguments(&file, &[])).trim().to_owned();
    assert_ne!(other, half.id);
    let report = home.path().join("report");
    operator.says(&["work-order", "close", &half.id, "--yes", "--report", report.to_str().unwrap()]);
    let states: Vec<String> = operator
        .json(&["work-order", "list"])
        .iter()
        .map(|order| order["state"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(states, ["open", "closed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_is_not_the_one_that_was_announced_never_opens_its_order() {
    use proto::v1::create_work_order_request::Serials;
    let authority = CertificateAuthority::start();
    let operator = authority.operator();
    let announced = |sha256: Vec<u8>, length: u64| {
        let outline = proto::v1::ManifestOutline { length, sha256: sha256.into() };
        let request = OrderTerms::new(2, &["line-1"]).into_request();
        proto::v1::CreateWorkOrderRequest { serials: Some(Serials::Outline(outline)), ..request }
    };
    for (sha256, length) in [(vec![0; 31], 2), (vec![0; 32], 0), (vec![0; 32], 1_000_001), (vec![0; 32], 1)] {
        let refused = operator.work_orders().create(announced(sha256, length)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
    }
    let order = operator.work_orders().create(announced(vec![0; 32], 2)).await.unwrap().into_inner();
    let serials = vec!["SN1".to_owned(), "SN2".to_owned()];
    let request = AppendManifestRequest { work_order: order.id.clone(), position: 0, serials };
    let why = refused(&operator.work_orders().append_manifest(request).await.unwrap_err());
    assert_eq!((why.code, why.reason.as_str()), (Code::FailedPrecondition, "MANIFEST_MISMATCH"));
    let request = GetWorkOrderByIdRequest { id: order.id };
    let order = operator.work_orders().get(request).await.unwrap().into_inner();
    assert_eq!((order.state(), order.manifest_recorded), (proto::v1::WorkOrderState::Incomplete, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn units_end_from_the_office_as_from_the_station() {
    let authority = CertificateAuthority::start();
    let (operator, factory) = (Operator::of(&authority), Factory::of(&authority));
    let line = factory.station("line-1").await;
    let order = factory.order(OrderTerms::new(4, &["line-1"])).await;
    for number in [1, 2] {
        factory.born(&line, &order, &Device::new("cam-2", &format!("SN00000{number}"))).await;
    }
    let give_up = |serial: &str| {
        ["work-order", "give-up", &order, serial, "--reason", "torn", "--confirm", "1"].map(str::to_owned)
    };
    let run = |arguments: &[String]| operator.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let done = run(&give_up("SN000003"));
    assert!(done.status.success(), "{done:?}");
    let made = run(&give_up("SN000001"));
    assert!(!made.status.success(), "it has a certificate");
    assert!(String::from_utf8_lossy(&made.stderr).contains("DEVICE_ALREADY_ISSUED"), "{made:?}");
    let said = operator.says(&["device", "scrap", "cam-2/SN000001", "--remark", "bent", "--confirm", "1"]);
    assert!(said.contains("cam-2/SN000001 is scrapped"), "{said}");
    operator.says(&["device", "rework", "cam-2/SN000002", "--remark", "new board"]);
    let counts = factory.counts(&order).await;
    assert_eq!((counts.issued, counts.scrapped, counts.given_up), (2, 1, 1));
    let request = GetUnitsRequest {
        work_order: order.clone(),
        serials: ["SN000001", "SN000002", "SN000003"].map(str::to_owned).to_vec(),
        after: String::new(),
    };
    let units = line.provisioning().get_units(request).await.unwrap().into_inner().units;
    let states: Vec<UnitState> = units.iter().map(proto::v1::Unit::state).collect();
    assert_eq!(states, [UnitState::Gone, UnitState::Rework, UnitState::GivenUp]);
    match ask(&line, Device::new("cam-2", "SN000003").birth_request(&order)).await {
        Answer::Refused(why) => assert_eq!(why.reason, "UNIT_GIVEN_UP"),
        _ => panic!("it was given up"),
    }
    // The closing report counts them.
    let home = tempfile::tempdir().unwrap();
    let report = home.path().join("report");
    operator.says(&["work-order", "close", &order, "--yes", "--report", report.to_str().unwrap()]);
    let report: serde_json::Value =
        serde_json::from_slice(&fs::read(report.join("report.json")).unwrap()).unwrap();
    let totals = &report["totals"];
    assert_eq!(
        (&totals["given-up"], &totals["scrapped"], &report["never_made"]),
        (&1.into(), &1.into(), &1.into())
    );
    let units = report["units"].as_array().unwrap();
    let given_up = units.iter().find(|unit| unit["outcome"] == "given-up").unwrap();
    assert_eq!((&given_up["serial"], &given_up["reason"]), (&"SN000003".into(), &"torn".into()));
}

fn serials() -> u64 {
    let wanted = std::env::var("TOUCHMARK_MANIFEST_SERIALS").ok().and_then(|text| text.parse().ok());
    wanted.unwrap_or(50_000)
}

fn serial(number: u64) -> String {
    format!("SN{number:07}")
}

/// Not in their order, as a warehouse writes them.
fn list(home: &Path, total: u64) -> PathBuf {
    let file = home.join("units.txt");
    let text: String = (1..=total).rev().map(|number| format!("{}\n", serial(number))).collect();
    fs::write(&file, text).unwrap();
    file
}

fn arguments<'a>(file: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let file = file.to_str().unwrap();
    let terms =
        ["work-order", "create", "--product", "cam-2", "--station", "line-1", "--allow-unknown-station"];
    [&terms[..], &["--manifest", file], more].concat()
}

fn create(authority: &CertificateAuthority, file: &Path) -> Child {
    let mut command = Operator::of(authority).command(&arguments(file, &[]));
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

async fn only_order(authority: &CertificateAuthority) -> proto::v1::WorkOrder {
    let request = proto::v1::ListWorkOrdersRequest::default();
    let orders = authority.operator().work_orders().list(request).await.unwrap().into_inner().work_orders;
    assert_eq!(orders.len(), 1);
    orders.into_iter().next().unwrap()
}

/// Waits until so many serial numbers are on record; returns how many are.
async fn reached(authority: &CertificateAuthority, wanted: u64) -> u64 {
    let deadline = Instant::now() + Duration::from_secs(120);
    let operator = authority.operator();
    loop {
        let request = proto::v1::ListWorkOrdersRequest::default();
        let orders = operator.work_orders().list(request).await.unwrap().into_inner().work_orders;
        let recorded = orders.first().map_or(0, |order| order.manifest_recorded);
        if recorded >= wanted {
            return recorded;
        }
        assert!(Instant::now() < deadline, "{recorded} of {wanted} on record");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

//! The closing report of an order: made by a CA, fetched by its operator, verified and printed by strangers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use proto::v1::{
    ConfirmUnitRequest, GetClosingReportRequest, ReportScrapRequest, ReserveUnitsRequest,
    WithdrawReservationRequest,
};
use serde_json::Value;
use tests::{
    Caller, CertificateAuthority, Device, Factory, Operator, OrderTerms, Station, line_file, python_program,
    refusal,
};

#[tokio::test(flavor = "multi_thread")]
async fn every_unit_of_an_order_is_in_its_report_and_the_sums_are_exact() {
    let made = Made::with_every_outcome().await;
    let told = made.operator.json(&["work-order", "close", &made.order, "--yes", "--report", &made.text()]);
    assert_eq!(told[0]["report"]["directory"], made.text());
    let report = made.json();
    assert_eq!(report["ordered"], 20);
    let totals = &report["totals"];
    for (outcome, units) in [("passed", 4), ("unaccounted", 1), ("withdrawn", 2), ("scrapped", 1)] {
        assert_eq!(totals[outcome], units, "{outcome}: {totals}");
    }
    let sum: u64 = totals.as_object().unwrap().values().map(|units| units.as_u64().unwrap()).sum();
    assert_eq!(sum + report["never_made"].as_u64().unwrap(), 20, "{report}");
    assert_eq!((&report["over_build"], &report["reworks"]), (&0.into(), &1.into()));
    // SN000003, SN000004, SN000008 and SN000009 were passed over; SN000010 was asked for with a second key.
    assert_eq!(report["gap_serials"], 4, "{}", report["gaps_listed"]);
    assert_eq!(report["duplicates"], 1);
    assert_eq!(report["duplicates_listed"][0]["device"], "cam-2/SN000010");

    let groups: BTreeMap<(String, String), u64> = report["by_station_and_shift"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| {
            let units = group["totals"].as_object().unwrap().values().map(|units| units.as_u64().unwrap());
            let of = |name: &str| group[name].as_str().unwrap().to_owned();
            ((of("station"), of("shift")), units.sum())
        })
        .collect();
    let expected = [("line-1", "", 2), ("line-1", "early", 3), ("line-1", "late", 1), ("line-2", "late", 2)];
    let expected = expected.map(|(station, shift, units)| ((station.to_owned(), shift.to_owned()), units));
    assert_eq!(groups, BTreeMap::from(expected));

    let units = report["units"].as_array().unwrap();
    assert_eq!(units.len() as u64, sum);
    let csv = fs::read_to_string(made.path("units.csv")).unwrap();
    assert_eq!(csv.lines().count() as u64, sum + 1);
    for unit in units {
        let row = csv
            .lines()
            .find(|line| line.starts_with(&format!("cam-2,{},", unit["serial"].as_str().unwrap())));
        let row = row.unwrap_or_else(|| panic!("{unit} is not in the CSV"));
        for field in ["outcome", "certificate_serial", "key_sha256", "issued_at", "station", "operator"] {
            let text = unit[field].as_str().unwrap_or_default();
            assert!(row.contains(text), "{field} of {unit}: {row}");
        }
    }
    let scrapped = units.iter().find(|unit| unit["outcome"] == "scrapped").unwrap();
    assert_eq!(scrapped["reason"], "=HYPERLINK(\"x\")");
    let row = csv.lines().find(|line| line.contains(",scrapped,")).unwrap();
    assert!(row.contains("\"'=HYPERLINK(\"\"x\"\")\""), "a spreadsheet does not calculate it: {row}");
    // The unit that was made again has its second certificate, and counts once.
    let again = units.iter().find(|unit| unit["serial"] == "SN000002").unwrap();
    assert_eq!((&again["reworks"], &again["shift"]), (&1.into(), &"late".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_and_pyca_accept_every_signature_and_no_changed_byte() {
    let made = Made::with_every_outcome().await;
    let told = made.operator.json(&["work-order", "close", &made.order, "--yes", "--report", &made.text()]);
    let commands: Vec<_> =
        told[0]["report"]["verify"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    assert_eq!(commands.len(), 4, "JSON, CSV, page and registration: {commands:?}");
    for command in &commands {
        assert!(command.contains("-certfile signer.pem -nointern -purpose smimesign -attime "), "{command}");
        let verified = made.shell(command);
        assert!(said(&verified).contains("CMS Verification successful"), "{command}: {}", said(&verified));
        // Nobody else under the root signs a report: the operator's certificate is not the signer's.
        let other = made.authority.operator_directory().join("cert.pem");
        let stranger = command.replace("signer.pem", &other.display().to_string());
        assert!(!made.shell(&stranger).status.success(), "{stranger}");
    }
    for name in ["report.json", "units.csv", "report.html", "aws-registration.ndjson"] {
        let path = made.path(name);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let command = commands.iter().find(|command| command.contains(&format!("-content {name} "))).unwrap();
        assert!(!made.shell(command).status.success(), "{name} was changed");
        bytes[middle] ^= 1;
        fs::write(&path, &bytes).unwrap();
    }
    judged_by_pyca(&made);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_the_same_again_and_waits_for_a_closed_order_and_a_signer() {
    let mut made = Made::with_every_outcome().await;
    let caller = made.authority.operator();
    let ask = |id: &str| GetClosingReportRequest { id: id.to_owned() };
    let open = refusal(caller.work_orders().get_closing_report(ask(&made.order)).await);
    assert_eq!(open.reason, "WORK_ORDER_NOT_CLOSED");
    let unknown = refusal(caller.work_orders().get_closing_report(ask("wo-000099")).await);
    assert_eq!(unknown.reason, "WORK_ORDER_NOT_FOUND");
    made.operator.says(&["work-order", "close", &made.order, "--yes", "--report", &made.text()]);
    let (status, taken) =
        made.operator.fails(&["work-order", "close", &made.order, "--yes", "--report", &made.text()]);
    assert!(status == 2 && taken.contains("exists; nothing is overwritten"), "{taken}");

    // What becomes of the units later does not change what was.
    made.operator.says(&["device", "retire", "cam-2/SN000001", "--confirm", "1", "--remark", "returned"]);
    made.authority.stop();
    made.authority.serve();
    let again = made.beside("again");
    Operator::of(&made.authority).says(&[
        "work-order",
        "report",
        &made.order,
        "--out",
        &again.display().to_string(),
    ]);
    for name in ["report.json", "units.csv", "report.html", "aws-registration.ndjson", "signer.pem"] {
        assert_eq!(fs::read(made.path(name)).unwrap(), fs::read(again.join(name)).unwrap(), "{name}");
    }

    // Without a signer the order's end is not held up, and the report can be had later.
    made.authority.stop();
    let issuers = made.authority.directory().join("issuers");
    fs::rename(issuers.join("document.cert.pem"), issuers.join("away")).unwrap();
    made.authority.serve();
    let (_, without) = Operator::of(&made.authority).fails(&[
        "work-order",
        "report",
        &made.order,
        "--out",
        &made.beside("none").display().to_string(),
    ]);
    assert!(without.contains("touchmark-ca document-signer"), "{without}");
    assert!(!made.beside("none").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_prints_and_its_first_sheet_says_what_is_not_in_order() {
    let made = Made::with_every_outcome().await;
    made.operator.says(&["work-order", "close", &made.order, "--yes", "--report", &made.text()]);
    let pdf = made.beside("report.pdf");
    let page = format!("file://{}", made.path("report.html").canonicalize().unwrap().display());
    let printed = Command::new("chromium")
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"])
        .arg(format!("--user-data-dir={}", made.beside("browser").display()))
        .arg(format!("--print-to-pdf={}", pdf.display()))
        .arg(page)
        .output()
        .expect("chromium runs: tests/interop/setup.sh installs it");
    assert!(pdf.exists(), "{printed:?}");
    let facts = output("pdfinfo", &[&pdf.display().to_string()]);
    assert!(facts.contains("A4"), "{facts}");
    assert!(facts.lines().any(|line| line.starts_with("Pages:") && line.ends_with(" 2")), "{facts}");
    let first = output("pdftotext", &["-layout", "-l", "1", &pdf.display().to_string(), "-"]);
    for wanted in
        ["Closing report", "Over-build: 0", "Gaps: 4", "Duplicates: 1", "Unaccounted: 1", "never made"]
    {
        assert!(first.contains(wanted), "{wanted}: {first}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_station_says_its_shift_and_its_operator() {
    let authority = CertificateAuthority::start();
    let place = tempfile::tempdir().unwrap();
    let station = Station::set_up(&authority, "line-1", place.path()).await;
    let config = place.path().join("station.toml");
    let mut text = fs::read_to_string(&config).unwrap();
    text.push_str("[shifts]\nday = \"00:00-12:00\"\nnight = \"12:00-00:00\"\n");
    fs::write(&config, &text).unwrap();
    let order = Factory::of(&authority).order(OrderTerms::new(2, &["line-1"])).await;
    let units = place.path().join("units.csv");
    line_file(&units, "cam-2", ["SN000001", "SN000002"].into_iter().map(str::to_owned));
    let made = station.provision(&order, 1, &units).args(["--operator", "Ada L."]).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let out = place.path().join("report");
    let operator = Operator::of(&authority);
    operator.says(&["work-order", "close", &order, "--yes", "--report", &out.display().to_string()]);
    let report: Value = serde_json::from_str(&fs::read_to_string(out.join("report.json")).unwrap()).unwrap();
    assert_eq!(report["totals"]["passed"], 2, "{report}");
    for unit in report["units"].as_array().unwrap() {
        assert_eq!(unit["operator"], "Ada L.");
        assert!(["day", "night"].contains(&unit["shift"].as_str().unwrap()), "{unit}");
    }

    text.push_str(
        "early = \"06:00-14:00\"\nbroken = \"6-14\"\n\"\" = \"01:00-02:00\"\nsame = \"03:00-03:00\"\n",
    );
    fs::write(&config, &text).unwrap();
    let refused = station.provision(&order, 1, &units).output().unwrap();
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    let told = said(&refused);
    for wanted in ["shifts.early", "overlaps", "shifts.broken", "shifts.same", "1 to 32 characters"] {
        assert!(told.contains(wanted), "{wanted}: {told}");
    }
}

/// An order in which everything happened, and where its report goes.
struct Made {
    authority: CertificateAuthority,
    operator: Operator,
    order: String,
    place: tempfile::TempDir,
}

impl Made {
    async fn with_every_outcome() -> Self {
        let authority = CertificateAuthority::start();
        let factory = Factory::of(&authority);
        let (one, two) = (factory.station("line-1").await, factory.station("line-2").await);
        let terms = OrderTerms {
            serials: "SN{000001..000020}".to_owned(),
            ..OrderTerms::new(20, &["line-1", "line-2"])
        };
        let order = factory.order(terms).await;
        let shift = Shift { order: order.clone() };
        shift.pass(&one, "SN000001", "early", "Ada").await;
        shift.pass(&one, "SN000002", "early", "Ada").await;
        shift.pass(&one, "SN000005", "early", "<b>Bob</b>").await;
        shift.pass(&two, "SN000007", "late", "Cy").await;
        let scrapped = Device::new("cam-2", "SN000006");
        shift.issue(&one, &scrapped, "early", "Ada").await;
        let reason = "=HYPERLINK(\"x\")".to_owned();
        let (work_order, device, operator) = (order.clone(), Some(scrapped.id.clone()), String::new());
        let scrap = ReportScrapRequest { work_order, device, reason, operator };
        one.provisioning().report_scrap(scrap).await.unwrap();
        let unaccounted = Device::new("cam-2", "SN000010");
        shift.issue(&two, &unaccounted, "late", "Cy").await;
        let second = Device::new("cam-2", "SN000010").birth_request(&order);
        assert_eq!(
            refusal(two.provisioning().issue_birth_certificate(second).await).reason,
            "DEVICE_ALREADY_ISSUED"
        );

        let operator = Operator::of(&authority);
        operator.says(&["device", "rework", "cam-2/SN000002"]);
        shift.pass(&one, "SN000002", "late", "Ada").await;

        let serials = ["SN000011", "SN000012"].map(str::to_owned).to_vec();
        let reserve = ReserveUnitsRequest {
            request_id: vec![9; 16].into(),
            work_order: order.clone(),
            serials,
            ..Default::default()
        };
        let reserved = one.provisioning().reserve_units(reserve).await.unwrap().into_inner();
        let withdraw = WithdrawReservationRequest {
            reservation: reserved.reservation.unwrap().id,
            remark: "the line burnt".to_owned(),
        };
        authority.operator().work_orders().withdraw_reservation(withdraw).await.unwrap();
        Self { authority, operator, order, place: tempfile::tempdir().unwrap() }
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.beside("report").join(name)
    }

    fn text(&self) -> String {
        self.beside("report").display().to_string()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&fs::read_to_string(self.path("report.json")).unwrap()).unwrap()
    }

    fn shell(&self, command: &str) -> Output {
        Command::new("sh").args(["-c", command]).current_dir(self.beside("report")).output().unwrap()
    }
}

/// What a station says when it makes units of this order.
struct Shift {
    order: String,
}

impl Shift {
    async fn issue(&self, station: &Caller, device: &Device, shift: &str, operator: &str) -> Vec<u8> {
        let mut request = device.birth_request(&self.order);
        (request.shift, request.operator) = (shift.to_owned(), operator.to_owned());
        let answer = station.provisioning().issue_birth_certificate(request).await.unwrap().into_inner();
        answer.certificate.unwrap().serial_number.to_vec()
    }

    async fn pass(&self, station: &Caller, serial: &str, shift: &str, operator: &str) {
        let device = Device::new("cam-2", serial);
        let serial_number = self.issue(station, &device, shift, operator).await.into();
        let confirm = ConfirmUnitRequest {
            work_order: self.order.clone(),
            device: Some(device.id.clone()),
            serial_number,
        };
        station.provisioning().confirm_unit(confirm).await.unwrap();
    }
}

/// pyca reads the CMS, and verifies the manifest's elements, the registration and the certificates in them.
fn judged_by_pyca(made: &Made) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/closing_report.py");
    let root = made.authority.directory().join("issuers/root.cert.pem");
    let judged = Command::new(python_program("python")).arg(script).arg(made.text()).arg(root).output();
    let judged = judged.expect("python runs: tests/interop/setup.sh makes its environment");
    assert!(judged.status.success(), "{}", said(&judged));
    assert!(
        said(&judged).contains("4 units in the manifest, 4 in the registration, 4 signatures"),
        "{}",
        said(&judged)
    );
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect("tests/interop/setup.sh installs it");
    assert!(output.status.success(), "{program}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

//! Labels of real units, read back by a scanner's program; and what happens when a unit fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use proto::v1::create_work_order_request::Serials;
use proto::v1::{CreateWorkOrderRequest, SerialManifest};
use serde_json::Value;
use tests::{CertificateAuthority, Credentials, Factory, OrderTerms, Station, json_lines};

#[tokio::test(flavor = "multi_thread")]
async fn each_unit_that_passed_has_one_label_that_a_scanner_reads_whatever_its_serial_number_is() {
    let line = Line::open("SN1\nsn2\n../../a:b/1\nSN4,5=\n").await;
    let labels = line.home.path().join("labels");
    let output = line.provision(&["--labels", labels.to_str().unwrap(), "--limit", "3"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    // A later run and the command for units that are done: nothing is there twice.
    assert_eq!(line.provision(&[]).status.code(), Some(0));
    let result = line.labels(&labels);
    assert_eq!((&result["written"], &result["there_already"]), (&1.into(), &3.into()), "{result}");
    let result = line.labels(&labels);
    assert_eq!((&result["written"], &result["there_already"]), (&0.into(), &4.into()), "{result}");

    let rows = rows(&labels.join("labels.csv"));
    let serials: BTreeSet<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(serials, BTreeSet::from(["../../a:b/1", "SN1", "SN4,5=", "sn2"]));
    assert_eq!(rows.len(), 4);
    for row in &rows {
        let [serial, product, certificate, key, code, svg, png] = row.as_slice() else { panic!("{row:?}") };
        let der = line.certificate(certificate);
        let (_, issued) = x509_parser::parse_x509_certificate(&der).unwrap();
        assert!(issued.subject().to_string().contains(serial.as_str()), "{}", issued.subject());
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, issued.public_key().raw);
        assert_eq!(hex::encode(digest.as_ref()), *key);
        assert_eq!((product.as_str(), code), ("cam-2", &text(certificate, key, serial)));
        for file in [svg, png] {
            assert!(!file.contains(['/', '\\', ' ', ':']) && !file.starts_with('.'), "{file}");
            assert_eq!(scanned(&labels.join(file)), *code, "{file}");
        }
        let drawing = std::fs::read_to_string(labels.join(svg)).unwrap();
        assert!(
            drawing.contains(&serial[..serial.len().min(7)]),
            "the serial number is in plain text: {drawing}"
        );
    }
    let names: BTreeSet<String> = rows.iter().map(|row| row[5].to_lowercase()).collect();
    assert_eq!(names.len(), 4, "also where capitals do not count");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_that_cannot_be_written_stops_the_line_and_is_made_later() {
    let line = Line::open("SN1\nSN2\nSN3\n").await;
    let labels = line.home.path().join("labels");
    // The picture's place is taken by a directory.
    std::fs::create_dir_all(labels.join("cam-2_SN1.svg/x")).unwrap();
    let output = line.provision(&["--labels", labels.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cam-2_SN1.svg cannot be used"), "{said}");
    assert!(rows(&labels.join("labels.csv")).iter().all(|row| row[0] != "SN1"));
    std::fs::remove_dir_all(labels.join("cam-2_SN1.svg")).unwrap();
    line.provision(&["--labels", labels.to_str().unwrap()]);
    line.labels(&labels);
    assert_eq!(rows(&labels.join("labels.csv")).len(), 3);
    // A file of somebody else is not touched.
    let other = line.home.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("labels.csv"), "name;price\n").unwrap();
    let output = line.provision(&["--labels", other.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is no list of labels"), "{output:?}");
    assert_eq!(std::fs::read_to_string(other.join("labels.csv")).unwrap(), "name;price\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_told_of_each_unit_that_fails_and_delays_nothing() {
    let line = Line::open("SN1\nSN2\n").await;
    let told = line.home.path().join("told");
    let script = "echo \"$TOUCHMARK_WORK_ORDER $TOUCHMARK_PRODUCT $TOUCHMARK_SERIAL $TOUCHMARK_SLOT $TOUCHMARK_REASON\" >> \"$0\"";
    let command = serde_json::json!(["sh", "-c", script, told.to_str().unwrap()]).to_string();
    line.configure(&format!("on-fail = {command}\nanswer-timeout-ms = 100\nsends-max = 1\n"));
    // A link whose device never answers.
    let output = line.run(&["--link", "exec:sleep 60", "--serials", "list"]);
    assert_eq!(output.status.code(), Some(6), "{output:?}");
    let told = std::fs::read_to_string(told).unwrap();
    let lines: Vec<String> =
        ["SN1", "SN2"].map(|serial| format!("{} cam-2 {serial} 1 timed-out no-answer", line.order)).into();
    assert_eq!(told.lines().collect::<Vec<_>>(), lines);
    // A program that is not there is told once, and changes nothing else.
    line.configure("");
    let path = line.station.directory().join("station.toml");
    let text = std::fs::read_to_string(&path).unwrap().replace(&command, "[\"/no/such/program\"]");
    std::fs::write(&path, text).unwrap();
    let output = line.run(&["--link", "exec:sleep 60", "--serials", "list"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.matches("on-fail: /no/such/program: it cannot be run").count(), 1, "{said}");
    let wrong = std::fs::read_to_string(&path).unwrap().replace("[\"/no/such/program\"]", "\"siren\"");
    std::fs::write(&path, wrong).unwrap();
    let output = line.run(&["--link", "exec:sleep 60", "--serials", "list"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("on-fail is \"bell\", or a command"),
        "{output:?}"
    );
}

/// A CA, an order for a list of serial numbers, and a station.
struct Line {
    _authority: CertificateAuthority,
    station: Station,
    order: String,
    home: tempfile::TempDir,
}

impl Line {
    async fn open(serials: &str) -> Self {
        let authority = CertificateAuthority::start();
        let home = tempfile::tempdir().unwrap();
        let station = Station::set_up(&authority, "line-1", home.path()).await;
        let manifest: Vec<String> = serials.lines().map(str::to_owned).collect();
        let factory = Factory::of(&authority);
        let terms = OrderTerms::new(manifest.len() as u64, &["line-1"]).into_request();
        let serials = Some(Serials::Manifest(SerialManifest { serials: manifest.clone() }));
        let order =
            factory.operator().work_orders().create(CreateWorkOrderRequest { serials, ..terms }).await;
        let order = order.unwrap().into_inner().id;
        let table: String = manifest.iter().map(|serial| format!("\"{serial}\"\n")).collect();
        std::fs::write(home.path().join("list"), format!("serial\n{table}")).unwrap();
        Self { _authority: authority, station, order, home }
    }

    fn configure(&self, lines: &str) {
        let path = self.station.directory().join("station.toml");
        let text = std::fs::read_to_string(&path).unwrap() + lines;
        std::fs::write(path, text).unwrap();
    }

    /// Makes units, each of them a new device.
    fn provision(&self, more: &[&str]) -> Output {
        let (agent, script) = (tests::Program::Agent.path(), self.home.path().join("device.sh"));
        let directory = self.home.path().join("devices");
        std::fs::create_dir_all(&directory).unwrap();
        let new = format!(
            "state=$(mktemp -d '{}/XXXXXX')\nexec '{}' factory --state \"$state/device\" --stdio\n",
            directory.display(),
            agent.display()
        );
        std::fs::write(&script, new).unwrap();
        let link = format!("exec:sh '{}'", script.display());
        self.run(&[&["--link", &link, "--serials", "list"], more].concat())
    }

    /// The certificate with this serial number, as its device has it.
    fn certificate(&self, serial_number: &str) -> Vec<u8> {
        let devices = std::fs::read_dir(self.home.path().join("devices")).unwrap();
        let held = devices.map(|device| device.unwrap().path().join("device/idevid"));
        let ders = held.filter(|held| held.is_dir()).map(|held| Credentials::read(&held).certificate_der());
        let is_it = |der: &Vec<u8>| {
            let (_, certificate) = x509_parser::parse_x509_certificate(der).unwrap();
            hex::encode(certificate.raw_serial()) == serial_number
        };
        ders.into_iter().find(is_it).unwrap_or_else(|| panic!("no device has {serial_number}"))
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.station.command("provision");
        command.args(["--work-order", &self.order]).args(arguments).output().unwrap()
    }

    fn labels(&self, directory: &Path) -> Value {
        let mut command = self.station.command("labels");
        let output = command.arg("--json").arg(directory).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        json_lines(&String::from_utf8_lossy(&output.stdout)).remove(0)
    }
}

fn text(certificate: &str, key: &str, serial: &str) -> String {
    format!("TM1:{}:{}:cam-2/{serial}", certificate.to_uppercase(), key.to_uppercase())
}

/// The records behind the header, read by Python's csv module.
fn rows(path: &Path) -> Vec<Vec<String>> {
    let script =
        "import csv, json, sys; print(json.dumps(list(csv.reader(open(sys.argv[1], newline='')))[1:]))";
    let output = Command::new("python3").args(["-c", script]).arg(path).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

/// The text of the code in a picture, as zbarimg reads it. It reads an SVG through rsvg-convert.
fn scanned(path: &Path) -> String {
    let mut picture = path.to_owned();
    if path.extension().is_some_and(|extension| extension == "svg") {
        picture = path.with_extension("drawn.png");
        let drawn =
            Command::new("rsvg-convert").args(["--zoom", "4", "--output"]).arg(&picture).arg(path).output();
        let drawn = drawn.expect("cargo xtask test --install installs librsvg2-bin");
        assert!(drawn.status.success(), "{drawn:?}");
    }
    let output = Command::new("zbarimg").args(["--quiet", "--raw"]).arg(&picture).output();
    let output = output.expect("cargo xtask test --install installs zbar-tools");
    String::from_utf8(output.stdout).unwrap().trim_end_matches('\n').to_owned()
}

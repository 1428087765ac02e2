//! Operator and station read the same lists of serial numbers, and the printed commands work as printed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::path::Path;
use std::process::Output;

use tests::{CertificateAuthority, Operator, Program, Station, json_lines};

/// The name of a file, its content, and its serial numbers or the sentence that refuses it.
type List = (&'static str, &'static [u8], Result<&'static [&'static str], &'static str>);

/// Lists as spreadsheets, editors and old machines write them: the file, and its serial numbers or the
/// sentence that refuses it.
const LISTS: &[List] = &[
    ("bom-crlf", b"\xef\xbb\xbfserial,product\r\nSA1,cam-2\r\nSA2,cam-2\r\n", Ok(&["SA1", "SA2"])),
    ("semicolons", b"\"Serial Number\";\"Operator\"\r\n\"SB1\";\"x\"\r\n", Ok(&["SB1"])),
    ("sep", b"sep=;\r\nserial;note\r\nSC1;a\r\n", Ok(&["SC1"])),
    ("tabs", b"serial\tnote\nSD1\tx\n", Ok(&["SD1"])),
    ("utf16", b"\xff\xfes\0e\0r\0i\0a\0l\0\n\0S\0E\0\x31\0\n\0", Ok(&["SE1"])),
    ("mac", b"serial\rSF1\rSF2\r", Ok(&["SF1", "SF2"])),
    ("blank", b"serial\nSG1\n\nSG2  \n\tSG3\n\n", Ok(&["SG1", "SG2", "SG3"])),
    ("comment", b"# shift 3\nSH1\n", Ok(&["SH1"])),
    ("ctrl-z", b"serial\nSI1\x1a", Ok(&["SI1"])),
    ("s-n", b"S/N\nSJ1\n", Ok(&["SJ1"])),
    ("multiline", b"serial,note\nSK1,\"two\nlines\"\nSK2,x\n", Ok(&["SK1", "SK2"])),
    ("nbsp", b"serial\nSL1\xc2\xa0\n", Ok(&["SL1"])),
    ("trailing", b"Serial Number,MAC,\nSM1,aa,\n", Ok(&["SM1"])),
    ("twice", b"serial\nSN1\nsn2\nSN1\n", Err("line 4: SN1 is in line 2 already")),
    (
        "exponent",
        b"serial\n1.23457E+11\n",
        Err("line 2: 1.23457E+11 is how a spreadsheet shows a long number"),
    ),
    ("nul", b"SP1\0\n", Err("line 1: there is a NUL byte")),
    ("two-columns", b"serial,serial\nSQ1,SQ2\n", Err("line 1: two columns are called \"serial\"")),
    ("open-quote", b"serial,note\nSR1,\"a\nSR2,b\n", Err("line 2: a quote is opened here and never closed")),
    ("product", b"serial,product\nSS1,cam-9\n", Err("line 2: it is for product \"cam-9\"")),
];

#[tokio::test(flavor = "multi_thread")]
async fn operator_and_station_read_the_same_serial_numbers_or_refuse_in_the_same_words() {
    let bench = Bench::open().await;
    let all = bench.order(&["--serials", "{1..9}", "--quantity", "9"]);
    for (name, content, expected) in LISTS {
        let file = bench.home.path().join(name);
        std::fs::write(&file, content).unwrap();
        let path = file.to_str().unwrap();
        match expected {
            Ok(serials) => {
                let order = bench.order(&["--manifest", path]);
                let shown = &bench.operator.json(&["work-order", "show", &order])[0];
                assert_eq!(shown["quantity"], serials.len(), "{name}: as many units as the file lists");
                let made = bench.provision(&order, &["--serials", path, "--json"]);
                assert_eq!(passed(&made), *serials, "{name}: {}", said(&made));
            }
            Err(sentence) => {
                let (status, refused) =
                    bench.operator.fails(&[&["work-order", "create", "--manifest", path], TERMS].concat());
                assert_eq!(status, 2, "{name}: {refused}");
                assert!(refused.contains(sentence), "{name}: {refused}");
                let refused = bench.provision(&all, &["--serials", path]);
                assert_eq!(refused.status.code(), Some(2), "{name}: {}", said(&refused));
                assert!(said(&refused).contains(sentence), "{name}: {}", said(&refused));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_was_made_from_a_file_is_worked_to_without_the_file() {
    let bench = Bench::open().await;
    let file = bench.home.path().join("units.csv");
    let rows: String = (0..1_200).map(|number| format!("UN{number:04};lot 7\n")).collect();
    std::fs::write(&file, format!("Unit;Lot\n{rows}")).unwrap();
    let path = file.to_str().unwrap();

    let wrong = [&["work-order", "create", "--manifest", path, "--column", "unit", "--quantity", "5"], TERMS];
    let (status, refused) = bench.operator.fails(&wrong.concat());
    assert_eq!(status, 2);
    assert!(
        refused.contains("1200 serial numbers") && refused.contains("5 units"),
        "both are named: {refused}"
    );

    let create = [&["work-order", "create", "--manifest", path, "--column", "unit"], TERMS].concat();
    let output = bench.operator.run(&create);
    let printed = said(&output);
    let order = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    std::fs::remove_file(&file).unwrap();

    // As printed, in the station's directory, with the one missing word filled in.
    let line = printed.lines().find(|line| line.trim().starts_with("touchmark-station ")).expect("a command");
    let mut words = line.split_whitespace();
    assert_eq!(words.next(), Some("touchmark-station"));
    let mut command = Program::Station.command();
    command.current_dir(bench.station.directory()).args(["provision"]);
    for word in words.skip(1) {
        command.arg(if word == "LINK" { bench.link() } else { word.to_owned() });
    }
    let output = command.args(["--limit", "3", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(passed(&output), ["UN0000", "UN0001", "UN0002"]);
    let rest = bench.provision(&order, &["--dry-run"]);
    assert!(said(&rest).contains("to make       1197 units"), "{}", said(&rest));
}

struct Bench {
    _authority: CertificateAuthority,
    operator: Operator,
    station: Station,
    home: tempfile::TempDir,
}

impl Bench {
    async fn open() -> Self {
        let authority = CertificateAuthority::start();
        let home = tempfile::tempdir().unwrap();
        let station = Station::set_up(&authority, "line-1", home.path()).await;
        Self { operator: Operator::of(&authority), _authority: authority, station, home }
    }

    fn order(&self, more: &[&str]) -> String {
        self.operator.says(&[&["work-order", "create"], TERMS, more].concat()).trim().to_owned()
    }

    fn link(&self) -> String {
        link(self.station.directory())
    }

    fn provision(&self, order: &str, more: &[&str]) -> Output {
        let mut command = self.station.command("provision");
        command.args(["--work-order", order, "--link", &self.link(), "--slots", "3"]).args(more);
        command.output().unwrap()
    }
}

fn link(directory: &Path) -> String {
    let (agent, state) = (Program::Agent.path(), directory.join("devices/{serial}"));
    format!("exec:'{}' factory --state '{}' --stdio", agent.display(), state.display())
}

/// The serial numbers of the units that passed, sorted.
fn passed(output: &Output) -> Vec<String> {
    let mut serials: Vec<String> = json_lines(&String::from_utf8_lossy(&output.stdout))
        .iter()
        .filter(|unit| unit["outcome"] == "passed")
        .map(|unit| unit["device"].as_str().unwrap().trim_start_matches("cam-2/").to_owned())
        .collect();
    serials.sort();
    serials
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

const TERMS: &[&str] = &["--product", "cam-2", "--station", "line-1"];

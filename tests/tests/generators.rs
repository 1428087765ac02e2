//! Units with a random generator that repeats itself stop the line of every station (R-KEY-14, ADR 0073):
//! real stations and a real CA, and boards whose random numbers are chosen.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use agent::factory::{Dialogue, Limits, serve};
use agent::state::{State, Storage, View};
use identity::SystemClock;
use tests::{
    CertificateAuthority, Factory, Multiple, Operator, OrderTerms, ScriptedKey, ScriptedKeys, Station,
    json_lines,
};
use tokio::net::TcpListener;

#[tokio::test(flavor = "multi_thread")]
async fn two_units_that_signed_with_one_random_number_stop_all_lines_until_an_operator_resumes() {
    let mut bench = Bench::open().await;
    let nonce = Multiple::random();
    let first = bench.board(Multiple::random(), Some(nonce.clone())).await;
    let second = bench.board(Multiple::random(), Some(nonce)).await;
    let healthy = bench.board(Multiple::random(), None).await;
    assert_eq!(bench.make(0, &first).outcome(), "passed");

    // The other station, which knows nothing of the first unit.
    let refused = bench.make(1, &second);
    assert_eq!((refused.reason(), refused.status), ("BROKEN_GENERATOR", 1), "{}", refused.said);
    let both = [first.device(), second.device()];
    for told in [&*both[0], &both[1], "compute the private key of the other", "touchmark product show"] {
        assert!(refused.said.contains(told), "{told}: {}", refused.said);
    }

    // Nobody goes on, and a unit that comes is told nothing.
    for station in [0, 1] {
        let paused = bench.make(station, &healthy);
        assert_eq!((paused.reason(), paused.status), ("PRODUCT_PAUSED", 7), "{}", paused.said);
        assert!(paused.said.contains("touchmark product resume"), "{}", paused.said);
    }
    assert!(healthy.identity().is_none());

    let shown = bench.operator.says(&["product", "show", "cam-2"]);
    for told in ["paused", "station:line-2", "private keys", &both[0], &both[1]] {
        assert!(shown.contains(told), "{told}: {shown}");
    }
    let listed = bench.operator.json(&["product", "list"]);
    assert_eq!(
        (listed.len(), &listed[0]["product"], &listed[0]["paused"]),
        (1, &"cam-2".into(), &true.into())
    );
    assert_eq!(&listed[0]["last_pause"]["evidence"]["kind"], "same random number");
    let table = bench.operator.says(&["product", "list", "--wide"]);
    assert!(table.contains("station:line-2") && table.contains("same random number"), "{table}");
    let order = bench.operator.says(&["work-order", "show", &bench.order]);
    assert!(order.contains("paused since") && order.contains("touchmark product show cam-2"), "{order}");
    let listed = bench.operator.json(&["work-order", "list"]);
    assert!(listed[0]["product_paused_at"].is_string(), "{listed:?}");
    let doctor = bench.operator.run(&["doctor"]);
    assert_eq!(doctor.status.code(), Some(6));
    assert!(text(&doctor).contains("paused products"), "{}", text(&doctor));
    assert!(bench.authority.metrics().contains("touchmark_products_paused 1"));

    // Neither a storm of retries nor a restart changes anything.
    let found = |bench: &Bench| bench.operator.json(&["device", "duplicates"]);
    bench.authority.kill();
    bench.authority.serve();
    for _ in 0..3 {
        assert_eq!(bench.make(0, &healthy).reason(), "PRODUCT_PAUSED");
    }
    let evidence = found(&bench);
    assert_eq!(evidence.len(), 1, "{evidence:?}");
    assert_eq!(
        (&evidence[0]["kind"], &evidence[0]["product_paused"]),
        (&"same random number".into(), &true.into())
    );

    // Without a word on what was found, or a confirmation, nothing goes on.
    assert_eq!(bench.operator.fails(&["product", "resume", "cam-2"]).0, 2);
    assert_eq!(bench.operator.fails(&["product", "resume", "cam-2", "--remark", " ", "--yes"]).0, 1);
    assert_eq!(bench.operator.fails(&["product", "resume", "cam-2", "--remark", "new firmware"]).0, 5);
    let resume = ["product", "resume", "cam-2", "--remark", "new firmware", "--yes"];
    let resumed = bench.operator.json(&resume);
    assert_eq!(
        (&resumed[0]["paused"], &resumed[0]["last_pause"]["resume_remark"]),
        (&false.into(), &"new firmware".into())
    );
    assert_eq!(bench.make(0, &healthy).outcome(), "passed");

    // The second unit is refused for ever, and stops no other line any more.
    assert_eq!(bench.make(1, &second).reason(), "BROKEN_GENERATOR");
    let other = bench.board(Multiple::random(), None).await;
    assert_eq!(bench.make(0, &other).outcome(), "passed");
    assert_eq!(found(&bench).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_keys_with_one_coordinate_stop_the_line_and_so_does_one_key_in_two_units() {
    let bench = Bench::open().await;
    let key = Multiple::random();
    let first = bench.board(key.clone(), None).await;
    assert_eq!(bench.make(0, &first).outcome(), "passed");
    let resume = ["product", "resume", "cam-2", "--remark", "the fixture was replaced", "--yes"];

    let near = bench.make(0, &bench.board(key.negated(), None).await);
    assert_eq!(near.reason(), "BROKEN_GENERATOR", "{}", near.said);
    assert!(near.said.contains("begin with the same 64 bits"), "{}", near.said);
    bench.operator.says(&resume);

    let copied = bench.make(1, &bench.board(key, None).await);
    assert_eq!(copied.reason(), "KEY_ALREADY_USED", "{}", copied.said);
    assert!(copied.said.contains(&format!("{} has the key", first.device())), "{}", copied.said);
    let healthy = bench.board(Multiple::random(), None).await;
    assert_eq!(bench.make(0, &healthy).reason(), "PRODUCT_PAUSED");
    bench.operator.says(&resume);
    assert_eq!(bench.make(0, &healthy).outcome(), "passed");
}

/// A CA, two stations on one order, and their operator.
struct Bench {
    authority: CertificateAuthority,
    operator: Operator,
    stations: Vec<Station>,
    order: String,
    home: tempfile::TempDir,
}

impl Bench {
    async fn open() -> Self {
        let authority = CertificateAuthority::start();
        let home = tempfile::tempdir().unwrap();
        let mut stations = Vec::new();
        for name in ["line-1", "line-2"] {
            let directory = home.path().join(name);
            std::fs::create_dir(&directory).unwrap();
            stations.push(Station::set_up(&authority, name, &directory).await);
        }
        // A unit's serial number is the port that its board listens on.
        let terms = OrderTerms {
            serials: "{00001..65535}".to_owned(),
            ..OrderTerms::new(100, &["line-1", "line-2"])
        };
        let order = Factory::of(&authority).order(terms).await;
        Self { operator: Operator::of(&authority), authority, stations, order, home }
    }

    /// A board on the bench, with this private key and these random numbers.
    async fn board(&self, private: Multiple, nonce: Option<Multiple>) -> Board {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let serial = format!("{:05}", listener.local_addr().unwrap().port());
        let state = self.home.path().join("boards").join(&serial);
        std::fs::create_dir_all(state.parent().unwrap()).unwrap();
        let keys = Arc::new(ScriptedKeys(Arc::new(ScriptedKey::new(private, nonce))));
        let storage = Storage { keys, ..Storage::default() };
        let opened = State::open_or_create(&state, storage.clone()).unwrap();
        let mut dialogue = Dialogue::new(opened, Arc::new(SystemClock));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (reader, writer) = stream.into_split();
                let _ = serve(&mut dialogue, reader, writer, LIMITS).await;
            }
        });
        Board { serial, state, storage }
    }

    /// Runs a station on this board alone.
    fn make(&self, station: usize, board: &Board) -> Run {
        let list = self.home.path().join("list");
        std::fs::write(&list, &board.serial).unwrap();
        let mut command = self.stations[station].command("provision");
        command.args([
            "--work-order",
            &self.order,
            "--link",
            "tcp:127.0.0.1:{serial}",
            "--json",
            "--serials",
        ]);
        let output = command.arg(&list).output().unwrap();
        let lines = json_lines(&String::from_utf8_lossy(&output.stdout));
        let unit = lines.iter().find(|line| line["outcome"].is_string()).cloned().unwrap_or_default();
        let stopped = lines.last().cloned().unwrap_or_default()["summary"]["stopped"].clone();
        Run { unit, stopped, status: output.status.code().unwrap(), said: text(&output) }
    }
}

struct Board {
    serial: String,
    state: PathBuf,
    storage: Storage,
}

impl Board {
    fn device(&self) -> String {
        format!("cam-2/{}", self.serial)
    }

    /// Who it was told that it is.
    fn identity(&self) -> Option<String> {
        let view = View::read(Path::new(&self.state), &self.storage).unwrap();
        view.record().device.as_ref().map(ToString::to_string)
    }
}

/// What a station said of a unit.
struct Run {
    /// `null`: none was begun.
    unit: serde_json::Value,
    /// Why the line stopped.
    stopped: serde_json::Value,
    status: i32,
    said: String,
}

impl Run {
    fn outcome(&self) -> &str {
        self.unit["outcome"].as_str().unwrap_or(&self.said)
    }

    fn reason(&self) -> &str {
        self.stopped["reason"].as_str().or_else(|| self.unit["reason"].as_str()).unwrap_or(&self.said)
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

const LIMITS: Limits = Limits { idle: Duration::from_secs(30), after_lock: Duration::from_millis(200) };

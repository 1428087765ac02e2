//! Units that left the factory.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use agent::ca_client::RetryPolicy;
use agent::factory::Dialogue;
use agent::state::{State, Storage, View};
use identity::{Csr, KeyFingerprint, ManualClock};
use prost::Message;
use proto::v1;
use proto::v1::device_message::Response;
use proto::v1::station_message::Request;
use rand::Rng;
use rand::rngs::StdRng;

use super::days::now;
use super::issuers::{CertificateSpec, Issued, Issuers};
use super::station::{Bench, agent};

/// Takes a unit through the factory.
pub fn born(state: &Path, issuers: &Issuers, serial: &str, url: &str) {
    let mut bench = Bench::start(state);
    bench.hello("cam-2", serial);
    let csr = bench.csr();
    let credential = issuers.credential(&issuers.factory, &csr, &CertificateSpec::birth("cam-2", serial));
    assert!(matches!(bench.install(&credential, url), Response::Install(_)));
    assert!(matches!(bench.lock(), Response::Lock(_)));
    assert_eq!(bench.close(), Some(0));
}

/// Runs `touchmark-agent enroll --json`.
pub fn enroll(state: &Path, more: &[&str]) -> Output {
    agent().args(["enroll", "--json", "--state"]).arg(state).args(more).output().unwrap()
}

/// Runs `touchmark-agent renew --json`.
pub fn renew(state: &Path, more: &[&str]) -> Output {
    agent().args(["renew", "--json", "--state"]).arg(state).args(more).output().unwrap()
}

/// A unit that left the factory and has enrolled.
pub fn enrolled(state: &Path, issuers: &Issuers, serial: &str, url: &str) {
    born(state, issuers, serial, url);
    let output = enroll(state, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

/// Runs a command and kills it after a random time, which may be longer after each kill: on a busy machine,
/// too, one run gets to the end. Returns the exit status, if it ended before.
pub fn run_and_kill(command: &str, state: &Path, generator: &mut StdRng, kills: u64) -> Option<i32> {
    let mut run = agent();
    let run = run.args([command, "--state"]).arg(state).stderr(Stdio::null()).stdout(Stdio::null());
    let mut run = run.spawn().unwrap();
    let longest = 20_000 * (kills + 1);
    std::thread::sleep(Duration::from_micros(u64::from(generator.next_u32()) % longest));
    run.kill().unwrap();
    run.wait().unwrap().code()
}

/// Runs `touchmark-agent status --json`.
pub fn status(state: &Path) -> Output {
    agent().args(["status", "--json", "--state"]).arg(state).output().unwrap()
}

/// Reads the state directory.
pub fn view(state: &Path) -> View {
    View::read(state, &Storage::default()).unwrap()
}

pub fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A copy of a state directory: flash is cheap to read.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in from.read_dir().unwrap() {
        let entry = entry.unwrap();
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().unwrap().is_symlink() {
            std::os::unix::fs::symlink(source.read_link().unwrap(), target).unwrap();
        } else if entry.file_type().unwrap().is_dir() {
            copy(&source, &target);
        } else {
            std::fs::copy(&source, &target).unwrap();
        }
    }
}

/// A session of a station with a unit, in one process.
pub struct Session {
    dialogue: Dialogue,
    exchange: u32,
}

impl Session {
    /// Begins one; `Err` when the unit's disk fails.
    pub fn begin(state: &Path, storage: Storage) -> Result<Self, String> {
        let state = State::open_or_create(state, storage).map_err(|error| error.to_string())?;
        Ok(Self { dialogue: Dialogue::new(state, clock_at(now())), exchange: 0 })
    }

    /// The answer to one request; `Err`: the message of a fault.
    pub fn ask(&mut self, request: Request) -> Result<Response, String> {
        self.exchange += 1;
        let question =
            v1::StationMessage { exchange: self.exchange, request: Some(request), from_station: true };
        let answer = self.dialogue.answer(&question.encode_to_vec());
        match v1::DeviceMessage::decode(answer.as_slice()).unwrap().response.unwrap() {
            Response::Fault(fault) => Err(fault.message),
            response => Ok(response),
        }
    }

    /// Greets the unit as cam-2/SN1.
    pub fn hello(&mut self) -> Result<v1::HelloResponse, String> {
        let hello = v1::Hello {
            protocol_version: 1,
            assigned_serial: "SN1".to_owned(),
            product: "cam-2".to_owned(),
            withdrawn_serials: Vec::new(),
        };
        match self.ask(Request::Hello(hello))? {
            Response::Hello(hello) => Ok(hello),
            other => panic!("{other:?}"),
        }
    }

    pub fn csr(&mut self) -> Result<Vec<u8>, String> {
        match self.ask(Request::GenerateKey(v1::GenerateKey { key_type: "p256".to_owned() }))? {
            Response::GenerateKey(answer) => Ok(answer.csr.to_vec()),
            other => panic!("{other:?}"),
        }
    }

    pub fn install(&mut self, credential: &Issued, url: &str) -> Result<(), String> {
        let install = v1::Install {
            certificate: credential.certificate.clone().into(),
            chain: credential.chain.iter().cloned().map(Into::into).collect(),
            trust_bundle: Some(v1::TrustBundle {
                version: 1,
                anchors: credential.anchors.iter().cloned().map(Into::into).collect(),
            }),
            enrollment_url: url.to_owned(),
        };
        self.ask(Request::Install(install)).map(drop)
    }

    pub fn read_back(&mut self) -> Result<v1::ReadBackResponse, String> {
        match self.ask(Request::ReadBack(v1::ReadBack { nonce: vec![3; 32].into() }))? {
            Response::ReadBack(answer) => Ok(answer),
            other => panic!("{other:?}"),
        }
    }

    pub fn lock(&mut self) -> Result<(), String> {
        self.ask(Request::Lock(v1::Lock {})).map(drop)
    }
}

/// A whole factory session in one process; `Err` when the device says that its disk fails.
pub fn bench(
    state: &Path,
    storage: Storage,
    issuers: &Issuers,
    url: &str,
    keys: &mut BTreeSet<KeyFingerprint>,
) -> Result<(), String> {
    let mut session = Session::begin(state, storage)?;
    let hello = session.hello()?;
    if hello.step() < v1::FactoryStep::Installed {
        let csr = session.csr()?;
        keys.insert(Csr::from_der(&csr).unwrap().public_key().fingerprint());
        let spec = CertificateSpec::birth("cam-2", "SN1");
        session.install(&issuers.credential(&issuers.factory, &csr, &spec), url)?;
    }
    session.read_back()?;
    session.lock()
}

/// For calls in the test's process: at most twenty seconds, without long pauses.
pub fn retry_policy() -> RetryPolicy {
    RetryPolicy { deadline: Duration::from_secs(20), first_pause: Duration::from_millis(5), once: false }
}

pub fn clock_at(moment: SystemTime) -> Arc<ManualClock> {
    Arc::new(ManualClock::at(moment))
}

pub fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

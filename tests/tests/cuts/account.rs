//! What everybody knows of a unit, and whether it is one story: the CA's record, the station's journal and
//! report, and the unit itself.

use proto::v1::{DeviceId, GetDeviceRequest};
use rcgen::{KeyPair, PublicKeyData};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;
use tests::json_lines;
use tonic::Code;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::lane::Lane;

/// What is known of one unit.
#[derive(Debug)]
pub(crate) struct Account {
    /// By the report: nothing, if the journal does not have the unit.
    outcome: String,
    /// The certificate's serial number, by the report.
    reported: Option<String>,
    /// Public keys of the requests in the journal, each once.
    journalled: Vec<Vec<u8>>,
    /// Birth certificates by the CA's record.
    recorded: Vec<Vec<u8>>,
    /// Operational certificates by the CA's record.
    operational: Vec<Vec<u8>>,
    /// The unit's birth certificate.
    held: Option<Vec<u8>>,
    /// The unit's operational certificate.
    in_use: Option<Vec<u8>>,
    /// The unit's public key.
    key: Option<Vec<u8>>,
}

/// What the station has written, at one moment.
pub(crate) struct Books {
    report: Vec<Value>,
    journal: Vec<Value>,
}

impl Books {
    pub(crate) async fn of(lane: &mut Lane) -> Self {
        let report = json_lines(&lane.report().await.stdout);
        let path = lane.station.directory().join("journal").join(format!("{}.journal", lane.order));
        let journal = std::fs::read_to_string(path).unwrap();
        // A line is a checksum and a record; the last one may be torn.
        let records = journal.lines().filter_map(|line| serde_json::from_str(line.get(9..)?).ok());
        Self { report, journal: records.collect() }
    }

    /// All units of which the report says this.
    pub(crate) fn units_that_are(&self, outcome: &str) -> usize {
        self.report.iter().filter(|unit| unit["outcome"] == outcome).count()
    }

    /// Public keys of the requests for a unit, each once.
    fn keys(&self, device: &str) -> Vec<Vec<u8>> {
        let asked = |record: &&Value| record["record"] == "asked" && record["device"] == device;
        let mut keys: Vec<_> =
            self.journal.iter().filter(asked).map(|record| key_of_request(&record["csr"])).collect();
        keys.sort();
        keys.dedup();
        keys
    }
}

impl Account {
    pub(crate) async fn of(lane: &Lane, books: &Books, serial: &str) -> Self {
        let device = format!("cam-2/{serial}");
        let unit = books.report.iter().find(|unit| unit["device"] == *device);
        let text = |field: &str| unit.and_then(|unit| unit[field].as_str()).map(str::to_owned);
        let state = lane.station.device(serial);
        let pem = |name: &str| std::fs::read_to_string(state.join(name)).ok();
        let held = pem("idevid/cert.pem").filter(|_| !is_deferred(pem("state.json").as_deref()));
        let [recorded, operational] = recorded(lane, serial).await;
        Self {
            outcome: text("outcome").unwrap_or_default(),
            reported: text("certificate_serial"),
            journalled: books.keys(&device),
            recorded,
            operational,
            held: held.as_deref().map(leaf),
            in_use: pem("current/cert.pem").as_deref().map(leaf),
            key: pem("idevid/key.pem").map(|pem| KeyPair::from_pem(&pem).unwrap().subject_public_key_info()),
        }
    }

    /// The unit has one identity or none, and what one of them knows, the others do not contradict.
    pub(crate) fn tells_one_story(self, after: &str) -> Self {
        let told = format!("{after}: {self:#?}");
        assert!(self.recorded.len() <= 1, "one identity at most, {told}");
        assert!(self.operational.len() <= 1, "one first boot at most, {told}");
        assert!(self.journalled.len() <= 1, "one key, {told}");
        assert!(OUTCOMES.contains(&&*self.outcome), "the report explains it, {told}");
        let certificate = self.recorded.first();
        if let Some(held) = &self.held {
            assert_eq!(Some(held), certificate, "what the unit holds is on record, {told}");
        }
        if let Some(in_use) = &self.in_use {
            assert_eq!(std::slice::from_ref(in_use), self.operational, "what it uses is on record, {told}");
        }
        if let Some(reported) = &self.reported {
            assert_eq!(
                Some(reported),
                certificate.map(|der| serial_number(der)).as_ref(),
                "as reported, {told}"
            );
        }
        if let Some(certificate) = certificate {
            assert_eq!([public_key(certificate)], *self.journalled, "of the key that was asked for, {told}");
        }
        if let [journalled] = &*self.journalled {
            assert_eq!(Some(journalled), self.key.as_ref(), "the unit has the key, {told}");
        }
        self
    }

    /// The unit is locked without a certificate, and nobody has one.
    pub(crate) fn has_none_yet(self, after: &str) {
        let account = self.tells_one_story(after);
        assert_eq!(account.outcome, "deferred", "{after}: {account:#?}");
        assert!(account.recorded.is_empty() && account.held.is_none(), "{after}: {account:#?}");
        assert_eq!(account.journalled.len(), 1, "{after}: {account:#?}");
    }

    /// The CA has issued it, and the journal has it; the unit may have it.
    pub(crate) fn has_one(self, outcome: &str, after: &str) -> Self {
        let account = self.tells_one_story(after);
        assert_eq!(account.outcome, outcome, "{after}: {account:#?}");
        assert!(account.recorded.len() == 1 && account.reported.is_some(), "{after}: {account:#?}");
        account
    }

    /// And so has the unit.
    pub(crate) fn holds_it(self, outcome: &str, after: &str) -> Self {
        let account = self.has_one(outcome, after);
        assert!(account.held.is_some(), "{after}: {account:#?}");
        account
    }

    /// And another for its work, once.
    pub(crate) fn works(self, outcome: &str, after: &str) {
        let account = self.holds_it(outcome, after);
        assert!(account.operational.len() == 1 && account.in_use.is_some(), "{after}: {account:#?}");
    }
}

/// All that a unit can be here, by the report.
const OUTCOMES: [&str; 4] = ["unfinished", "deferred", "reconciled", "passed"];

/// Birth and operational certificates by the CA's record.
async fn recorded(lane: &Lane, serial: &str) -> [Vec<Vec<u8>>; 2] {
    let device = DeviceId { product: "cam-2".to_owned(), serial: serial.to_owned() };
    let request = GetDeviceRequest { device: Some(device) };
    let all = match lane.factory.operator().lifecycle().get_device(request).await {
        Ok(answer) => answer.into_inner().certificates,
        Err(status) if status.code() == Code::NotFound => Vec::new(),
        Err(status) => panic!("{serial}: {status}"),
    };
    ["idevid", "ldevid"].map(|profile| {
        let wanted = all.iter().filter(|one| one.profile == profile);
        wanted.map(|one| one.certificate.to_vec()).collect()
    })
}

/// Whether a unit says that its certificate comes later; until then a certificate's file means nothing.
fn is_deferred(state: Option<&str>) -> bool {
    let state: Value = state.map(|text| serde_json::from_str(text).unwrap()).unwrap_or_default();
    state["certificate-deferred"] == true
}

fn leaf(pem: &str) -> Vec<u8> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
}

fn serial_number(certificate: &[u8]) -> String {
    hex::encode(X509Certificate::from_der(certificate).unwrap().1.raw_serial())
}

fn public_key(certificate: &[u8]) -> Vec<u8> {
    X509Certificate::from_der(certificate).unwrap().1.public_key().raw.to_vec()
}

fn key_of_request(csr: &Value) -> Vec<u8> {
    let der = hex::decode(csr.as_str().unwrap()).unwrap();
    let (_, request) = X509CertificationRequest::from_der(&der).unwrap();
    request.certification_request_info.subject_pki.raw.to_vec()
}

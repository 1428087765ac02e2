//! A station, a device and a CA that crash between any two steps, over a link that loses, doubles and
//! damages: the unit ends with one identity, and the count is right.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::{DeviceId, RequestId, SerialNumber};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

use super::*;

mod answers;
mod rework;

/// The makers of certificates: a root and a factory issuer.
struct Makers {
    bundle: Arc<ProvisioningBundle>,
    factory: Issuer<'static, KeyPair>,
}

fn makers() -> &'static Makers {
    static MAKERS: OnceLock<Makers> = OnceLock::new();
    MAKERS.get_or_init(|| {
        let authority = |name: &str| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
            params
        };
        let root_key = KeyPair::generate().unwrap();
        let root = authority("root");
        let root_der = root.self_signed(&root_key).unwrap().der().to_vec();
        let root = Issuer::new(root, root_key);
        let factory_key = KeyPair::generate().unwrap();
        let factory = authority("factory");
        let factory_der = factory.signed_by(&factory_key, &root).unwrap().der().to_vec();
        let bundle = ProvisioningBundle {
            chain: vec![factory_der],
            anchors_version: 1,
            anchors: vec![root_der],
            enrollment_url: "https://ca.example.com:8443".into(),
        };
        Makers { bundle: Arc::new(bundle), factory: Issuer::new(factory, factory_key) }
    })
}

/// A CA in memory that keeps its promises: exactly once by request id (the same device and key; the bytes of
/// the CSR may differ), and by device and key.
struct Ca {
    quota: usize,
    requests: BTreeMap<RequestId, (DeviceId, Vec<u8>, BirthCertificate)>,
    devices: BTreeMap<DeviceId, (Vec<u8>, BirthCertificate)>,
    confirmed: BTreeMap<DeviceId, SerialNumber>,
    serials: u8,
}

impl Ca {
    fn new(quota: usize) -> Self {
        Self {
            quota,
            requests: BTreeMap::new(),
            devices: BTreeMap::new(),
            confirmed: BTreeMap::new(),
            serials: 0,
        }
    }

    fn ask(&mut self, request_id: RequestId, device: &DeviceId, csr: &[u8]) -> Event {
        let params = rcgen::CertificateSigningRequestParams::from_der(&csr.to_vec().into()).unwrap();
        let key = rcgen::PublicKeyData::subject_public_key_info(&params.public_key);
        if let Some((of, asked, certificate)) = self.requests.get(&request_id) {
            let same = of == device && *asked == key;
            return if same { Event::Issued(certificate.clone()) } else { refused("REQUEST_ID_REUSED") };
        }
        if let Some((known, certificate)) = self.devices.get(device) {
            return if *known == key {
                Event::Issued(certificate.clone())
            } else {
                refused("DEVICE_ALREADY_ISSUED")
            };
        }
        if self.devices.len() >= self.quota {
            return refused("WORK_ORDER_EXHAUSTED");
        }
        self.serials += 1;
        let serial_number =
            SerialNumber::try_from([[0x40; 15].as_slice(), &[self.serials]].concat().as_slice());
        let certificate = issue(device, &params.public_key, serial_number.unwrap());
        self.requests.insert(request_id, (device.clone(), key.clone(), certificate.clone()));
        self.devices.insert(device.clone(), (key, certificate.clone()));
        Event::Issued(certificate)
    }

    fn confirm(&mut self, device: &DeviceId, serial_number: SerialNumber) -> Event {
        match self.devices.get(device) {
            Some((_, certificate)) if certificate.serial_number == serial_number => {
                self.confirmed.insert(device.clone(), serial_number);
                Event::Confirmed
            }
            _ => refused("CERTIFICATE_NOT_FOUND"),
        }
    }
}

fn issue(
    device: &DeviceId,
    key: &impl rcgen::PublicKeyData,
    serial_number: SerialNumber,
) -> BirthCertificate {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::OrganizationalUnitName, device.product.as_str());
    params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 5]), device.serial.as_str());
    params.serial_number = Some(rcgen::SerialNumber::from_slice(serial_number.as_bytes()));
    let der = params.signed_by(key, &makers().factory).unwrap().der().to_vec();
    BirthCertificate { der, serial_number, ledger_entry: 7 }
}

fn refused(reason: &str) -> Event {
    Event::Refused(Refusal {
        reason: reason.into(),
        message: "no".into(),
        retry_after: None,
        stops_the_line: false,
        ends_the_order: false,
    })
}

/// A device whose flash survives a crash and whose last answer does not.
struct Device {
    id: DeviceId,
    key: Option<KeyPair>,
    installed: Option<(Vec<u8>, Arc<ProvisioningBundle>)>,
    locked: bool,
    last: Option<(u32, DeviceResponse)>,
}

impl Device {
    fn new(id: DeviceId) -> Self {
        Self { id, key: None, installed: None, locked: false, last: None }
    }

    fn response(&mut self, exchange: u32, request: &DeviceRequest) -> DeviceResponse {
        if let Some((last, response)) = &self.last
            && *last == exchange
        {
            return response.clone();
        }
        let response = self.work(request);
        self.last = Some((exchange, response.clone()));
        response
    }

    fn work(&mut self, request: &DeviceRequest) -> DeviceResponse {
        let fault = |code| DeviceResponse::Fault { code, message: String::new() };
        match request {
            DeviceRequest::Hello { .. } => {
                let step = match (&self.key, &self.installed, self.locked) {
                    (_, _, true) => FactoryStep::Locked,
                    (_, Some(_), _) => FactoryStep::Installed,
                    (Some(_), ..) => FactoryStep::KeyReady,
                    _ => FactoryStep::Blank,
                };
                DeviceResponse::Hello(Greeting {
                    protocol_version: PROTOCOL_VERSION,
                    device: Some(self.id.clone()),
                    firmware: "1.0".into(),
                    key_types: vec![KEY_TYPE.into()],
                    step,
                })
            }
            _ if self.locked => fault(FaultCode::Locked),
            DeviceRequest::GenerateKey => {
                let key = self.key.get_or_insert_with(|| KeyPair::generate().unwrap());
                let request = CertificateParams::default().serialize_request(key).unwrap();
                DeviceResponse::Csr(request.der().to_vec())
            }
            DeviceRequest::Install { certificate, bundle } => {
                self.installed = Some((certificate.clone(), Arc::clone(bundle)));
                DeviceResponse::Installed
            }
            DeviceRequest::ReadBack { nonce } => match (&self.installed, &self.key) {
                (Some((certificate, bundle)), Some(key)) => DeviceResponse::ReadBack(ReadBack {
                    certificate: certificate.clone(),
                    chain: bundle.chain.clone(),
                    anchors_digest: anchors_digest(&bundle.anchors),
                    signature: rcgen::SigningKey::sign(key, &read_back_message(nonce)).unwrap(),
                }),
                _ => fault(FaultCode::Unexpected),
            },
            DeviceRequest::Lock => {
                self.locked = true;
                DeviceResponse::Locked
            }
        }
    }
}

/// How a simulated world goes wrong.
struct Trouble {
    dice: StdRng,
    /// Of 100 chances. Zero: all goes well.
    percent: u32,
}

impl Trouble {
    fn strikes(&mut self) -> bool {
        self.dice.random_range(0..100) < self.percent
    }
}

/// Runs one session to its end, or until the station crashes (`None`). `journal` survives both.
fn run(
    device: &mut Device,
    ca: &mut Ca,
    journal: &mut UnitProgress,
    trouble: &mut Trouble,
) -> Option<Outcome> {
    let randomness = SessionRandomness {
        request_id: trouble.dice.random::<[u8; 16]>().into(),
        nonce: trouble.dice.random(),
        first_exchange: trouble.dice.random_range(1..=u32::MAX),
    };
    let limits =
        Limits { answer_timeout: Duration::from_secs(1), sends_max: 5, ca_timeout: Duration::from_secs(30) };
    let id = device.id.clone();
    let mut session =
        Session::new(id.clone(), told(), Arc::clone(&makers().bundle), limits, randomness, journal.clone());
    let mut events = std::collections::VecDeque::from([Event::Begin]);
    loop {
        // Nothing under way any more: only the timer is left.
        let event = events.pop_front().unwrap_or(Event::TimedOut);
        for command in session.handle(event, now()) {
            if trouble.strikes() && trouble.strikes() {
                return None;
            }
            match command {
                Command::Record(_) if trouble.strikes() && trouble.strikes() => return None,
                Command::Record(step) => journal.apply(&step),
                Command::ArmTimer(_) => {}
                Command::Send { exchange, request } => {
                    deliver(device, exchange, &request, trouble, &mut events);
                }
                Command::RequestCertificate { request_id, csr } => {
                    let event = ca.ask(request_id, &id, &csr);
                    let lost = trouble.strikes();
                    events.push_back(if lost { Event::CaUnreachable("lost reply".into()) } else { event });
                }
                Command::Confirm { serial_number } => {
                    let event = ca.confirm(&id, serial_number);
                    let lost = trouble.strikes();
                    events.push_back(if lost { Event::CaUnreachable("lost reply".into()) } else { event });
                }
                Command::End(outcome) => return Some(outcome),
            }
        }
    }
}

fn deliver(
    device: &mut Device,
    exchange: u32,
    request: &DeviceRequest,
    trouble: &mut Trouble,
    events: &mut std::collections::VecDeque<Event>,
) {
    if trouble.strikes() {
        device.last = None;
    }
    match (trouble.strikes(), trouble.dice.random_range(0..3)) {
        (true, 0) => return,
        (true, 1) => {
            let code = FaultCode::DamagedFrame;
            return events.push_back(Event::Response {
                exchange: 0,
                response: DeviceResponse::Fault { code, message: String::new() },
            });
        }
        (true, _) => drop(device.response(exchange, request)),
        (false, _) => {}
    }
    let response = device.response(exchange, request);
    match (trouble.strikes(), trouble.dice.random_range(0..3)) {
        (true, 0) => device.last = None,
        (true, 1) => events.push_back(Event::DamagedFrame),
        (true, _) => {
            events.push_back(Event::Response { exchange, response: response.clone() });
            events.push_back(Event::Response { exchange, response });
        }
        (false, _) => events.push_back(Event::Response { exchange, response }),
    }
}

fn told() -> Assignment {
    Assignment::Assign { withdrawn: Vec::new() }
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn unit(number: u32) -> DeviceId {
    format!("cam-2/SN{number:06}").parse().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_crashes_each_unit_ends_with_one_identity_and_the_count_is_right(seed: u64, percent in 0u32..45) {
        let mut trouble = Trouble { dice: StdRng::seed_from_u64(seed), percent };
        let mut ca = Ca::new(3);
        for number in 1..=3 {
            let mut device = Device::new(unit(number));
            let mut journal = UnitProgress::default();
            let mut first_certificate = None;
            for attempt in 0.. {
                prop_assert!(attempt < 60, "never ends");
                if attempt == 50 {
                    trouble.percent = 0;
                }
                let outcome = run(&mut device, &mut ca, &mut journal, &mut trouble);
                let on_record = ca.devices.get(&device.id).map(|(_, certificate)| certificate.clone());
                if let (Some(first), Some(now)) = (&first_certificate, &on_record) {
                    prop_assert_eq!(first, now, "a second identity");
                }
                first_certificate = on_record;
                match outcome {
                    Some(Outcome::Passed) => break,
                    Some(outcome) => {
                        prop_assert!(outcome.leaves_the_unit_open(), "{outcome}");
                    }
                    None => {}
                }
                // The station was started again; the device may have been, too.
                if trouble.strikes() {
                    device.last = None;
                }
            }
            let (_, certificate) = &ca.devices[&device.id];
            prop_assert!(device.locked && journal.passed);
            prop_assert_eq!(&device.installed.as_ref().unwrap().0, &certificate.der);
            prop_assert_eq!(ca.confirmed[&device.id], certificate.serial_number);
            trouble.percent = percent;
        }
        prop_assert_eq!(ca.devices.len(), 3);
        prop_assert_eq!(ca.requests.len(), 3);
        let mut fourth = Device::new(unit(4));
        trouble.percent = 0;
        let outcome = run(&mut fourth, &mut ca, &mut UnitProgress::default(), &mut trouble);
        prop_assert!(matches!(outcome, Some(Outcome::Refused(refusal)) if refusal.reason == "WORK_ORDER_EXHAUSTED"));
    }
}

/// One session without trouble, but for what the test does to the device before.
fn one_session(device: &mut Device, ca: &mut Ca, journal: &mut UnitProgress) -> Outcome {
    let mut calm = Trouble { dice: StdRng::seed_from_u64(ca.requests.len() as u64), percent: 0 };
    run(device, ca, journal, &mut calm).unwrap()
}

#[test]
fn a_unit_without_trouble_passes_and_its_steps_are_recorded_before_their_effects() {
    let mut device = Device::new(unit(1));
    let mut journal = UnitProgress::default();
    assert_eq!(one_session(&mut device, &mut Ca::new(1), &mut journal), Outcome::Passed);
    assert!(journal.asked.is_some() && journal.certificate.is_some() && journal.confirmed && journal.passed);
}

#[test]
fn another_device_on_the_bench_is_refused_before_it_makes_a_key() {
    let mut device = Device::new(unit(9));
    let limits = Limits { answer_timeout: Duration::ZERO, sends_max: 1, ca_timeout: Duration::from_secs(1) };
    let randomness =
        SessionRandomness { request_id: [0; 16].into(), nonce: [0; 32], first_exchange: u32::MAX };
    let mut session = Session::new(
        unit(1),
        told(),
        Arc::clone(&makers().bundle),
        limits,
        randomness,
        UnitProgress::default(),
    );
    let commands = session.handle(Event::Begin, now());
    let Some(Command::Send { exchange, request }) = commands.first() else { panic!("{commands:?}") };
    assert_eq!(*exchange, u32::MAX);
    let response = device.response(*exchange, request);
    let commands = session.handle(Event::Response { exchange: *exchange, response }, now());
    assert_eq!(
        commands,
        [Command::End(Outcome::WrongDevice { found: "cam-2/SN000009".into(), other_product: false })]
    );
    assert!(session.handle(Event::TimedOut, now()).is_empty(), "it ends once");
}

#[test]
fn a_device_that_never_answers_is_given_up_after_a_bounded_number_of_sends() {
    let limits =
        Limits { answer_timeout: Duration::from_secs(2), sends_max: 3, ca_timeout: Duration::from_secs(1) };
    let randomness = SessionRandomness { request_id: [0; 16].into(), nonce: [0; 32], first_exchange: 1 };
    let mut session = Session::new(
        unit(1),
        told(),
        Arc::clone(&makers().bundle),
        limits,
        randomness,
        UnitProgress::default(),
    );
    let mut sends = 0;
    let mut event = Event::Begin;
    loop {
        let commands = session.handle(event, now());
        sends += commands.iter().filter(|command| matches!(command, Command::Send { .. })).count();
        if let Some(Command::End(outcome)) = commands.last() {
            assert_eq!(*outcome, Outcome::TimedOut { doing: "saying hello", damaged: 0, noise_bytes: 0 });
            break;
        }
        event = Event::TimedOut;
    }
    assert_eq!(sends, 3);
    assert_eq!(session.resent(), 2);
}

#[test]
fn a_unit_that_was_made_by_a_station_whose_journal_is_gone_is_verified_and_confirmed_again() {
    let (mut device, mut ca) = (Device::new(unit(1)), Ca::new(1));
    one_session(&mut device, &mut ca, &mut UnitProgress::default());
    device.locked = false;
    assert_eq!(one_session(&mut device, &mut ca, &mut UnitProgress::default()), Outcome::Passed);
    assert_eq!(ca.devices.len(), 1);
}

#[test]
fn a_locked_unit_of_which_nothing_is_known_does_not_pass() {
    let (mut device, mut ca) = (Device::new(unit(1)), Ca::new(1));
    one_session(&mut device, &mut ca, &mut UnitProgress::default());
    assert_eq!(one_session(&mut device, &mut ca, &mut UnitProgress::default()), Outcome::LockedWithoutRecord);
}

#[test]
fn a_unit_that_lost_its_key_after_its_certificate_was_issued_is_refused_by_the_ca() {
    let (mut device, mut ca, mut journal) = (Device::new(unit(1)), Ca::new(5), UnitProgress::default());
    one_session(&mut device, &mut ca, &mut journal);
    let mut wiped = Device::new(unit(1));
    let outcome = one_session(&mut wiped, &mut ca, &mut journal);
    assert_eq!(outcome.reason(), "DEVICE_ALREADY_ISSUED");
}

/// A unit with its certificate, spoilt in one way, must not pass its read-back.
fn spoilt(spoil: impl FnOnce(&mut Device, &mut UnitProgress)) -> Outcome {
    let (mut device, mut ca, mut journal) = (Device::new(unit(1)), Ca::new(5), UnitProgress::default());
    one_session(&mut device, &mut ca, &mut journal);
    device.locked = false;
    (journal.confirmed, journal.passed) = (false, false);
    ca.confirmed.clear();
    spoil(&mut device, &mut journal);
    let outcome = one_session(&mut device, &mut ca, &mut journal);
    assert!(ca.confirmed.is_empty() && !device.locked);
    outcome
}

#[test]
fn a_unit_whose_key_is_not_that_of_its_certificate_does_not_pass() {
    let outcome = spoilt(|device, _| device.key = Some(KeyPair::generate().unwrap()));
    assert_eq!(outcome, Outcome::VerificationFailed(VerificationFault::Signature));
}

#[test]
fn a_unit_that_keeps_another_certificate_than_it_was_sent_does_not_pass() {
    let outcome = spoilt(|device, _| {
        let number = SerialNumber::try_from([0x41; 16].as_slice()).unwrap();
        let other = issue(&device.id, device.key.as_ref().unwrap(), number);
        device.installed.as_mut().unwrap().0 = other.der;
    });
    assert_eq!(outcome, Outcome::VerificationFailed(VerificationFault::StoredCertificate));
}

#[test]
fn a_unit_that_keeps_other_anchors_or_another_chain_does_not_pass() {
    let outcome = spoilt(|device, _| {
        Arc::make_mut(&mut device.installed.as_mut().unwrap().1).anchors.push(vec![1]);
    });
    assert_eq!(outcome, Outcome::VerificationFailed(VerificationFault::StoredAnchors));
    let outcome = spoilt(|device, _| {
        Arc::make_mut(&mut device.installed.as_mut().unwrap().1).chain.clear();
    });
    assert_eq!(outcome, Outcome::VerificationFailed(VerificationFault::StoredChain));
}

#[test]
fn a_certificate_that_leads_to_no_anchor_does_not_pass_also_when_nobody_knows_what_was_sent() {
    let outcome = spoilt(|device, journal| {
        *journal = UnitProgress::default();
        let key = KeyPair::generate().unwrap();
        let stranger = Issuer::new(CertificateParams::default(), key);
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::OrganizationalUnitName, device.id.product.as_str());
        params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 5]), device.id.serial.as_str());
        params.serial_number = Some(rcgen::SerialNumber::from_slice(&[0x41; 16]));
        let der = params.signed_by(device.key.as_ref().unwrap(), &stranger).unwrap().der().to_vec();
        device.installed.as_mut().unwrap().0 = der;
    });
    assert!(matches!(outcome, Outcome::VerificationFailed(VerificationFault::Chain(_))), "{outcome}");
}

#[test]
fn a_certificate_of_another_device_is_not_installed() {
    let key = KeyPair::generate().unwrap();
    let csr = CertificateParams::default().serialize_request(&key).unwrap().der().to_vec();
    let number = SerialNumber::try_from([0x41; 16].as_slice()).unwrap();
    let certificate = issue(&unit(2), &key, number);
    assert_eq!(verify_issued(&certificate, &csr, &unit(1)), Err(VerificationFault::Subject));
    assert_eq!(verify_issued(&certificate, &csr, &unit(2)), Ok(()));
    let other = CertificateParams::default().serialize_request(&KeyPair::generate().unwrap()).unwrap();
    assert_eq!(verify_issued(&certificate, other.der(), &unit(2)), Err(VerificationFault::Key));
}

#[test]
fn a_unit_that_is_not_the_one_with_the_serial_number_is_told_nothing() {
    let limits = Limits { answer_timeout: Duration::ZERO, sends_max: 1, ca_timeout: Duration::from_secs(1) };
    let randomness = SessionRandomness { request_id: [0; 16].into(), nonce: [0; 32], first_exchange: 1 };
    let fault = DeviceResponse::Fault { code: FaultCode::WrongDevice, message: "no serial number".into() };
    let hello = DeviceRequest::Hello { serial: None, product: unit(9).product, withdrawn: Vec::new() };
    for response in [fault, Device::new(unit(9)).work(&hello)] {
        let bundle = Arc::clone(&makers().bundle);
        let asked = Assignment::Identify(Taken::OtherStation);
        let mut session =
            Session::new(unit(1), asked, bundle, limits, randomness.clone(), UnitProgress::default());
        let commands = session.handle(Event::Begin, now());
        let Some(Command::Send { exchange, request }) = commands.first() else { panic!("{commands:?}") };
        assert!(matches!(request, DeviceRequest::Hello { serial: None, .. }), "{request:?}");
        let commands = session.handle(Event::Response { exchange: *exchange, response }, now());
        assert_eq!(commands, [Command::End(Outcome::SerialTaken(Taken::OtherStation))]);
    }
}

#[test]
fn a_unit_that_still_has_the_certificate_that_is_replaced_does_not_pass_with_it() {
    let (mut device, mut ca, mut journal) = (Device::new(unit(1)), Ca::new(2), UnitProgress::default());
    assert_eq!(one_session(&mut device, &mut ca, &mut journal), Outcome::Passed);
    let serial_number = journal.certificate.as_ref().unwrap().serial_number;
    journal.apply(&Step::Superseded { serial_number });
    assert_eq!(one_session(&mut device, &mut ca, &mut journal), Outcome::NotErased);
    assert!(!journal.passed && journal.superseded == Some(serial_number));
}

#[test]
fn a_station_that_hears_itself_says_that_the_line_echoes() {
    let limits = Limits { answer_timeout: Duration::ZERO, sends_max: 1, ca_timeout: Duration::from_secs(1) };
    let randomness = SessionRandomness { request_id: [0; 16].into(), nonce: [0; 32], first_exchange: 1 };
    let bundle = Arc::clone(&makers().bundle);
    let mut session = Session::new(unit(1), told(), bundle, limits, randomness, UnitProgress::default());
    let commands = session.handle(Event::Begin, now());
    let Some(Command::Send { exchange, request }) = commands.first() else { panic!("{commands:?}") };
    assert!(crate::wire::is_echo(&crate::wire::encode_request(*exchange, request)));
    assert_eq!(session.handle(Event::Echo, now()), [Command::End(Outcome::Echo)]);
}

/// A session of which the first question was sent, and its exchange number.
fn greeting(assignment: Assignment, progress: UnitProgress) -> (Session, u32) {
    let limits = Limits { answer_timeout: Duration::ZERO, sends_max: 9, ca_timeout: Duration::from_secs(1) };
    let randomness = SessionRandomness { request_id: [0; 16].into(), nonce: [0; 32], first_exchange: 1 };
    let mut session =
        Session::new(unit(1), assignment, Arc::clone(&makers().bundle), limits, randomness, progress);
    session.handle(Event::Begin, now());
    (session, 1)
}

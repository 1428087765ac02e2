//! A station, a device and a CA that crash between any two steps, over a link that loses, doubles and
//! damages: the unit ends with one identity, and the count is right.

use std::collections::VecDeque;
use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use ca::{Ca, issue, makers};
use device::Device;

mod answers;
mod ca;
mod deferral;
mod device;
mod read_back;
mod rework;

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
    let limits = limits(5);
    let id = device.id.clone();
    let mut session =
        Session::new(id.clone(), told(), Arc::clone(&makers().bundle), limits, randomness, journal.clone());
    let mut events = VecDeque::from([Event::Begin]);
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
                Command::RequestCertificate { request_id, csr, .. } => {
                    let event = ca.ask(request_id, &id, &csr);
                    events.push_back(if trouble.strikes() { lost_reply() } else { event });
                }
                Command::Confirm { serial_number } => {
                    let event = ca.confirm(&id, serial_number);
                    events.push_back(if trouble.strikes() { lost_reply() } else { event });
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
    events: &mut VecDeque<Event>,
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

fn lost_reply() -> Event {
    Event::CaUnreachable("lost reply".into())
}

fn limits(sends_max: u32) -> Limits {
    let (answer_timeout, damage_pause) = (Duration::from_secs(1), Duration::from_millis(250));
    Limits { answer_timeout, damage_pause, sends_max, ca_timeout: Duration::from_secs(30) }
}

fn told() -> Assignment {
    Assignment::Assign
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

/// A session that was begun, and its first exchange.
fn begun(assignment: Assignment, progress: UnitProgress) -> (Session, u32, DeviceRequest) {
    let randomness =
        SessionRandomness { request_id: [0; 16].into(), nonce: [0; 32], first_exchange: u32::MAX };
    let bundle = Arc::clone(&makers().bundle);
    let mut session = Session::new(unit(1), assignment, bundle, limits(3), randomness, progress);
    let commands = session.handle(Event::Begin, now());
    let Some(Command::Send { exchange, request }) = commands.first() else { panic!("{commands:?}") };
    (session, *exchange, request.clone())
}

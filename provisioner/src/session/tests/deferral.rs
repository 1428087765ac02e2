//! A unit that is made while the CA cannot be asked: station, device and CA stop between any two steps, in
//! every combination, and the unit ends with one identity.

use super::*;

/// What is cut, once: the station before it carries out a command, or the power of the device before it works
/// on a request, or before it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Station(usize),
    DeviceBefore(usize),
    DeviceAfter(usize),
    Nothing,
}

/// How the CA takes part in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Up,
    /// Nothing arrives.
    Away,
    /// It issues, and its answer is lost.
    AnswerLost,
}

/// What became of a session, and how many commands it had.
#[derive(Debug)]
struct Ended {
    outcome: Option<Outcome>,
    commands: usize,
}

fn session(device: &mut Device, ca: &mut Ca, journal: &mut UnitProgress, line: Line, cut: Cut) -> Ended {
    // A request that is repeated after a crash comes from the journal, so any id will do.
    let request_id = [u8::try_from(ca.requests.len()).unwrap() + 1; 16].into();
    let randomness = SessionRandomness { request_id, nonce: [7; 32], first_exchange: 1 };
    let id = device.id.clone();
    let bundle = Arc::clone(&makers().bundle);
    device.last = None;
    let mut session = Session::new(id.clone(), told(), bundle, limits(3), randomness, journal.clone());
    let (mut events, mut commands) = (VecDeque::from([Event::Begin]), 0);
    loop {
        let event = events.pop_front().unwrap_or_else(no_power);
        for command in session.handle(event, now()) {
            if cut == Cut::Station(commands) {
                return Ended { outcome: None, commands };
            }
            commands += 1;
            match command {
                Command::Record(step) => journal.apply(&step),
                Command::ArmTimer(_) => {}
                Command::Send { .. } if cut == Cut::DeviceBefore(commands - 1) => {}
                Command::Send { exchange, request } => {
                    let response = device.response(exchange, &request);
                    if cut != Cut::DeviceAfter(commands - 1) {
                        events.push_back(Event::Response { exchange, response });
                    }
                }
                Command::RequestCertificate { request_id, csr, .. } => {
                    if line != Line::Away {
                        let answer = ca.ask(request_id, &id, &csr);
                        if line == Line::Up {
                            events.push_back(answer);
                            continue;
                        }
                    }
                    // The serial number is reserved, and the clock is right.
                    events.push_back(Event::Defer { made_at: now(), crew: CrewNow::default() });
                }
                Command::Confirm { serial_number } => {
                    let confirmed = (line != Line::Away).then(|| ca.confirm(&id, serial_number));
                    events.push_back(confirmed.filter(|_| line == Line::Up).unwrap_or(Event::ConfirmLater));
                }
                Command::End(outcome) => return Ended { outcome: Some(outcome), commands },
            }
        }
    }
}

fn no_power() -> Event {
    Event::LinkLost("the device has no power".into())
}

struct World {
    device: Device,
    ca: Ca,
    journal: UnitProgress,
}

impl World {
    fn new() -> Self {
        let mut device = Device::new(unit(1));
        device.answers_again = true;
        Self { device, ca: Ca::new(2), journal: UnitProgress::default() }
    }

    fn session(&mut self, line: Line, cut: Cut) -> Ended {
        session(&mut self.device, &mut self.ca, &mut self.journal, line, cut)
    }

    /// The CA reconciles what the journal has, and the unit comes to the bench until it has its certificate.
    fn ends_well(&mut self, case: &str) {
        let reconciles = self.journal.deferred.is_some() && self.journal.certificate.is_none();
        if let (true, Some((request_id, csr))) = (reconciles, self.journal.asked.clone()) {
            match self.ca.ask(request_id, &self.device.id, &csr) {
                Event::Issued(certificate) => self.journal.apply(&Step::Issued(certificate)),
                other => panic!("{case}: {other:?}"),
            }
        }
        if let (true, false, Some(number)) =
            (self.journal.passed, self.journal.confirmed, self.journal.read_back)
        {
            assert!(matches!(self.ca.confirm(&self.device.id, number), Event::Confirmed), "{case}");
            self.journal.apply(&Step::Confirmed);
        }
        let outcome = (0..3).find_map(|_| match self.session(Line::Up, Cut::Nothing).outcome {
            Some(Outcome::Passed) => Some(Outcome::Passed),
            Some(outcome) => panic!("{case}: {outcome}"),
            None => None,
        });
        assert_eq!(outcome, Some(Outcome::Passed), "{case}");
        let (_, on_record) = &self.ca.devices[&self.device.id];
        assert_eq!(self.device.installed.as_ref().unwrap().0, on_record.der, "{case}: one identity");
        assert_eq!((self.ca.devices.len(), self.ca.requests.len()), (1, 1), "{case}: exact counts");
        assert_eq!(self.ca.confirmed[&self.device.id], on_record.serial_number, "{case}");
        assert!(self.device.locked && self.journal.passed, "{case}");
        assert_eq!(self.journal.certificate.as_ref(), Some(on_record), "{case}: the journal explains it");
    }
}

fn cuts(commands: usize) -> impl Iterator<Item = Cut> {
    (0..commands).flat_map(|at| [Cut::Station(at), Cut::DeviceBefore(at), Cut::DeviceAfter(at)])
}

#[test]
fn a_unit_is_locked_without_its_certificate_and_gets_it_later() {
    let mut world = World::new();
    assert_eq!(world.session(Line::Away, Cut::Nothing).outcome, Some(Outcome::Deferred));
    assert!(world.device.locked && world.journal.locked_deferred && !world.journal.passed);
    assert!(world.device.installed.as_ref().unwrap().0.is_empty() && world.ca.requests.is_empty());
    // On the bench again, and the CA is still away.
    assert_eq!(world.session(Line::Away, Cut::Nothing).outcome, Some(Outcome::Deferred));
    world.ends_well("at once");
}

#[test]
fn a_unit_whose_certificate_came_before_the_ca_went_away_is_locked_and_recorded_later() {
    let mut world = World::new();
    world.session(Line::AnswerLost, Cut::Nothing);
    // Its certificate was issued, and the CA is away when it is to be recorded as passed.
    let certificate = world.ca.devices[&world.device.id].1.clone();
    world.journal.apply(&Step::Issued(certificate));
    assert_eq!(world.session(Line::Away, Cut::Nothing).outcome, Some(Outcome::Passed));
    assert!(world.device.locked && !world.journal.confirmed && world.ca.confirmed.is_empty());
    world.ends_well("confirmed later");
}

/// All pairs of cuts take about a minute: `TOUCHMARK_DEFERRAL_CASES=all`. Usually every cut of the first
/// session is followed by some of the second.
#[test]
fn whatever_is_cut_while_a_certificate_is_deferred_the_unit_ends_with_one_identity() {
    let step =
        if std::env::var("TOUCHMARK_DEFERRAL_CASES").is_ok_and(|cases| cases == "all") { 1 } else { 29 };
    let mut cases = 0;
    for first in [Line::Away, Line::AnswerLost] {
        let commands = World::new().session(first, Cut::Nothing).commands;
        for (number, cut) in cuts(commands).chain([Cut::Nothing]).enumerate() {
            for second in [Line::Away, Line::AnswerLost, Line::Up] {
                let mut world = World::new();
                world.session(first, cut);
                let (journal, ca, device) = (world.journal, world.ca, world.device);
                let mut probe = World { journal, ca, device };
                let length = commands + 12;
                probe.session(second, Cut::Nothing);
                probe.ends_well(&format!("{first:?} {cut:?} {second:?}"));
                cases += 1;
                for again in cuts(length).skip(number % step).step_by(step) {
                    let case = format!("{first:?} {cut:?} {second:?} {again:?}");
                    let mut world = World::new();
                    world.session(first, cut);
                    world.session(second, again);
                    world.ends_well(&case);
                    cases += 1;
                }
            }
        }
    }
    assert!(cases > 1_000, "{cases}");
}

/// What a device says that was to be locked without its certificate.
fn spoilt(spoil: impl FnOnce(&mut ReadBack)) -> Outcome {
    // Installed, and neither read back nor locked.
    let commands = World::new().session(Line::Away, Cut::Nothing).commands;
    let mut world = World::new();
    world.session(Line::Away, Cut::Station(commands - 5));
    let randomness = SessionRandomness { request_id: [1; 16].into(), nonce: [7; 32], first_exchange: 1 };
    let bundle = Arc::clone(&makers().bundle);
    let (id, journal) = (world.device.id.clone(), world.journal.clone());
    let mut session = Session::new(id, told(), bundle, limits(3), randomness, journal);
    let (mut events, mut spoil) = (VecDeque::from([Event::Begin]), Some(spoil));
    while let Some(event) = events.pop_front() {
        for command in session.handle(event, now()) {
            match command {
                Command::Send { exchange, request } => {
                    let mut response = world.device.response(exchange, &request);
                    if let DeviceResponse::ReadBack(read_back) = &mut response
                        && let Some(spoil) = spoil.take()
                    {
                        spoil(read_back);
                    }
                    events.push_back(Event::Response { exchange, response });
                }
                Command::RequestCertificate { .. } => {
                    events.push_back(Event::Defer { made_at: now(), crew: CrewNow::default() })
                }
                Command::End(outcome) => return outcome,
                Command::Record(_) | Command::ArmTimer(_) | Command::Confirm { .. } => {}
            }
        }
    }
    panic!("it ended without an outcome");
}

#[test]
fn a_unit_that_keeps_other_anchors_or_has_another_key_is_not_locked_without_its_certificate() {
    let fault = |fault| Outcome::VerificationFailed(fault);
    let other_key = rcgen::KeyPair::generate().unwrap();
    let signature = rcgen::SigningKey::sign(&other_key, &read_back_message(&[7; 32])).unwrap();
    assert_eq!(spoilt(|said| said.signature = signature), fault(VerificationFault::Signature));
    assert_eq!(spoilt(|said| said.anchors_digest = vec![0; 32]), fault(VerificationFault::StoredAnchors));
    assert_eq!(spoilt(|said| said.certificate = vec![1]), fault(VerificationFault::StoredCertificate));
    assert_eq!(spoilt(|said| said.chain = vec![vec![1]]), fault(VerificationFault::StoredChain));
}

#[test]
fn firmware_that_knows_no_deferral_and_units_of_other_stations_are_named() {
    let mut world = World::new();
    let Ended { outcome, .. } = world.session(Line::Away, Cut::Nothing);
    assert_eq!(outcome, Some(Outcome::Deferred));
    world.journal = UnitProgress::default();
    assert_eq!(world.session(Line::Up, Cut::Nothing).outcome, Some(Outcome::DeferredElsewhere));

    let (mut session, exchange, _) = begun(told(), UnitProgress::default());
    let greeting = Greeting {
        protocol_version: PROTOCOL_VERSION,
        device: Some(unit(1)),
        firmware: String::new(),
        key_types: vec![KEY_TYPE.into()],
        step: FactoryStep::Blank,
        certificate_deferred: false,
        takes_deferral: false,
    };
    session.handle(Event::Response { exchange, response: DeviceResponse::Hello(greeting) }, now());
    let csr = rcgen::CertificateParams::default();
    let csr = csr.serialize_request(&rcgen::KeyPair::generate().unwrap()).unwrap().der().to_vec();
    session.handle(Event::Response { exchange: 1, response: DeviceResponse::Csr(csr) }, now());
    let commands = session.handle(Event::Defer { made_at: now(), crew: CrewNow::default() }, now());
    assert_eq!(commands, [Command::End(Outcome::CannotDefer)]);
}

//! What a device or a CA says, and what the session makes of it.

use super::*;

#[test]
fn another_device_on_the_bench_is_refused_before_it_makes_a_key() {
    let (mut session, exchange, request) = begun(told(), UnitProgress::default());
    assert_eq!(exchange, u32::MAX);
    let response = Device::new(unit(9)).response(exchange, &request);
    let commands = session.handle(Event::Response { exchange, response }, now());
    assert_eq!(
        commands,
        [Command::End(Outcome::WrongDevice { found: "cam-2/SN000009".into(), other_product: false })]
    );
    assert!(session.handle(Event::TimedOut, now()).is_empty(), "it ends once");
}

#[test]
fn a_device_that_never_answers_is_given_up_after_a_bounded_number_of_sends() {
    let (mut session, ..) = begun(told(), UnitProgress::default());
    let mut sends = 1;
    let outcome = loop {
        let commands = session.handle(Event::TimedOut, now());
        sends += commands.iter().filter(|command| matches!(command, Command::Send { .. })).count();
        if let Some(Command::End(outcome)) = commands.last() {
            break outcome.clone();
        }
    };
    assert_eq!(outcome, Outcome::TimedOut { doing: "saying hello", damaged: 0, noise_bytes: 0 });
    assert_eq!((sends, session.resent()), (3, 2));
}

#[test]
fn a_unit_that_is_not_the_one_with_the_serial_number_is_told_nothing() {
    let fault = DeviceResponse::Fault { code: FaultCode::WrongDevice, message: "no serial number".into() };
    let hello = DeviceRequest::Hello { serial: None, product: unit(9).product };
    for response in [fault, Device::new(unit(9)).work(&hello)] {
        let asked = Assignment::Identify(Taken::OtherStation);
        let (mut session, exchange, request) = begun(asked, UnitProgress::default());
        assert!(matches!(request, DeviceRequest::Hello { serial: None, .. }), "{request:?}");
        let commands = session.handle(Event::Response { exchange, response }, now());
        assert_eq!(commands, [Command::End(Outcome::SerialTaken(Taken::OtherStation))]);
    }
}

#[test]
fn a_station_that_hears_itself_says_that_the_line_echoes() {
    let (mut session, exchange, request) = begun(told(), UnitProgress::default());
    assert!(crate::wire::is_echo(&crate::wire::encode_request(exchange, &request)));
    assert_eq!(session.handle(Event::Echo, now()), [Command::End(Outcome::Echo)]);
}

#[test]
fn a_whole_frame_with_wrong_content_is_the_devices_fault_and_not_the_cables() {
    use prost::Message;
    use proto::v1::{self, device_message::Response};
    let hello = |step| Some(Response::Hello(v1::HelloResponse { step, ..Default::default() }));
    for (response, words) in [(hello(9), "step 9"), (hello(0), "step 0"), (None, "its answer is empty")] {
        let (mut session, exchange, _) = begun(told(), UnitProgress::default());
        let mut message = v1::DeviceMessage { exchange: exchange - 7, response, from_device: true };
        for (exchange, ends) in [(exchange - 7, false), (exchange, true)] {
            message.exchange = exchange;
            let wrong = crate::wire::decode_response(&message.encode_to_vec()).unwrap_err();
            let event = Event::NotTheProtocol { exchange: wrong.exchange, what: wrong.what };
            let commands = session.handle(event, now());
            assert_eq!(commands.is_empty(), !ends, "an answer to an earlier request is ignored");
            if let Some(Command::End(outcome)) = commands.first() {
                assert_eq!(outcome.name(), "misbehaved");
                assert!(outcome.to_string().contains(words), "{outcome}");
            }
        }
    }
    assert_eq!(crate::wire::decode_response(&[0xff]).unwrap_err().exchange, None);
}

#[test]
fn a_device_of_another_product_is_told_from_one_with_another_serial_number() {
    for (found, reason) in [
        ("this unit is cam-3/SN000001", "another-product"),
        ("this unit is cam-2/SN000002", "another-serial-number"),
        ("I am somebody else", "another-serial-number"),
    ] {
        let (mut session, exchange, _) = begun(told(), UnitProgress::default());
        let response = DeviceResponse::Fault { code: FaultCode::WrongDevice, message: found.into() };
        let commands = session.handle(Event::Response { exchange, response }, now());
        let Some(Command::End(outcome)) = commands.first() else { panic!("{commands:?}") };
        assert_eq!((outcome.name(), outcome.reason()), ("wrong-device", reason));
    }
}

#[test]
fn a_certificate_that_is_not_valid_yet_by_the_stations_clock_says_that_the_clock_is_wrong() {
    let at = |days: u64| rustls_pki_types::UnixTime::since_unix_epoch(Duration::from_secs(days * 86_400));
    let fault = VerificationFault::Chain(webpki::Error::CertNotValidYet { time: at(1), not_before: at(41) });
    let outcome = Outcome::from(fault);
    assert_eq!(outcome.reason(), "STATION_CLOCK_WRONG");
    assert!(
        outcome.to_string().contains("begins only at 1970-02-11T00:00:00Z: set the station's clock"),
        "{outcome}"
    );
    let other = VerificationFault::Chain(webpki::Error::UnknownIssuer).to_string();
    assert!(other.ends_with("none of the anchors signed it or an issuer of its chain"), "{other}");
}

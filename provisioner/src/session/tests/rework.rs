//! Units that are to be made again.

use identity::SerialNumber;

use super::*;

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
fn a_unit_that_keeps_its_key_over_a_rework_does_not_pass_with_the_certificate_that_the_ca_has_for_it() {
    let (mut device, mut ca, mut journal) = (Device::new(unit(1)), Ca::new(2), UnitProgress::default());
    assert_eq!(one_session(&mut device, &mut ca, &mut journal), Outcome::Passed);
    let serial_number = journal.certificate.as_ref().unwrap().serial_number;
    // It never got its certificate, and the CA gives a key that it knows the certificate that it has.
    (device.installed, device.locked, device.last) = (None, false, None);
    let mut fresh = UnitProgress::default();
    fresh.apply(&Step::Superseded { serial_number });
    assert_eq!(one_session(&mut device, &mut ca, &mut fresh), Outcome::NotErased);
}

#[test]
fn a_board_with_a_certificate_that_a_rework_replaced_is_named_so_where_no_journal_knows_it() {
    let (mut device, mut ca, mut journal) = (Device::new(unit(1)), Ca::new(2), UnitProgress::default());
    assert_eq!(one_session(&mut device, &mut ca, &mut journal), Outcome::Passed);
    let now_on_record = SerialNumber::try_from([0x7f; 16].as_slice()).unwrap();
    device.locked = false;
    let (session, mut exchange, mut request) = begun(told(), UnitProgress::default());
    let mut session = session.with_certificate_on_record(Some(now_on_record));
    loop {
        let response = device.response(exchange, &request);
        let commands = session.handle(Event::Response { exchange, response }, now());
        match commands.into_iter().next() {
            Some(Command::Send { exchange: next, request: asked }) => (exchange, request) = (next, asked),
            Some(Command::End(outcome)) => return assert_eq!(outcome, Outcome::Replaced),
            other => panic!("{other:?}"),
        }
    }
}

//! What a unit must not pass its read-back with.

use identity::SerialNumber;
use rcgen::{CertificateParams, DnType, Issuer, KeyPair};

use super::*;

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

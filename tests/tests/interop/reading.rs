//! All implementations read every kind of certificate, the issuers' too, with the intended content.

use std::process::Command;

use identity::ProfileName;

use crate::case::write;
use crate::pki::Pki;
use crate::program::run;

#[test]
fn openssl_and_gnutls_read_every_kind_of_certificate() {
    let (pki, directory) = (Pki::fresh(), tempfile::tempdir().unwrap());
    for name in ProfileName::all() {
        let file = write(directory.path(), &name.to_string(), &[pki.holder(name).certificate.der()]);
        let openssl = run(Command::new("openssl").args(["x509", "-noout", "-text", "-in"]).arg(&file));
        assert!(openssl.content, "{name}: {}", openssl.text);
        let serial = pki.holder(name).certificate.serial_number();
        assert_eq!(
            run(Command::new("openssl").args(["x509", "-noout", "-serial", "-in"]).arg(&file)).stdout.trim(),
            format!("serial={}", serial.to_string().to_uppercase())
        );
        let gnutls = run(Command::new("certtool").args(["--certificate-info", "--infile"]).arg(&file));
        assert!(gnutls.content, "{name}: {}", gnutls.text);
    }
}

#[test]
fn openssl_strictly_accepts_every_issuer_below_the_root() {
    let (pki, directory) = (Pki::fresh(), tempfile::tempdir().unwrap());
    let root = write(directory.path(), "root", &[pki.holder(ProfileName::Root).certificate.der()]);
    for name in ProfileName::all().filter(|name| pki.holder(*name).certificate.is_ca()) {
        let file = write(directory.path(), &name.to_string(), &[pki.holder(name).certificate.der()]);
        let answer =
            run(Command::new("openssl").args(["verify", "-x509_strict", "-CAfile"]).arg(&root).arg(&file));
        assert!(answer.content, "{name}: {}", answer.text);
    }
}

#[test]
fn a_hardware_module_name_is_an_other_name_to_openssl() {
    let (pki, directory) = (Pki::fresh(), tempfile::tempdir().unwrap());
    let idevid = pki.holder(ProfileName::Idevid).certificate.der();
    let file = write(directory.path(), "idevid", &[idevid]);
    let text =
        run(Command::new("openssl").args(["x509", "-noout", "-ext", "subjectAltName", "-in"]).arg(&file))
            .text;
    assert!(text.contains("othername: 1.3.6.1.5.5.7.8.4"), "R-AR-08: {text}");
    // A serial is unique in its product only, a hwSerialNum in all products of a hwType.
    let device = b"cam-2/SN000123";
    let octets = [&[4, 14][..], device].concat();
    assert!(idevid.windows(octets.len()).any(|window| window == octets), "R-AR-08, R-AR-12");
}

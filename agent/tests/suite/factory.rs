//! The real program on a pipe, with a station that behaves and one that does not.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use proto::v1::{DeviceFaultCode as Code, FactoryStep as Step};
use std::collections::BTreeSet;

use crate::support::prelude::*;

const URL: &str = "https://ca.example.com:8443";

#[test]
fn a_blank_unit_takes_its_identity_proves_it_and_is_locked() {
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("unit");
    let issuers = Issuers::new();
    let mut bench = Bench::start(&state);
    assert_eq!(step(&bench.hello("cam-2", "SN1")), Step::Blank);
    let csr = bench.csr();
    let credential = issuers.credential(&issuers.factory, &csr, &CertificateSpec::birth("cam-2", "SN1"));
    assert!(matches!(bench.install(&credential, URL), Response::Install(_)));
    let Response::ReadBack(shown) = bench.read_back([9; 32]) else { panic!("no read-back") };
    assert_eq!(shown.certificate, credential.certificate);
    assert_eq!(shown.chain, credential.chain);
    let anchor = &credential.anchors[0];
    let framed = [&u32::try_from(anchor.len()).unwrap().to_be_bytes()[..], anchor].concat();
    assert_eq!(shown.anchors_digest, digest(&SHA256, &framed).as_ref());
    let csr = Csr::from_der(&csr).unwrap();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, csr.public_key().key_bits())
        .verify(&[&b"touchmark read-back v1\0"[..], &[9; 32]].concat(), &shown.signature)
        .unwrap();
    assert!(matches!(bench.lock(), Response::Lock(_)));
    assert_eq!(bench.close(), Some(0));
    let mode = |name: &str| state.join("idevid").join(name).metadata().unwrap().permissions().mode();
    assert_eq!(mode("key.pem") & 0o7777, 0o600);
    assert_eq!(mode("cert.pem") & 0o7777, 0o644);
}

#[test]
fn a_locked_unit_proves_itself_but_takes_no_factory_command() {
    let home = tempfile::tempdir().unwrap();
    let issuers = Issuers::new();
    let credential = installed(home.path(), &issuers);
    let mut bench = Bench::start(home.path());
    assert!(matches!(bench.lock(), Response::Lock(_)));
    assert_eq!(bench.close(), Some(0));
    let mut bench = Bench::start(home.path());
    assert_eq!(step(&bench.hello("cam-2", "SN1")), Step::Locked);
    assert!(matches!(bench.lock(), Response::Lock(_)));
    assert!(matches!(bench.read_back([1; 32]), Response::ReadBack(_)));
    assert_eq!(fault(&bench.generate_key()), Code::Locked);
    assert!(matches!(bench.install(&credential, URL), Response::Install(_)), "it has this one already");
    let key = view(home.path()).key(CredentialLocation::Birth).unwrap();
    let another = issuers.credential(
        &issuers.factory,
        &agent::key::certificate_request(&*key).unwrap(),
        &CertificateSpec::birth("cam-2", "SN1"),
    );
    assert_eq!(fault(&bench.install(&another, URL)), Code::Locked);
    assert_eq!(fault(&bench.install(&another.deferred(), URL)), Code::Locked);
}

#[test]
fn a_unit_killed_after_any_answer_goes_on_with_the_same_key() {
    let home = tempfile::tempdir().unwrap();
    let issuers = Issuers::new();
    let mut keys = BTreeSet::new();
    for round in 0..3 {
        let mut bench = Bench::start(home.path());
        assert_eq!(step(&bench.hello("cam-2", "SN1")), if round == 0 { Step::Blank } else { Step::KeyReady });
        keys.insert(Csr::from_der(&bench.csr()).unwrap().public_key().fingerprint());
        bench.kill();
    }
    let credential = installed(home.path(), &issuers);
    let mut bench = Bench::start(home.path());
    assert_eq!(step(&bench.hello("cam-2", "SN1")), Step::Installed);
    keys.insert(Csr::from_der(&bench.csr()).unwrap().public_key().fingerprint());
    assert!(matches!(bench.install(&credential, URL), Response::Install(_)), "again is fine");
    bench.kill();
    assert_eq!(keys.len(), 1, "one unit, one key");
}

#[test]
fn what_does_not_fit_is_rejected_and_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (issuers, foreign) = (Issuers::new(), Issuers::new());
    let mut bench = Bench::start(home.path());
    bench.hello("cam-2", "SN1");
    let csr = bench.csr();
    let other_key = {
        let other = tempfile::tempdir().unwrap();
        let mut bench = Bench::start(other.path());
        bench.hello("cam-2", "SN1");
        bench.csr()
    };
    let mine = CertificateSpec::birth("cam-2", "SN1");
    let good = issuers.credential(&issuers.factory, &csr, &mine);
    let mut cases = vec![
        ("another key", issuers.credential(&issuers.factory, &other_key, &mine), URL),
        (
            "another serial",
            issuers.credential(&issuers.factory, &csr, &CertificateSpec::birth("cam-2", "SN2")),
            URL,
        ),
        (
            "another product",
            issuers.credential(&issuers.factory, &csr, &CertificateSpec::birth("cam-3", "SN1")),
            URL,
        ),
        ("no https", good.clone(), "http://ca.example.com"),
        ("no url", good.clone(), "ca"),
    ];
    let mut push = |name, change: &dyn Fn(&mut Issued)| {
        let mut credential = good.clone();
        change(&mut credential);
        cases.push((name, credential, URL));
    };
    push("foreign anchors", &|c| c.anchors = vec![foreign.root.clone()]);
    push("no anchors", &|c| c.anchors.clear());
    push("no chain", &|c| c.chain.clear());
    push("another issuer's chain", &|c| c.chain = vec![issuers.operational.certificate.clone()]);
    push("too long a chain", &|c| c.chain = vec![issuers.factory.certificate.clone(); 5]);
    push("a certificate followed by a byte", &|c| c.certificate.push(0));
    push("a cut certificate", &|c| c.certificate.truncate(100));
    push("no certificate", &|c| c.certificate.clear());
    push("a changed certificate", &|c| *c.certificate.last_mut().unwrap() ^= 1);
    push("an anchor that is none", &|c| c.anchors.push(vec![1, 2, 3]));
    for (name, credential, url) in &cases {
        assert_eq!(fault(&bench.install(credential, url)), Code::Rejected, "{name}");
        assert_eq!(fault(&bench.lock()), Code::Unexpected, "{name}");
        assert_eq!(step(&bench.hello("cam-2", "SN1")), Step::KeyReady, "{name}");
    }
    assert!(matches!(bench.install(&good, URL), Response::Install(_)));
}

#[test]
fn a_question_at_the_wrong_step_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let mut bench = Bench::start(home.path());
    assert_eq!(fault(&bench.generate_key()), Code::Unexpected, "nobody yet");
    assert_eq!(fault(&bench.hello("cam-2", "")), Code::WrongDevice, "no serial number");
    assert_eq!(fault(&bench.hello("Cam 2", "SN1")), Code::WrongDevice, "not a product");
    bench.hello("cam-2", "SN1");
    assert_eq!(fault(&bench.read_back([0; 32])), Code::Unexpected);
    assert_eq!(fault(&bench.lock()), Code::Unexpected);
    assert_eq!(fault(&bench.hello("cam-2", "SN2")), Code::WrongDevice);
    assert_eq!(fault(&bench.hello("cam-3", "SN1")), Code::WrongDevice);
    assert_eq!(step(&bench.hello("cam-2", "")), Step::Blank, "it has its own serial number now");
}

#[test]
fn a_damaged_frame_is_asked_for_again_and_a_repeated_question_costs_nothing() {
    let home = tempfile::tempdir().unwrap();
    let mut bench = Bench::start_with(home.path(), &["--product", "cam-2", "--serial", "SN1"]);
    bench.hello("cam-2", "");
    let question = proto::v1::StationMessage {
        exchange: 9,
        request: Some(proto::v1::station_message::Request::GenerateKey(proto::v1::GenerateKey {
            key_type: "p256".to_owned(),
        })),
        from_station: true,
    }
    .encode_to_vec();
    let mut frame = link::encode(&question).unwrap();
    frame[5] ^= 1;
    bench.send_raw(&frame);
    let answer = proto::v1::DeviceMessage::decode(bench.receive().as_slice()).unwrap();
    assert_eq!(answer.exchange, 0);
    assert_eq!(fault(&answer.response.unwrap()), Code::DamagedFrame);
    let noise = proto::v1::DeviceMessage::decode(bench.exchange_bytes(&[0xff; 40]).as_slice()).unwrap();
    assert_eq!(fault(&noise.response.unwrap()), Code::DamagedFrame, "a whole frame, but no message");
    // ECDSA is randomised: the same bytes say that nothing was signed again.
    assert_eq!(bench.exchange_bytes(&question), bench.exchange_bytes(&question));
}

#[test]
fn a_directory_with_other_files_is_refused_and_left_alone() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("photos.tar"), "mine").unwrap();
    let bench = Bench::start(home.path());
    assert_eq!(bench.close(), Some(3));
    let names: Vec<_> = home.path().read_dir().unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["photos.tar"]);
}

#[test]
fn two_agents_do_not_share_a_state_directory() {
    let home = tempfile::tempdir().unwrap();
    let mut first = Bench::start(home.path());
    first.hello("cam-2", "SN1");
    assert_eq!(Bench::start(home.path()).close(), Some(1));
    first.hello("cam-2", "SN1");
}

#[test]
fn an_agent_does_not_wait_for_ever() {
    let home = tempfile::tempdir().unwrap();
    let mut bench = Bench::start_with(home.path(), &["--idle-timeout", "50ms"]);
    assert_eq!(bench.child.wait().unwrap().code(), Some(1));
}

fn installed(state: &Path, issuers: &Issuers) -> Issued {
    let mut bench = Bench::start(state);
    bench.hello("cam-2", "SN1");
    let csr = bench.csr();
    let credential = issuers.credential(&issuers.factory, &csr, &CertificateSpec::birth("cam-2", "SN1"));
    assert!(matches!(bench.install(&credential, URL), Response::Install(_)));
    assert_eq!(bench.close(), Some(0));
    credential
}

#[test]
fn a_serial_number_that_the_line_takes_back_is_replaced_until_there_is_a_certificate() {
    use proto::v1::station_message::Request;
    let hello = |serial: &str, withdrawn: &[&str]| {
        Request::Hello(proto::v1::Hello {
            protocol_version: 1,
            assigned_serial: serial.to_owned(),
            product: "cam-2".to_owned(),
            withdrawn_serials: withdrawn.iter().map(|serial| (*serial).to_owned()).collect(),
        })
    };
    let home = tempfile::tempdir().unwrap();
    let mut bench = Bench::start(home.path());
    let named = |response: Response| match response {
        Response::Hello(hello) => hello.device.unwrap().serial,
        Response::Fault(fault) => fault.message,
        other => panic!("{other:?}"),
    };
    assert_eq!(named(bench.ask(hello("SN1", &[]))), "SN1");
    assert_eq!(named(bench.ask(hello("SN2", &[]))), "this unit is cam-2/SN1", "nobody took SN1 back");
    assert_eq!(named(bench.ask(hello("SN2", &["SN7"]))), "this unit is cam-2/SN1");
    bench.csr();
    assert_eq!(named(bench.ask(hello("SN2", &["SN7", "SN1"]))), "SN2", "a key alone is no identity");
    drop(bench);

    // One that has its serial number from elsewhere keeps it.
    let own = tempfile::tempdir().unwrap();
    let mut bench = Bench::start_with(own.path(), &["--product", "cam-2", "--serial", "SN1"]);
    assert_eq!(named(bench.ask(hello("SN2", &["SN1"]))), "this unit is cam-2/SN1");
}

#[test]
fn a_device_that_hears_itself_ends_and_says_that_the_line_echoes() {
    use std::io::{Read, Write};
    use std::process::Stdio;
    let home = tempfile::tempdir().unwrap();
    let mut agent = agent();
    agent.args(["factory", "--stdio", "--idle-timeout", "20s", "--state"]).arg(home.path());
    agent.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut agent = agent.spawn().unwrap();
    let (mut input, mut output) = (agent.stdin.take().unwrap(), agent.stdout.take().unwrap());
    // A whole frame that is no question: it is answered, and the answer comes back.
    input.write_all(&link::encode(&[0xff; 40]).unwrap()).unwrap();
    let (mut decoder, mut buffer) = (link::Decoder::new(), [0; 1024]);
    let answer = loop {
        let count = output.read(&mut buffer).unwrap();
        assert!(count > 0, "it answers");
        if let Some(answer) = decoder.push(&buffer[..count]).next() {
            break answer.unwrap();
        }
    };
    input.write_all(&link::encode(&answer).unwrap()).unwrap();
    let ended = agent.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(!ended.status.success() && said.contains("the line echoes"), "{}: {said}", ended.status);
}

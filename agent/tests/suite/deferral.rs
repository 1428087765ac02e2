//! Units that are locked before the CA can be asked, and get their certificate on the bench or at first boot.

use std::collections::BTreeSet;

use identity::KeyFingerprint;
use proto::v1::{DeviceFaultCode as Code, FactoryStep as Step};

use crate::support::prelude::*;

const URL: &str = "https://ca.example.com:8443";

fn spec() -> CertificateSpec {
    CertificateSpec::birth("cam-2", "SN1")
}

/// Takes a unit through the factory without a certificate, and returns the one that it is to get.
fn locked_without(state: &Path, issuers: &Issuers) -> Issued {
    let mut bench = Bench::start(state);
    bench.hello("cam-2", "SN1");
    let credential = issuers.credential(&issuers.factory, &bench.csr(), &spec());
    assert!(matches!(bench.install(&credential.deferred(), URL), Response::Install(_)));
    let Response::ReadBack(shown) = bench.read_back([9; 32]) else { panic!("no read-back") };
    assert!(shown.certificate.is_empty() && shown.chain.is_empty());
    assert_eq!(shown.anchors_digest.len(), 32);
    assert!(matches!(bench.lock(), Response::Lock(_)));
    assert_eq!(bench.close(), Some(0));
    credential
}

fn hello(bench: &mut Bench) -> (Step, bool) {
    match bench.hello("cam-2", "SN1") {
        Response::Hello(hello) => {
            assert_eq!(hello.capabilities, ["deferral"]);
            (hello.step(), hello.certificate_deferred)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_locked_unit_without_a_certificate_takes_the_one_for_its_key_and_nothing_after_it() {
    let (home, issuers, foreign) = (tempfile::tempdir().unwrap(), Issuers::new(), Issuers::new());
    let credential = locked_without(home.path(), &issuers);
    let mut bench = Bench::start(home.path());
    assert_eq!(hello(&mut bench), (Step::Locked, true));
    assert_eq!(fault(&bench.generate_key()), Code::Locked);
    // What is done already is answered again; anything else that would change the unit is not done.
    assert!(matches!(bench.install(&credential.deferred(), URL), Response::Install(_)));
    assert!(matches!(bench.lock(), Response::Lock(_)));
    let elsewhere = "https://other.example.com";
    assert_eq!(fault(&bench.install(&credential.deferred(), elsewhere)), Code::Locked);
    let other_anchors = Issued { anchors: foreign.root_only(), ..credential.deferred() };
    assert_eq!(fault(&bench.install(&other_anchors, URL)), Code::Locked);
    let key = view(home.path()).key(CredentialLocation::Birth).unwrap();
    let csr = agent::key::certificate_request(&*key).unwrap();
    for (what, wrong) in [
        ("of a stranger's CA", foreign.credential(&foreign.factory, &csr, &spec())),
        (
            "of another unit",
            issuers.credential(&issuers.factory, &csr, &CertificateSpec::birth("cam-2", "SN2")),
        ),
        ("without its chain", Issued { chain: Vec::new(), ..credential.clone() }),
    ] {
        assert_eq!(fault(&bench.install(&wrong, URL)), Code::Rejected, "{what}");
    }
    assert_eq!(hello(&mut bench), (Step::Locked, true));
    // Anchors and address are those that it was locked with, whatever comes with the certificate.
    let with_others = Issued { anchors: foreign.root_only(), ..credential.clone() };
    assert!(matches!(bench.install(&with_others, elsewhere), Response::Install(_)));
    assert_eq!(hello(&mut bench), (Step::Locked, false));
    let record = view(home.path());
    assert_eq!(record.record().enrollment_url.as_deref(), Some(URL));
    assert_eq!(record.anchors(CredentialLocation::Birth).unwrap(), credential.anchors);
    let another = issuers.credential(&issuers.factory, &csr, &spec());
    assert_eq!(fault(&bench.install(&another, URL)), Code::Locked, "one certificate, and no other");
    assert_eq!(fault(&bench.install(&credential.deferred(), URL)), Code::Locked, "it is not taken away");
    bench.kill();
    let mut bench = Bench::start(home.path());
    assert!(matches!(bench.install(&credential, URL), Response::Install(_)), "the answer was lost");
    let Response::ReadBack(shown) = bench.read_back([1; 32]) else { panic!("no read-back") };
    assert_eq!(shown.certificate, credential.certificate);
}

#[test]
fn a_unit_that_is_not_locked_gets_its_certificate_when_the_ca_is_back_and_keeps_it() {
    let (home, issuers) = (tempfile::tempdir().unwrap(), Issuers::new());
    let mut bench = Bench::start(home.path());
    bench.hello("cam-2", "SN1");
    let csr = bench.csr();
    let credential = issuers.credential(&issuers.factory, &csr, &spec());
    let no_anchors = Issued { anchors: Vec::new(), ..credential.deferred() };
    let chain_alone = Issued { chain: credential.chain.clone(), ..credential.deferred() };
    let no_anchor = Issued { anchors: vec![vec![1, 2, 3]], ..credential.deferred() };
    for wrong in [no_anchors, chain_alone, no_anchor] {
        assert_eq!(fault(&bench.install(&wrong, URL)), Code::Rejected);
        assert_eq!(hello(&mut bench), (Step::KeyReady, false));
    }
    assert!(matches!(bench.install(&credential.deferred(), URL), Response::Install(_)));
    assert_eq!(hello(&mut bench), (Step::Installed, true));
    let again = Csr::from_der(&bench.csr()).unwrap().public_key().fingerprint();
    assert_eq!(again, Csr::from_der(&csr).unwrap().public_key().fingerprint());
    assert!(matches!(bench.install(&credential, URL), Response::Install(_)));
    assert_eq!(hello(&mut bench), (Step::Installed, false));
    assert_eq!(fault(&bench.install(&credential.deferred(), URL)), Code::Rejected, "it is not taken away");
    assert_eq!(hello(&mut bench), (Step::Installed, false));
}

#[test]
fn a_unit_that_loses_power_at_any_write_of_the_deferred_path_ends_with_one_key_and_one_certificate() {
    let issuers = Issuers::new();
    for last_is_done in [false, true] {
        for operations in 0.. {
            let home = tempfile::tempdir().unwrap();
            let disk = Arc::new(PowerCut::after(operations, last_is_done));
            let case = format!("cut at {operations}, done: {last_is_done}");
            let mut seen = Seen::default();
            let first = deferred_bench(home.path(), Storage::on(disk.clone()), &issuers, &mut seen);
            assert_eq!(first.is_err(), disk.happened(), "{case}");
            deferred_bench(home.path(), Storage::default(), &issuers, &mut seen)
                .unwrap_or_else(|error| panic!("{case}: {error}"));
            assert_eq!(seen.keys.len(), 1, "{case}");
            let kept = view(home.path()).credential(CredentialLocation::Birth).unwrap();
            assert_eq!(Some(&kept.leaf.der), seen.certificate.as_ref().map(|it| &it.certificate), "{case}");
            if !disk.happened() {
                assert!(operations > 30, "there were only {operations} places to cut");
                break;
            }
        }
    }
}

#[derive(Default)]
struct Seen {
    keys: BTreeSet<KeyFingerprint>,
    certificate: Option<Issued>,
}

/// The station's side, which knows what it saw of the unit before: first without the CA up to the lock, then
/// with the certificate. It goes on where the unit says that it is.
fn deferred_bench(state: &Path, storage: Storage, issuers: &Issuers, seen: &mut Seen) -> Result<(), String> {
    let mut session = Session::begin(state, storage)?;
    if session.hello()?.step() < Step::Installed {
        let csr = session.csr()?;
        seen.keys.insert(Csr::from_der(&csr).unwrap().public_key().fingerprint());
        seen.certificate.get_or_insert_with(|| issuers.credential(&issuers.factory, &csr, &spec()));
    }
    let certificate = seen.certificate.clone().expect("a unit with an installation showed its key before");
    if session.hello()?.step() < Step::Locked {
        session.install(&certificate.deferred(), URL)?;
        assert!(session.read_back()?.certificate.is_empty());
        session.lock()?;
    }
    session.install(&certificate, URL)?;
    assert_eq!(session.read_back()?.certificate, certificate.certificate);
    session.lock()
}

//! Units that are locked before the CA can be asked, and get their certificate on the bench or at first boot.

use std::collections::BTreeSet;

use agent::enroll::enroll;
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

/// A unit that left the factory without its certificate, which `ca` has from now on.
fn left_without(state: &Path, ca: &FakeCa) -> Issued {
    let mut session = Session::begin(state, Storage::default()).unwrap();
    session.hello().unwrap();
    let csr = session.csr().unwrap();
    let credential = ca.issuers.credential(&ca.issuers.factory, &csr, &spec());
    session.install(&credential.deferred(), &ca.url()).unwrap();
    session.lock().unwrap();
    let key = Csr::from_der(&csr).unwrap().public_key().spki().to_vec();
    ca.state.lock().unwrap().births.insert(key, credential.clone());
    credential
}

fn first_boot(state: &Path, disk: Arc<dyn Disk>, policy: RetryPolicy) -> Result<(), ObtainError> {
    let mut state = State::open(state, Storage::on(disk))?;
    let generator = StdRng::seed_from_u64(7);
    block(enroll(&mut state, None, clock_at(now()), generator, policy)).map(drop)
}

#[test]
fn a_first_boot_that_loses_power_at_any_write_ends_with_its_birth_certificate_and_one_more() {
    let ca = FakeCa::start();
    let factory = tempfile::tempdir().unwrap();
    let credential = left_without(factory.path(), &ca);
    for last_is_done in [false, true] {
        for operations in 0.. {
            let home = tempfile::tempdir().unwrap();
            copy(factory.path(), home.path());
            ca.state.lock().unwrap().issued.clear();
            let disk = Arc::new(PowerCut::after(operations, last_is_done));
            let first = first_boot(home.path(), disk.clone(), retry_policy());
            let case = format!("cut at {operations}, done: {last_is_done}");
            assert_eq!(first.is_err(), disk.happened(), "{case}");
            // Whatever is on the disk is whole: the bench reads it too.
            let mut bench = Session::begin(home.path(), Storage::default()).unwrap();
            let deferred = bench.hello().unwrap().certificate_deferred;
            assert_eq!(bench.read_back().unwrap().certificate.is_empty(), deferred, "{case}");
            drop(bench);
            first_boot(home.path(), Arc::new(FileSystem), retry_policy())
                .unwrap_or_else(|error| panic!("{case}: {error}"));
            let view = view(home.path());
            let kept = view.credential(CredentialLocation::Birth).unwrap();
            assert_eq!(
                (kept.leaf.der, kept.chain),
                (credential.certificate.clone(), credential.chain.clone())
            );
            assert_eq!(ca.state.lock().unwrap().issued.len(), 1, "{case}: one operational certificate");
            if !disk.happened() {
                assert!(operations > 25, "there were only {operations} places to cut");
                break;
            }
        }
    }
}

#[test]
fn a_unit_whose_certificate_is_not_issued_yet_waits_says_so_and_changes_nothing() {
    let ca = FakeCa::start();
    let home = tempfile::tempdir().unwrap();
    left_without(home.path(), &ca);
    let births = std::mem::take(&mut ca.state.lock().unwrap().births);
    let before = std::fs::read(home.path().join("state.json")).unwrap();
    let output = crate::support::unit::enroll(home.path(), &["--deadline", "300ms"]);
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
    for told in ["CERTIFICATE_NOT_YET_ISSUED", "touchmark-station reconcile", "never gets one"] {
        assert!(stderr(&output).contains(told), "{}", stderr(&output));
    }
    assert_eq!(std::fs::read(home.path().join("state.json")).unwrap(), before);
    let standing = json(&status(home.path()));
    assert_eq!(
        (standing["standing"].as_str(), standing["idevid"].is_null()),
        (Some("certificate-deferred"), true)
    );
    let doctor = agent().args(["doctor", "--state"]).arg(home.path()).output().unwrap();
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains("deferred: the CA could not be asked") && said.contains("not yet"), "{said}");
    // Asked again and again until it is there; an answer that is lost is asked for again.
    {
        let mut state = ca.state.lock().unwrap();
        (state.births, state.lost) = (births, 2);
    }
    first_boot(home.path(), Arc::new(FileSystem), retry_policy()).unwrap();
    assert_eq!(json(&status(home.path()))["standing"], "enrolled");
}

#[test]
fn a_claimed_certificate_that_does_not_fit_is_not_kept() {
    let ca = FakeCa::start();
    let foreign = Issuers::new();
    let home = tempfile::tempdir().unwrap();
    let good = left_without(home.path(), &ca);
    let key = view(home.path()).key(CredentialLocation::Birth).unwrap();
    let csr = agent::key::certificate_request(&*key).unwrap();
    let (other, _) = agent::key::FileKey::generate().unwrap();
    let other = agent::key::certificate_request(&other).unwrap();
    for (what, wrong) in [
        (
            "another unit",
            ca.issuers.credential(&ca.issuers.factory, &csr, &CertificateSpec::birth("cam-2", "SN2")),
        ),
        ("another key", ca.issuers.credential(&ca.issuers.factory, &other, &spec())),
        ("another CA", foreign.credential(&foreign.factory, &csr, &spec())),
        ("no chain", Issued { chain: Vec::new(), ..good.clone() }),
    ] {
        for birth in ca.state.lock().unwrap().births.values_mut() {
            *birth = wrong.clone();
        }
        first_boot(home.path(), Arc::new(FileSystem), RetryPolicy::once()).expect_err(what);
        assert!(view(home.path()).record().certificate_deferred, "{what}");
    }
}

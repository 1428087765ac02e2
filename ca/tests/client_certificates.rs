//! Which client certificates finish a handshake: what the short way to our own issuers lets in, and what
//! nobody does.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ca::tls::{RenewalGrace, ServerCredentials, server_config};
use identity::{Clock, ManualClock};
use issuance::Certificate;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, Error, RootCertStore, ServerConfig, ServerConnection,
};
use time::OffsetDateTime;

#[test]
fn a_client_of_our_issuer_is_let_in_with_and_without_its_chain() {
    let scene = Scene::new();
    let device = scene.operational.certify(client("device", GOOD));
    scene.shake_hands(&device, &[]).unwrap();
    scene.shake_hands(&device, &[&scene.operational]).unwrap();
    scene.shake_hands(&device, &[&scene.operational, &scene.root]).unwrap();
    // Others beside it, or instead of it, change nothing.
    let stranger = Holder::root("a stranger");
    scene.shake_hands(&device, &[&stranger, &scene.factory, &scene.operational]).unwrap();
    scene.shake_hands(&device, &[&stranger]).unwrap();
}

#[test]
fn a_name_of_ours_over_the_key_of_another_is_refused() {
    let scene = Scene::new();
    let root = Holder::root("root");
    let theirs = root.certify(issuer("operational", ALWAYS));
    let device = theirs.certify(client("device", GOOD));
    for chain in [&[][..], &[&theirs], &[&theirs, &root], &[&scene.operational]] {
        let refused = scene.shake_hands(&device, chain).unwrap_err();
        assert!(matches!(refused, Error::InvalidCertificate(_)), "{refused}");
    }
    // Nor does the certificate of a device make it an issuer.
    let device = scene.operational.certify(client("operational", GOOD));
    let below = device.certify(client("below", GOOD));
    scene.shake_hands(&below, &[&device, &scene.operational]).unwrap_err();
}

#[test]
fn who_is_no_client_is_refused() {
    let scene = Scene::new();
    let server = scene.infrastructure.certify(server(GOOD));
    scene.shake_hands(&server, &[&scene.infrastructure]).unwrap_err();
    scene.shake_hands(&scene.operational, &[&scene.root]).unwrap_err();
    scene.shake_hands(&scene.root, &[]).unwrap_err();
    let another = scene.operational.certify(issuer("another", ALWAYS));
    scene.shake_hands(&another, &[&scene.operational]).unwrap_err();
}

#[test]
fn a_self_signed_certificate_is_let_in_by_itself_and_whatever_its_time() {
    let scene = Scene::new();
    for days in [GOOD, (-100, -50), (50, 100)] {
        scene.shake_hands(&Holder::self_signed(client("a key", days)), &[]).unwrap();
    }
    // The names of others are worth nothing there.
    scene.shake_hands(&Holder::self_signed(client("operational", GOOD)), &[]).unwrap();
}

#[test]
fn a_self_signed_certificate_that_is_more_than_a_key_is_refused() {
    let scene = Scene::new();
    let key = Holder::self_signed(client("a key", GOOD));
    scene.shake_hands(&key, &[&scene.operational]).unwrap_err();
    scene.shake_hands(&Holder::root("a stranger"), &[]).unwrap_err();
    let mut long = client("a key", GOOD);
    let name = |number: usize| SanType::DnsName(format!("{number:0>60}.example").try_into().unwrap());
    long.subject_alt_names = (0..80).map(name).collect();
    scene.shake_hands(&Holder::self_signed(long), &[]).unwrap_err();
    let mut forged = Holder::self_signed(client("a key", GOOD));
    let mut der = forged.certificate.to_vec();
    *der.last_mut().unwrap() ^= 1;
    forged.certificate = der.into();
    let refused = scene.shake_hands(&forged, &[]).unwrap_err();
    assert!(matches!(refused, Error::InvalidCertificate(CertificateError::BadSignature)), "{refused}");
    // A type of key that no certificate is made for.
    let p521 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).unwrap();
    scene.shake_hands(&Holder::self_signed_with(client("a key", GOOD), p521), &[]).unwrap_err();
}

/// R-LIFE-05.
#[test]
fn a_late_device_is_let_in_with_and_without_its_chain() {
    let scene = Scene::new();
    let late = scene.operational.certify(client("late", (-100, -(GRACE_DAYS - 1))));
    scene.shake_hands(&late, &[&scene.operational]).unwrap();
    scene.shake_hands(&late, &[]).unwrap();
    let too_late = scene.operational.certify(client("too late", (-100, -(GRACE_DAYS + 1))));
    let other = scene.infrastructure.certify(client("a person", (-100, -1)));
    for (refused, by) in [(too_late, &scene.operational), (other, &scene.infrastructure)] {
        scene.shake_hands(&refused, &[by]).unwrap_err();
        scene.shake_hands(&refused, &[]).unwrap_err();
    }
}

/// ADR 0035: what it may call is decided by the authority.
#[test]
fn a_certificate_that_has_not_begun_is_let_in_if_one_of_our_issuers_signed_it() {
    let scene = Scene::new();
    let early = scene.operational.certify(client("early", (1, 100)));
    scene.shake_hands(&early, &[&scene.operational]).unwrap();
    scene.shake_hands(&early, &[]).unwrap();
    let stranger = Holder::root("root").certify(client("stranger", (1, 100)));
    scene.shake_hands(&stranger, &[]).unwrap_err();
}

#[test]
fn an_issuer_that_has_ended_lets_nobody_in() {
    let scene = Scene::with_operational((-200, -1));
    let (good, late) = (client("good", GOOD), client("late", (-100, -2)));
    for device in [good, late].map(|device| scene.operational.certify(device)) {
        scene.shake_hands(&device, &[&scene.operational]).unwrap_err();
        scene.shake_hands(&device, &[]).unwrap_err();
    }
}

/// Each certificate that a stranger shows in between is one more way to try, and each way is a verified
/// signature.
#[test]
fn long_chains_of_strangers_are_not_tried() {
    let scene = Scene::new();
    let above: Vec<_> = (0..30).map(|_| Holder::root("root")).collect();
    let above: Vec<_> = above.iter().collect();
    let stranger = above[0].certify(client("stranger", GOOD));
    let refused = scene.shake_hands(&stranger, &above).unwrap_err();
    assert!(matches!(refused, Error::InvalidCertificate(CertificateError::UnknownIssuer)), "{refused}");
    // Whoever our issuer certified may show what it likes.
    let device = scene.operational.certify(client("device", GOOD));
    scene.shake_hands(&device, &above).unwrap();
}

/// A server, its issuers, and the time that it has.
struct Scene {
    root: Holder,
    factory: Holder,
    operational: Holder,
    infrastructure: Holder,
    server: Arc<ServerConfig>,
}

impl Scene {
    fn new() -> Self {
        Self::with_operational(ALWAYS)
    }

    fn with_operational(days: Days) -> Self {
        let root = Holder::root("root");
        let factory = root.certify(issuer("factory", ALWAYS));
        let operational = root.certify(issuer("operational", days));
        let infrastructure = root.certify(issuer("infrastructure", ALWAYS));
        let server = infrastructure.certify(server(ALWAYS));
        let issuers = [&factory, &operational, &infrastructure];
        let issuers = issuers.map(|issuer| Certificate::from_der(&issuer.certificate).unwrap());
        let late = RenewalGrace { issuer: issuers[1].subject().to_vec(), grace: days_long(GRACE_DAYS) };
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(noon()));
        let credentials = server.credentials(&[&infrastructure], &root);
        let server = Arc::new(server_config(credentials, &issuers, clock, late).unwrap());
        Self { root, factory, operational, infrastructure, server }
    }

    /// What the server says to who shows this certificate, with `chain` above it.
    fn shake_hands(&self, holder: &Holder, chain: &[&Holder]) -> Result<(), Error> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let shown = [holder].into_iter().chain(chain.iter().copied());
        let shown = shown.map(|holder| holder.certificate.clone()).collect();
        let mut client =
            client.unwrap().with_root_certificates(roots).with_client_auth_cert(shown, holder.key()).unwrap();
        client.alpn_protocols = vec![b"h2".to_vec()];
        let mut client = ClientConnection::new(Arc::new(client), "localhost".try_into().unwrap()).unwrap();
        let mut server = ServerConnection::new(Arc::clone(&self.server)).unwrap();
        while server.is_handshaking() {
            let mut asked = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut asked).unwrap();
            }
            let mut asked = asked.as_slice();
            while !asked.is_empty() {
                server.read_tls(&mut asked).unwrap();
                server.process_new_packets()?;
            }
            let mut answered = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut answered).unwrap();
            }
            let mut answered = answered.as_slice();
            while !answered.is_empty() {
                client.read_tls(&mut answered).unwrap();
                client.process_new_packets().unwrap();
            }
        }
        Ok(())
    }
}

/// Who holds a certificate and its key.
struct Holder {
    certificate: CertificateDer<'static>,
    params: CertificateParams,
    key: KeyPair,
}

impl Holder {
    fn root(name: &str) -> Self {
        Self::self_signed(issuer(name, ALWAYS))
    }

    fn self_signed(params: CertificateParams) -> Self {
        Self::self_signed_with(params, KeyPair::generate().unwrap())
    }

    fn self_signed_with(params: CertificateParams, key: KeyPair) -> Self {
        Self { certificate: params.self_signed(&key).unwrap().der().clone(), params, key }
    }

    fn certify(&self, params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let issuer = rcgen::Issuer::from_params(&self.params, &self.key);
        Self { certificate: params.signed_by(&key, &issuer).unwrap().der().clone(), params, key }
    }

    fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()))
    }

    fn credentials(&self, chain: &[&Self], root: &Self) -> ServerCredentials {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, holders: &[&Self]| {
            let pem = holders.iter().map(|holder| pem("CERTIFICATE", &holder.certificate));
            fs::write(dir.path().join(name), pem.collect::<String>()).unwrap();
        };
        write("cert.pem", &[self]);
        write("chain.pem", chain);
        write("trust.pem", &[root]);
        let key = dir.path().join("key.pem");
        let mut key = OpenOptions::new().write(true).create_new(true).mode(0o600).open(key).unwrap();
        key.write_all(self.key.serialize_pem().as_bytes()).unwrap();
        ServerCredentials::read(dir.path()).unwrap()
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

/// First and last day, counted from now.
type Days = (i64, i64);

fn client(name: &str, (first, last): Days) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let day = |days: i64| OffsetDateTime::from(noon()) + time::Duration::days(days);
    (params.not_before, params.not_after) = (day(first), day(last));
    params.serial_number = Some([0x40; 16].to_vec().into());
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn server(days: Days) -> CertificateParams {
    let mut params = client("server", days);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.subject_alt_names = vec![SanType::DnsName("localhost".try_into().unwrap())];
    params
}

fn issuer(name: &str, days: Days) -> CertificateParams {
    let mut params = client(name, days);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.extended_key_usages = vec![];
    params
}

fn noon() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_305_600)
}

fn days_long(days: i64) -> Duration {
    Duration::from_secs(days.unsigned_abs() * 24 * 60 * 60)
}

const GOOD: Days = (-10, 10);
const ALWAYS: Days = (-3650, 3650);
const GRACE_DAYS: i64 = 30;

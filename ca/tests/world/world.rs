//! A whole installation in memory: issuers with fresh keys, a store that fails when told to, a clock that
//! stands still.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    reason = "shared by tests, each of which uses a part"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use authority::{
    Authority, BirthRequest, Caller, CredentialRequest, Installation, PeerCertificate, Proof, Refused,
    RenewalPolicy, ReservationLimits, UnknownStations,
};
use identity::{
    DeviceId, IssuerName, KeyType, ManualClock, PrincipalName, ProfileName, PublicKey, RequestId, Role,
    SerialNumber,
};
use issuance::{BlockedKeys, Certificate, Names, Profile, Request, SignatureAlgorithm, Subject, draft};
use ledger::{Action, Command, IssuanceSubject, Serials, SignedCertificate, WorkOrderId, WorkOrderTerms};
use publication::Publication;
use rand::rngs::StdRng;
use rand::{CryptoRng, SeedableRng};
use signer::{FileSigner, Issuer, Issuers, Signer, SignerError, Signing};
use store::{FaultyLog, LogStore, MemoryLog, Released, Store, StoreSettings};
use tempfile::TempDir;
use tokio::sync::watch;

pub struct World {
    pub authority: Arc<Authority>,
    pub store: Arc<dyn Store>,
    /// What the store writes to; fails when told to.
    pub log: Arc<FaultyLog>,
    _projection: TempDir,
    pub clock: Arc<ManualClock>,
    pub factory: Arc<SwitchedSigner>,
    pub operator: Key,
    pub operator_der: Vec<u8>,
    pub publication: Arc<Publication>,
    pub blocked: watch::Sender<Arc<BlockedKeys>>,
    /// What the next [`World::restart`] opens.
    pub opened: (Issuers, Installation),
}

impl World {
    pub async fn new() -> Self {
        Self::with(Box::new(StdRng::seed_from_u64(20_261_122))).await
    }

    pub async fn with(generator: Box<dyn CryptoRng + Send>) -> Self {
        Self::made(generator, Vec::new()).await
    }

    /// One whose devices may have RSA keys.
    pub async fn with_rsa() -> Self {
        let profiles = [ProfileName::Idevid, ProfileName::Ldevid].map(|name| {
            let mut profile = Profile::standard(name);
            profile.key_types.push(KeyType::Rsa2048);
            profile
        });
        Self::made(Box::new(StdRng::seed_from_u64(20_261_125)), profiles.to_vec()).await
    }

    async fn made(generator: Box<dyn CryptoRng + Send>, profiles: Vec<Profile>) -> Self {
        let clock = Arc::new(ManualClock::at(noon()));
        let log = Arc::new(FaultyLog::new(Arc::new(MemoryLog::default())));
        let projection = TempDir::new().unwrap();
        let settings = StoreSettings::new(projection.path().to_owned());
        let store: Arc<dyn Store> = Arc::new(LogStore::over(log.clone(), &settings, clock.clone()).unwrap());
        let mut maker = Maker { generator: StdRng::seed_from_u64(1), commands: Vec::new() };
        let root = maker.issuer(IssuerName::Root, ProfileName::Root, None).await;
        let factory = maker.issuer(IssuerName::Factory, ProfileName::FactoryCa, Some(&root)).await;
        let operational =
            maker.issuer(IssuerName::Operational, ProfileName::OperationalCa, Some(&root)).await;
        let infrastructure =
            maker.issuer(IssuerName::Infrastructure, ProfileName::InfrastructureCa, Some(&root)).await;
        let operator = Key::new();
        let first = maker.operator(&operator, &infrastructure).await;
        let verdicts = store.commit(std::mem::take(&mut maker.commands)).await.unwrap();
        assert!(verdicts.iter().all(Result::is_ok), "{verdicts:?}");
        let switched = Arc::new(SwitchedSigner {
            inner: factory.signer.clone(),
            failing: AtomicU8::new(0),
            delay_ms: AtomicU64::new(0),
        });
        let factory = Issuer { signer: switched.clone(), ..factory };
        let issuers = Issuers { root: root.certificate, factory, operational, infrastructure };
        let publication = Arc::new(Publication::new(&issuers));
        let (blocked, blocked_keys) = watch::channel(Arc::default());
        let installation = Installation {
            organization: "Example".into(),
            profiles,
            enrollment_url: "https://ca.example.com:8443".into(),
            renewal: RenewalPolicy { superseded_for: Some(SUPERSEDED_FOR), ..RenewalPolicy::default() },
            reservations: ReservationLimits::default(),
            blocked_keys,
        };
        let opened = (issuers.clone(), installation.clone());
        let authority =
            Authority::open(store.clone(), issuers, installation, clock.clone(), generator).await.unwrap();
        let authority = Arc::new(authority);
        Self {
            authority,
            store,
            log,
            _projection: projection,
            clock,
            factory: switched,
            operator,
            operator_der: first,
            publication,
            blocked,
            opened,
        }
    }

    /// Another authority over the same ledger, as after a restart: what was kept in memory is gone.
    pub async fn restart(&mut self) {
        let (issuers, installation) = self.opened.clone();
        let generator = Box::new(StdRng::seed_from_u64(self.store.head().0));
        let store = Arc::clone(&self.store);
        let opened = Authority::open(store, issuers, installation, self.clock.clone(), generator).await;
        self.authority = Arc::new(opened.unwrap());
    }

    pub async fn operator(&self) -> Caller {
        self.caller(&self.operator_der).await
    }

    pub async fn caller(&self, der: &[u8]) -> Caller {
        let proof = Proof::Certificate(PeerCertificate::new(der));
        self.authority.identify(Some(&proof)).await.unwrap()
    }

    pub async fn credential(&self, role: Role, name: &str) -> Vec<u8> {
        let request = CredentialRequest {
            request: fresh_id(),
            role,
            name: name.parse().unwrap(),
            csr: Key::new().csr(),
            lifetime: None,
            names: Names {
                dns: if role == Role::Service { vec!["mqtt.example.com".into()] } else { Vec::new() },
                addresses: Vec::new(),
            },
        };
        let released = self.authority.issue_credential(&self.operator().await, request).await.unwrap();
        released.der().to_vec()
    }

    pub async fn station(&self, name: &str) -> Caller {
        self.caller(&self.credential(Role::Station, name).await).await
    }

    pub async fn order(&self, quantity: u64, stations: &[&str]) -> WorkOrderId {
        self.order_with(terms(quantity, stations)).await
    }

    pub async fn order_with(&self, terms: WorkOrderTerms) -> WorkOrderId {
        let operator = self.operator().await;
        self.authority
            .create_work_order(&operator, fresh_id(), terms, UnknownStations::Allowed)
            .await
            .unwrap()
            .id
    }

    pub async fn born(&self, station: &Caller, order: WorkOrderId, serial: u32, key: &Key) -> Released {
        self.authority.issue_birth(station, birth(order, serial, key)).await.unwrap()
    }
}

/// How long a certificate is good once its successor is in use.
pub const SUPERSEDED_FOR: Duration = Duration::from_secs(60 * 60);

pub fn terms(quantity: u64, stations: &[&str]) -> WorkOrderTerms {
    WorkOrderTerms {
        product: "cam-2".parse().unwrap(),
        quantity,
        profile: ProfileName::Idevid,
        serials: Serials::Pattern("SN{000001..100000}".parse().unwrap()),
        stations: stations.iter().map(|name| name.parse().unwrap()).collect(),
        opens_at: None,
        closes_at: None,
    }
}

pub fn birth(order: WorkOrderId, serial: u32, key: &Key) -> BirthRequest {
    BirthRequest {
        request: fresh_id(),
        work_order: order,
        device: device(serial),
        csr: key.csr().into(),
        made_at: None,
        shift: String::new(),
        operator: String::new(),
    }
}

pub fn device(serial: u32) -> DeviceId {
    format!("cam-2/SN{serial:06}").parse().unwrap()
}

pub fn fresh_id() -> RequestId {
    let mut id = [0; 16];
    aws_lc_rs::rand::fill(&mut id).unwrap();
    id.into()
}

/// 2026-11-22T12:00:00Z.
pub fn noon() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_348_800)
}

pub fn reason<T>(answer: &Result<T, Refused>) -> &'static str {
    match answer {
        Ok(_) => "OK",
        Err(refused) => ca::grpc::reason(refused).as_str_name(),
    }
}

/// A device's key.
pub struct Key(rcgen::KeyPair);

impl Key {
    pub fn new() -> Self {
        Self(rcgen::KeyPair::generate().unwrap())
    }

    /// The P-256 key of RFC 6979, appendix A.2.5, which everybody knows.
    pub fn of_rfc_6979() -> Self {
        let scalar = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
        let pkcs8 = "3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420";
        let der = hex::decode(format!("{pkcs8}{scalar}")).unwrap();
        Self(rcgen::KeyPair::try_from(der.as_slice()).unwrap())
    }

    /// A fresh request: every call signs with another random number.
    pub fn csr(&self) -> Vec<u8> {
        rcgen::CertificateParams::default().serialize_request(&self.0).unwrap().der().to_vec()
    }

    pub fn public_key(&self) -> PublicKey {
        identity::Csr::from_der(&self.csr()).unwrap().public_key().clone()
    }
}

/// A signer that can be switched off or slowed down.
pub struct SwitchedSigner {
    inner: Arc<dyn Signer>,
    pub failing: AtomicU8,
    /// How long a signature takes, as with a hardware module.
    pub delay_ms: AtomicU64,
}

impl Signer for SwitchedSigner {
    fn public_key(&self) -> &PublicKey {
        self.inner.public_key()
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.inner.algorithm()
    }

    fn sign<'a>(&'a self, message: &'a [u8]) -> Signing<'a> {
        let delay = Duration::from_millis(self.delay_ms.load(Ordering::SeqCst));
        if !delay.is_zero() {
            return Box::pin(async move {
                tokio::time::sleep(delay).await;
                self.inner.sign(message).await
            });
        }
        if self.failing.load(Ordering::SeqCst) == 0 {
            return self.inner.sign(message);
        }
        Box::pin(std::future::ready(Err(SignerError::unavailable(std::io::Error::other("as the test says")))))
    }

    fn sign_digest<'a>(&'a self, digest: &'a [u8]) -> Signing<'a> {
        self.inner.sign_digest(digest)
    }
}

struct Maker {
    generator: StdRng,
    commands: Vec<Command>,
}

impl Maker {
    async fn issuer(&mut self, name: IssuerName, profile: ProfileName, by: Option<&Issuer>) -> Issuer {
        let signer = Arc::new(FileSigner::generate().unwrap());
        let subject = Subject::Issuer(format!("{name} CA"));
        let request =
            Request { public_key: signer.public_key().clone(), subject, lifetime: None, shard: None };
        let signing: Arc<dyn Signer> =
            by.map_or_else(|| signer.clone() as Arc<dyn Signer>, |by| by.signer.clone());
        let certificate = self.certificate(request, profile, by, &*signing).await;
        let signed = signed(&certificate, profile);
        self.record(Action::InstallIssuer { issuer: name, certificate: signed });
        Issuer { name, certificate: Arc::new(certificate), signer }
    }

    async fn operator(&mut self, key: &Key, by: &Issuer) -> Vec<u8> {
        let name: PrincipalName = "admin".parse().unwrap();
        let subject = Subject::Principal(name.clone());
        let request = Request { public_key: key.public_key(), subject, lifetime: None, shard: None };
        let certificate =
            self.certificate(request, ProfileName::Credential(Role::Operator), Some(by), &*by.signer).await;
        let signed = signed(&certificate, ProfileName::Credential(Role::Operator));
        let subject = IssuanceSubject::Credential { role: Role::Operator, name };
        self.record(Action::Issue { subject, certificate: signed });
        certificate.der().to_vec()
    }

    async fn certificate(
        &mut self,
        request: Request,
        profile: ProfileName,
        by: Option<&Issuer>,
        signer: &dyn Signer,
    ) -> Certificate {
        let number = SerialNumber::random(&mut self.generator);
        let issuer = by.map(|by| &*by.certificate);
        let made = noon() - Duration::from_secs(3600);
        let draft = draft(request, &Profile::standard(profile), "Example", issuer, number, made).unwrap();
        let prepared = draft.prepare().unwrap();
        let signature = signer.sign(prepared.to_be_signed()).await.unwrap();
        prepared.seal(&signature).unwrap()
    }

    fn record(&mut self, action: Action) {
        let content = [u8::try_from(self.commands.len()).unwrap(); 32];
        self.commands.push(Command {
            principal: None,
            credential: None,
            request: None,
            content,
            remark: String::new(),
            action,
        });
    }
}

fn signed(certificate: &Certificate, profile: ProfileName) -> SignedCertificate {
    SignedCertificate {
        issuer: Profile::standard(profile).issuer,
        profile,
        serial_number: certificate.serial_number(),
        key: certificate.public_key().fingerprint(),
        validity: certificate.validity(),
        shard: None,
        der: certificate.der().to_vec().into(),
    }
}

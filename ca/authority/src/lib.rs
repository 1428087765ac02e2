//! The authority: for each operation the order of its steps (R-CA-07): look up, check, draft, sign, record,
//! release. It knows no wire, no disk, no private key and no clock of its own.

mod access;
mod birth;
mod claim;
mod closing_documents;
mod condition;
mod counters;
mod deferral;
mod delegate;
mod device_life;
mod documents;
mod ends_of_units;
mod feed;
mod issue;
mod keys;
mod lifecycle;
mod manifests;
mod operational;
mod primes;
mod principals;
mod products;
mod rate_limiter;
mod record;
mod refusal;
mod renewal_window;
mod report;
mod request_digest;
mod reservations;
mod revocation;
mod revoked_sibling;
mod serial_pool;
mod units;
mod upkeep;
mod work_orders;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::{Clock, ClockDoubt, IssuerName, ProfileName, SerialNumber};
use issuance::{BlockedKeys, Certificate, Profile, RecentModuli};
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use rand::CryptoRng;
use signer::{DocumentSigner, Issuers};
use store::{Chores, OnlyProcess, Store, StoreError};
use tokio::sync::{Semaphore, watch};

use rate_limiter::RateLimiter;
use serial_pool::SerialPool;

pub use access::{Caller, CallerKind, NotAdmitted, Operation, PeerCertificate, Proof, Token, allowed_to};
pub use birth::BirthRequest;
pub use closing_documents::{ClosingDocuments, ClosingPiece, PIECE_BYTES_MAX};
pub use condition::{Condition, End, RECORDED_AHEAD_MAX};
pub use counters::{Counted, Counters, Counts};
pub use device_life::{ROTATION_SPREAD_MAX, RotationRequest};
pub use ends_of_units::UnitReport;
pub use feed::{FEED_PAGE_CHANGES, FEED_QUIET_MAX, FeedCursor, FeedPage};
pub use issue::{SHARD_CERTIFICATES, certify, signed};
pub use lifecycle::{CERTIFICATES_OF_ONE_MAX, CertificateSelection, DeviceHistory};
pub use primes::PrimeWalk;
pub use principals::{CREDENTIAL_NAMES_MAX, CredentialRequest, PrincipalRevocation};
pub use refusal::{CallerRefused, Refused};
pub use renewal_window::{RenewalReason, RenewalWindow};
pub use reservations::{ReservationLimits, ReservationRequest, Reserved, UnitsHome};
pub use revocation::{RevocationProgress, RevocationRequest};
pub use units::{MadeUnit, OutUnit, UNITS_MAX, UnitOnRecord, UnitRecord, Units, UnitsAsked};
pub use work_orders::{ClosingReport, UNACCOUNTED_LISTED_MAX, UnknownStations};

/// The settings of an installation.
#[derive(Debug, Clone)]
pub struct Installation {
    /// The `O` of every subject.
    pub organization: String,
    /// The profiles that differ from [`Profile::standard`], for example with another lifetime.
    pub profiles: Vec<Profile>,
    /// Where devices enrol at first boot, for example `https://ca.example.com:8443`.
    pub enrollment_url: String,
    /// The rules of renewal.
    pub renewal: RenewalPolicy,
    /// How much stations may reserve.
    pub reservations: ReservationLimits,
    /// Keys that get no certificate. The sender replaces them when its file changes.
    pub blocked_keys: watch::Receiver<Arc<BlockedKeys>>,
}

/// The rules of renewal for operational certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RenewalPolicy {
    /// How long after its expiry a certificate may still be renewed.
    pub grace: Duration,
    /// How long a certificate is valid once its successor is in use; `None`: until it expires.
    pub superseded_for: Option<Duration>,
    /// Whether a fork puts the device on hold.
    pub hold_on_fork: bool,
}

/// The roots that callers must trust.
#[derive(Debug, Clone)]
pub struct TrustBundle {
    /// The number of the ledger entry that installed the newest root: never goes back.
    pub version: u64,
    /// Self-signed roots, X.509 DER.
    pub anchors: Vec<Vec<u8>>,
}

/// The authority over one ledger. All methods may be called at the same time from any task; none retries what
/// failed, except for drawing another serial number. A dropped future may have done its work: the same
/// request again tells.
pub struct Authority {
    store: Arc<dyn Store>,
    issuers: Issuers,
    trust: TrustBundle,
    organization: String,
    enrollment_url: String,
    renewal: RenewalPolicy,
    reservations: ReservationLimits,
    /// Those that differ from the standard ones.
    profiles: Vec<Profile>,
    blocked_keys: watch::Receiver<Arc<BlockedKeys>>,
    clock: Arc<dyn Clock>,
    serial_pool: SerialPool,
    /// Callers by the SHA-256 of their certificate, of which nothing changes but its status.
    callers: Cache<[u8; 32], Caller>,
    /// Certificates whose use was reported since the start: further attempts of a clone cost no commit.
    siblings: Cache<SerialNumber, ()>,
    feed: feed::Feed,
    /// New operational certificates of each device.
    renewals: RateLimiter,
    /// Forks of each device that go on record.
    forks: RateLimiter,
    /// Other alarms that each principal causes.
    alarms: RateLimiter,
    /// The latest RSA moduli, with the certificates that have them.
    recent_moduli: Mutex<RecentModuli<SerialNumber>>,
    /// Which process does background work.
    chores: Arc<dyn Chores>,
    /// Notified when there may be a mass revocation to continue.
    jobs: tokio::sync::Notify,
    counters: Arc<Counters>,
    incidents: report::Incidents,
    /// Signs closing reports; `None`: there is none.
    documents: Option<DocumentSigner>,
    /// The right to make a closing report: one at a time.
    closing_turn: Arc<Semaphore>,
    /// When the server's certificate expires; `None`: it does not serve yet.
    server_ends: Mutex<Option<SystemTime>>,
}

impl Authority {
    /// Opens the authority over the ledger in `store`, which signs with `issuers`. All randomness is from
    /// `generator`.
    ///
    /// # Errors
    /// When the store cannot be read, or its issuers are not `issuers`: keys and ledger are of two
    /// installations.
    pub async fn open(
        store: Arc<dyn Store>,
        issuers: Issuers,
        installation: Installation,
        clock: Arc<dyn Clock>,
        generator: Box<dyn CryptoRng + Send>,
    ) -> Result<Self, OpenAuthorityError> {
        let mut trust = TrustBundle { version: 0, anchors: Vec::new() };
        for name in IssuerName::ALL {
            let on_record =
                store.issuer(name).await?.ok_or(OpenAuthorityError::NotOnRecord { issuer: name })?;
            if on_record.certificate().der != issuers.certificate(name).der() {
                return Err(OpenAuthorityError::OtherInstallation { issuer: name });
            }
            if name == IssuerName::Root {
                trust.version = on_record.entry().number.0;
                trust.anchors.push(on_record.certificate().der.to_vec());
            }
        }
        let Installation { organization, profiles, enrollment_url, renewal, reservations, blocked_keys } =
            installation;
        let started = clock.now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Ok(Self {
            store,
            issuers,
            trust,
            organization,
            enrollment_url,
            renewal,
            reservations,
            profiles,
            blocked_keys,
            clock,
            serial_pool: SerialPool::new(generator),
            callers: Cache::new(CALLERS_MAX),
            siblings: Cache::new(revoked_sibling::REPORTED_MAX),
            feed: feed::Feed::new(),
            renewals: RateLimiter::new(RENEWAL_BURST, RENEWAL_INTERVAL),
            forks: RateLimiter::new(ALARM_BURST, ALARM_INTERVAL),
            alarms: RateLimiter::new(ALARM_BURST, ALARM_INTERVAL),
            recent_moduli: Mutex::default(),
            chores: Arc::new(OnlyProcess),
            jobs: tokio::sync::Notify::new(),
            counters: Arc::default(),
            incidents: report::Incidents::new(started),
            documents: None,
            closing_turn: Arc::new(Semaphore::new(1)),
            server_ends: Mutex::default(),
        })
    }

    /// Does what nobody asks for only while it is this process's chore.
    #[must_use]
    pub fn sharing(self, chores: Arc<dyn Chores>) -> Self {
        Self { chores, ..self }
    }

    /// The roots that callers must trust.
    pub fn trust(&self) -> &TrustBundle {
        &self.trust
    }

    /// The URL where devices enrol at first boot.
    pub fn enrollment_url(&self) -> &str {
        &self.enrollment_url
    }

    /// The certificate chain above certificates of `issuer`, without the root.
    pub fn chain(&self, issuer: IssuerName) -> Vec<&Certificate> {
        self.issuers.signing(issuer).into_iter().map(|issuer| issuer.certificate.as_ref()).collect()
    }

    /// The time by the authority's clock.
    pub fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// Why its clock is in doubt; `None` if it is not.
    pub fn clock_doubt(&self) -> Option<ClockDoubt> {
        self.clock.doubt()
    }

    /// The store that it was opened over.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// What it counted since the start.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    fn profile(&self, name: ProfileName) -> Cow<'_, Profile> {
        let changed = self.profiles.iter().find(|profile| profile.name == name);
        changed.map_or_else(|| Cow::Owned(Profile::standard(name)), Cow::Borrowed)
    }

    /// Refuses while the clock is in doubt: the CA signs and hands out nothing then.
    fn clock_is_trusted(&self) -> Result<(), Refused> {
        self.clock.doubt().map_or(Ok(()), |doubt| Err(Refused::Clock(doubt)))
    }
}

/// Why the authority cannot be opened: an operator must act.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum OpenAuthorityError {
    #[error("the ledger cannot be read")]
    Store(#[from] StoreError),
    #[error("the ledger has no {issuer} issuer; was it made by touchmark-ca init?")]
    NotOnRecord { issuer: IssuerName },
    #[error("the certificate of the {issuer} issuer is not the one in the ledger")]
    OtherInstallation { issuer: IssuerName },
    #[error("the certificate of the signer of documents is not in the ledger")]
    OtherDocumentSigner,
}

/// The most callers that are cached, about 300 bytes each: twice the default number of connections.
const CALLERS_MAX: usize = 16_384;

/// The burst of operational certificates of one device, which sometimes loses its state.
const RENEWAL_BURST: u32 = 64;

/// Then one each half minute: a device that asks without end costs the ledger some 5 MB a day.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(30);

/// The burst of alarms of one principal; more are only counted (`touchmark_alarms_repeated_total`).
const ALARM_BURST: u32 = 32;

const ALARM_INTERVAL: Duration = Duration::from_secs(60);

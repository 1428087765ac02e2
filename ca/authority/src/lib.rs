//! The authority: takes what is asked, and sees that everything happens in its order (R-CA-07). It looks up,
//! checks, drafts, has it signed, has it recorded, and only then releases. It knows no wire, no disk, no
//! private key and no clock of its own.

mod birth;
mod caller;
mod condition;
mod content;
mod delegate;
mod device_life;
mod enroll;
mod feed;
mod issue;
mod keys;
mod lifecycle;
mod pace;
mod peer;
mod primes;
mod principals;
mod refusal;
mod renew;
mod revocation;
mod revoked_sibling;
mod serial_numbers;
mod tally;
mod units;
mod upkeep;
mod work_orders;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use diagnostics::Limits;
use identity::{Clock, ClockDoubt, IssuerName, ProfileName, RequestId, SerialNumber};
use issuance::{BlockedKeys, Certificate, Profile, RecentModuli};
use ledger::{Action, Command};
use parking_lot::Mutex;
use rand::CryptoRng;
use signer::Issuers;
use store::{Recorded, Store, StoreError, Verdict};
use tokio::sync::watch;

use serial_numbers::SerialNumbers;

pub use birth::BirthRequest;
pub use caller::{Caller, CallerKind};
pub use condition::{Condition, End, RECORDED_AHEAD_MAX};
pub use device_life::{ROTATION_SPREAD_MAX, RotationRequest};
pub use feed::{FEED_PAGE_CHANGES, FEED_QUIET_MAX, FeedPage, FeedPlace};
pub use issue::SHARD_CERTIFICATES;
pub use lifecycle::{CERTIFICATES_OF_ONE_MAX, CertificateSelection, DeviceHistory};
pub use peer::PeerCertificate;
pub use primes::PrimeWalk;
pub use principals::{CREDENTIAL_NAMES_MAX, CredentialRequest, PrincipalRevocation};
pub use refusal::{CallerRefused, Refused};
pub use renew::{RenewalReason, RenewalTime};
pub use revocation::{RevocationProgress, RevocationRequest};
pub use tally::Tally;
pub use units::{MadeUnit, UNITS_MAX, UnitOnRecord, Units, UnitsAsked};
pub use work_orders::{ClosingReport, UNACCOUNTED_LISTED_MAX, UnknownStations};

/// What an installation says of itself in certificates and to devices.
#[derive(Debug, Clone)]
pub struct Installation {
    /// The `O` of every subject.
    pub organization: String,
    /// The laws that differ from [`Profile::standard`], for example with another lifetime.
    pub profiles: Vec<Profile>,
    /// Where devices enrol at first boot, for example `https://ca.example.com:8443`.
    pub enrollment_url: String,
    /// How operational certificates follow one another.
    pub renewal: RenewalPolicy,
    /// Keys that get no certificate, as of now: who keeps the other end may change them at any time.
    pub blocked_keys: watch::Receiver<Arc<BlockedKeys>>,
}

/// How operational certificates follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RenewalPolicy {
    /// How long after its end a certificate may still ask for the next one.
    pub grace: Duration,
    /// How long a certificate is good once its successor is in use; `None`: until its end.
    pub superseded_for: Option<Duration>,
    /// Whether a fork puts the device on hold.
    pub hold_on_fork: bool,
}

/// What the callers must trust. Grows only.
#[derive(Debug, Clone)]
pub struct Trust {
    /// Grows with every change of the anchors: the ledger entry that installed the newest.
    pub version: u64,
    /// Self-signed roots, X.509 DER.
    pub anchors: Vec<Vec<u8>>,
}

/// The one who may issue. All methods may be called at the same time from anywhere; none retries what failed, but for drawing another
/// serial number. A future that is dropped may have done its work: the same request again tells.
pub struct Authority<S> {
    store: Arc<S>,
    issuers: Issuers,
    trust: Trust,
    organization: String,
    enrollment_url: String,
    renewal: RenewalPolicy,
    profiles: Vec<Profile>,
    blocked_keys: watch::Receiver<Arc<BlockedKeys>>,
    clock: Arc<dyn Clock>,
    serial_numbers: SerialNumbers,
    faces: caller::Faces,
    siblings: revoked_sibling::ReportedSiblings,
    feed: feed::Feed,
    /// Of operational certificates, for each device.
    renewals: pace::Pace,
    /// Of forks that go on record, for each device.
    forks: pace::Pace,
    /// Of other alarms, for each principal that causes them.
    alarms: pace::Pace,
    /// With the certificates that have them.
    recent_moduli: Mutex<RecentModuli<SerialNumber>>,
    /// Rings when there may be a mass revocation to go on with.
    jobs: tokio::sync::Notify,
    tally: Arc<Tally>,
    incidents: Incidents,
    /// When the server's certificate ends, once it serves.
    server_ends: Mutex<Option<SystemTime>>,
}

/// Numbers for refusals, so that what a caller was told can be found in the log.
struct Incidents {
    started: u64,
    next: AtomicU64,
}

impl<S: Store> Authority<S> {
    /// An authority over the ledger in `store`, which signs with `issuers`. All randomness is from `generator`.
    ///
    /// # Errors
    /// When the store cannot be read, or its root is not the root of `issuers`: keys and ledger are of two installations.
    pub async fn open(
        store: Arc<S>,
        issuers: Issuers,
        installation: Installation,
        clock: Arc<dyn Clock>,
        generator: Box<dyn CryptoRng + Send>,
    ) -> Result<Self, OpenAuthorityError> {
        let mut trust = Trust { version: 0, anchors: Vec::new() };
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
        let Installation { organization, profiles: overrides, enrollment_url, renewal, blocked_keys } =
            installation;
        let profile = |name| {
            let changed = overrides.iter().find(|profile| profile.name == name);
            changed.cloned().unwrap_or_else(|| Profile::standard(name))
        };
        let started = clock.now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Ok(Self {
            store,
            issuers,
            trust,
            organization,
            enrollment_url,
            renewal,
            profiles: ProfileName::ALL.into_iter().map(profile).collect(),
            blocked_keys,
            clock,
            serial_numbers: SerialNumbers::new(generator),
            faces: caller::Faces::default(),
            siblings: revoked_sibling::ReportedSiblings::default(),
            feed: feed::Feed::new(),
            renewals: pace::Pace::new(RENEWALS_AT_ONCE, RENEWAL_STEP),
            forks: pace::Pace::new(ALARMS_AT_ONCE, ALARM_STEP),
            alarms: pace::Pace::new(ALARMS_AT_ONCE, ALARM_STEP),
            recent_moduli: Mutex::default(),
            jobs: tokio::sync::Notify::new(),
            tally: Arc::default(),
            incidents: Incidents { started, next: AtomicU64::new(1) },
            server_ends: Mutex::default(),
        })
    }

    /// What callers must trust.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Where devices enrol at first boot.
    pub fn enrollment_url(&self) -> &str {
        &self.enrollment_url
    }

    /// The chain of certificates by `issuer`, leaf's issuer first, without the root.
    pub fn chain(&self, issuer: IssuerName) -> Vec<&Certificate> {
        self.issuers.signing(issuer).into_iter().map(|issuer| issuer.certificate.as_ref()).collect()
    }

    /// The time, by the authority's clock.
    pub fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// Why its clock is in doubt; `None`: it is not.
    pub fn clock_doubt(&self) -> Option<ClockDoubt> {
        self.clock.doubt()
    }

    /// The store under it.
    pub fn store(&self) -> &Arc<S> {
        &self.store
    }

    /// What it did since the start.
    pub fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    /// Logs and counts a refusal, once, where it leaves. The number returned is told to the caller and is in the log.
    pub fn report(&self, question: &str, caller: Option<&Caller>, refused: &Refused) -> String {
        let incident =
            format!("{:x}-{:x}", self.incidents.started, self.incidents.next.fetch_add(1, Ordering::Relaxed));
        let reason = refused.reason();
        self.tally.count_refusal(reason);
        let principal = caller.map(|caller| caller.principal().to_string());
        let principal = principal.as_deref().unwrap_or("nobody");
        if !REFUSALS.admits(reason) {
            return incident;
        }
        if refused.is_ours() {
            let why: &dyn std::error::Error = refused;
            tracing::error!(incident, reason, principal, why, "{question} failed");
        } else if refused.is_suspicious() {
            tracing::warn!(incident, reason, principal, why = %refused, "refused {question}; a clone, a copied key or a stolen credential looks like this");
        } else {
            tracing::info!(incident, reason, principal, why = %refused, "refused {question}");
        }
        incident
    }

    /// One command without a certificate, decided and on record.
    async fn record(
        &self,
        caller: &Caller,
        request: Option<RequestId>,
        content: [u8; 32],
        action: Action,
    ) -> Result<Recorded, Refused> {
        self.record_with(caller, request, content, String::new(), action).await
    }

    /// As [`Authority::record`], with a remark for people who read the ledger.
    async fn record_with(
        &self,
        caller: &Caller,
        request: Option<RequestId>,
        content: [u8; 32],
        remark: String,
        action: Action,
    ) -> Result<Recorded, Refused> {
        if !action.only_revokes_or_holds() {
            self.clock_is_trusted()?;
        }
        let command = Command {
            principal: Some(caller.principal().clone()),
            credential: Some(caller.certificate()),
            request,
            content,
            remark,
            action,
        };
        let verdict = self.commit(caller, vec![command]).await?.pop();
        Ok(verdict.ok_or(StoreError::Bug { what: "a command has no verdict" })??)
    }

    /// Everything that is decided for a caller is handed to the ledger here, with a look at the caller: signing takes a while, and
    /// meanwhile it may have expired or been revoked. A revocation that is decided while the command waits in the store's queue is seen
    /// by `decide` (ADR 0009).
    async fn commit(&self, caller: &Caller, commands: Vec<Command>) -> Result<Vec<Verdict>, Refused> {
        self.check_caller(caller).await?;
        let verdicts = self.store.commit(commands).await?;
        self.feed.ring_for(&verdicts);
        Ok(verdicts)
    }

    /// Nothing is signed, and nothing is given, while nobody knows what time it is.
    fn clock_is_trusted(&self) -> Result<(), Refused> {
        self.clock.doubt().map_or(Ok(()), |doubt| Err(Refused::Clock(doubt)))
    }

    fn profile(&self, name: ProfileName) -> Result<&Profile, Refused> {
        Ok(self
            .profiles
            .iter()
            .find(|profile| profile.name == name)
            .ok_or(StoreError::Bug { what: "there is no such profile" })?)
    }
}

/// Callers decide how many lines these are. What is suppressed is in the metrics, by reason.
static REFUSALS: Limits = Limits::new();

/// Why there is no authority: an operator must act.
#[derive(Debug, thiserror::Error)]
pub enum OpenAuthorityError {
    /// The store cannot be read.
    #[error("the ledger cannot be read")]
    Store(#[from] StoreError),
    /// The ledger is not of an installation.
    #[error("the ledger has no {issuer} issuer; was it made by touchmark-ca init?")]
    NotOnRecord {
        /// Which is missing.
        issuer: IssuerName,
    },
    /// The issuers' files are of another installation.
    #[error("the certificate of the {issuer} issuer is not the one in the ledger")]
    OtherInstallation {
        /// Which differs.
        issuer: IssuerName,
    },
}

/// New operational certificates that a device may have in quick succession: it renews each few weeks, and loses its state once in a while.
const RENEWALS_AT_ONCE: u32 = 64;

/// Then one in each half minute: a device that asks without end costs the ledger some 5 MB a day.
const RENEWAL_STEP: Duration = Duration::from_secs(30);

/// Alarms that one principal may cause in quick succession, forks and others each; each is an entry for ever, and this many say enough of it. Further refusals are
/// counted (`touchmark_alarms_repeated_total`).
const ALARMS_AT_ONCE: u32 = 32;

/// Then one a minute.
const ALARM_STEP: Duration = Duration::from_secs(60);

//! Opens the installation that `init` made.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use authority::{Authority, Counted, Installation, OpenAuthorityError};
use identity::{Clock, IssuerName};
use issuance::Certificate;
use publication::{CrlNumberError, CrlNumberFile, PublishError};
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signer::{Issuers, IssuersError, key_file};
use store::{Store, StoreSettings};
use tracing::{error, info, warn};

use super::blocked_keys::BlockedKeysList;
use super::publishing::Publishing;
use super::server::{SERVER, Server};
use super::tasks::TaskState;
use crate::clock::CheckedClock;
use crate::config::Settings;
use crate::http::metrics::{Expiries, Expiry, Figures, MetricsSources};
use crate::profiles;
use crate::tls::{CredentialsError, TlsError};

/// The open installation.
pub(super) struct Opened {
    pub(super) authority: Arc<Authority>,
    pub(super) server: Arc<Server>,
    pub(super) issuers: Issuers,
    pub(super) blocked_keys: Arc<BlockedKeysList>,
    pub(super) expiries: Arc<Expiries>,
}

/// Opens keys, certificates and ledger, and checks that they belong together.
pub(super) async fn open(
    settings: &Settings,
    grpc: SocketAddr,
    checked: Arc<CheckedClock>,
    open_store: impl AsyncFnOnce(&StoreSettings) -> Result<Arc<dyn Store>, store::OpenError>,
) -> Result<Opened, OpenError> {
    let clock: Arc<dyn Clock> = Arc::<CheckedClock>::clone(&checked);
    let issuers = Issuers::open(&settings.issuers).await?;
    let server = Server::open(settings, &issuers, Arc::clone(&clock))?;
    let expiries = expiries(&issuers, &server.certificate());
    warn_of_keys(&settings.issuers.dir);
    let store = open_store(&settings.store).await?;
    info!(entries = store.head().0, "opened the ledger");
    checked.begin_over(store.last_entry_at().await.map_err(OpenAuthorityError::Store)?);
    let blocked_keys = Arc::new(BlockedKeysList::new(&settings.blocked_keys));
    let installation = Installation {
        organization: settings.organization.clone(),
        profiles: profiles::profiles(&settings.profiles, settings.public_url.as_deref()),
        renewal: profiles::renewal(&settings.profiles.renewal),
        enrollment_url: enrollment_url(settings, grpc),
        blocked_keys: blocked_keys.subscribe(),
    };
    let generator = Box::new(UnwrapErr(SysRng));
    let authority = Authority::open(store, issuers.clone(), installation, clock, generator).await?;
    server.may_serve(authority.store().as_ref()).await?;
    authority.serves_until(server.certificate().validity().not_after());
    if let Err(why) = server.answers_to(authority.enrollment_url()) {
        error!("{why}: no device can enrol; {NAMES_NEXT}");
    }
    let expiries = Arc::new(Expiries::new(expiries));
    Ok(Opened { authority: Arc::new(authority), server: Arc::new(server), issuers, blocked_keys, expiries })
}

/// Checks whether the CA could start, without opening the ledger, which a running CA has locked: the
/// passphrase opens the issuers' keys, the server's credentials can be used, and the ledger and the file of
/// CRL numbers are there.
///
/// # Errors
/// When the CA could not start.
pub async fn check(settings: &Settings, clock: Arc<dyn Clock>) -> Result<(), OpenError> {
    let issuers = Issuers::open(&settings.issuers).await?;
    let server = Server::open(settings, &issuers, clock)?;
    server.answers_to(&enrollment_url(settings, settings.listen))?;
    let ledger = settings.store.ledger();
    if !ledger.is_dir() {
        return Err(store::OpenError::Missing(ledger.display().to_string()).into());
    }
    CrlNumberFile::look(&settings.publication.epoch_file)?;
    Ok(())
}

/// The URL at which devices reach this CA at first boot: as configured, otherwise the bound address.
fn enrollment_url(settings: &Settings, grpc: SocketAddr) -> String {
    settings.enrollment_url.clone().unwrap_or_else(|| format!("https://{grpc}"))
}

/// The next step when the server's certificate lacks the name at which devices reach it.
pub(crate) const NAMES_NEXT: &str = "make the server's next certificate with that name (touchmark-ca credential --host NAME, docs/operations/server-certificate.md), or correct enrollment-url";

impl Opened {
    /// The values for the metrics.
    pub(super) fn sources(
        &self,
        clock: Arc<dyn Clock>,
        published: &Publishing,
        tasks: Arc<TaskState>,
    ) -> MetricsSources {
        let (publication, ocsp) = (Arc::clone(&published.publication), Arc::clone(&published.ocsp));
        let (now, blocked_keys) = (Arc::clone(&clock), Arc::clone(&self.blocked_keys));
        let (store, counters) = (Arc::clone(self.authority.store()), Arc::clone(self.authority.counters()));
        let figures = move || Figures {
            clock_in_doubt: now.doubt().is_some(),
            blocked_keys: blocked_keys.figures(),
            publication: publication.figures(now.now()),
            ocsp: ocsp.figures(),
            issued: named(counters.released.all()),
            refused: counters.refused.all(),
            shared_primes: counters.others.of(Counted::SharedPrime),
            repeated_alarms: counters.others.of(Counted::RepeatedAlarm),
            revoked_siblings: counters.others.of(Counted::RevokedSibling),
            issuers_compromised: named(counters.issuers_compromised.all()),
            store: store.metrics(),
            task_restarts: tasks.restarts(),
            log_lines_lost: diagnostics::lines_lost(),
            log_lines_suppressed: diagnostics::lines_suppressed(),
            panics: diagnostics::panics(),
        };
        MetricsSources { clock, issuers: Arc::clone(&self.expiries), figures: Arc::new(figures) }
    }
}

fn named(counts: Vec<(impl ToString, u64)>) -> Vec<(String, u64)> {
    counts.into_iter().map(|(key, count)| (key.to_string(), count)).collect()
}

/// Raises the limit of open files to the hard limit: each connection needs one.
pub(super) fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if limit.current != limit.maximum && setrlimit(Resource::Nofile, raised).is_err() {
        warn!(files_max = ?limit.current, "the limit of open files cannot be raised");
    }
}

fn expiries(issuers: &Issuers, server: &Certificate) -> Vec<Expiry> {
    let of = |name: IssuerName| (name.to_string(), issuers.certificate(name).as_ref());
    let certificates = IssuerName::ALL.map(of).into_iter().chain([(SERVER.to_owned(), server)]);
    certificates
        .map(|(issuer, certificate)| Expiry { issuer, not_after: certificate.validity().not_after() })
        .collect()
}

/// Warns of issuing keys in files, and of the root's key on this machine (R-CA-01, R-CA-04).
fn warn_of_keys(dir: &Path) {
    warn!("the issuers' keys are in files: as safe as this machine and no safer");
    let root_key = dir.join(key_file(IssuerName::Root));
    if root_key.exists() {
        warn!(path = %root_key.display(), "the root's key is on this machine; serving does not need it: take it offline");
    }
}

/// Why the installation cannot be opened: the operator must act.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// An issuer's key or certificate cannot be used.
    #[error(transparent)]
    Issuers(#[from] IssuersError),
    /// The server's credentials cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The server's certificate is not on record.
    #[error("the server's certificate is not one of Touchmark's")]
    ForeignServer,
    /// The server's certificate is not one of a service.
    #[error("the server's certificate is the one of {holder}, which no client takes for a server")]
    NotAServer {
        /// The principal of the certificate.
        holder: identity::Principal,
    },
    /// The server's certificate lacks the name of the enrollment URL.
    #[error("devices enrol at {url}, and {host} is not in the server's certificate")]
    OtherName {
        /// The enrollment URL.
        url: String,
        /// Its host.
        host: String,
    },
    /// The server's certificate is revoked.
    #[error("the server's certificate is revoked")]
    ServerRevoked,
    /// The server uses an issuing key (R-CA-02).
    #[error("the server has the key of an issuer; it needs a key of its own")]
    OneKeyTwoPurposes,
    /// TLS cannot be configured.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The ledger cannot be opened.
    #[error(transparent)]
    Store(#[from] store::OpenError),
    /// The ledger is older than what was published.
    #[error(transparent)]
    CrlNumbers(#[from] CrlNumberError),
    /// CRLs cannot be published.
    #[error("CRLs cannot be published")]
    Publish(#[from] PublishError),
    /// Keys and ledger do not belong together.
    #[error(transparent)]
    Authority(#[from] OpenAuthorityError),
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;

    use identity::SystemClock;

    use super::*;

    /// A fresh installation in this directory, opened.
    pub(in crate::serve) async fn opened(dir: &Path) -> (Settings, Opened) {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let plan = crate::init::Plan::for_a_test(dir.join("ca"));
        let create =
            async |dir: &Path| store::create(StoreSettings::new(dir.to_owned()), Arc::clone(&clock)).await;
        let made = crate::init::init(plan, Arc::clone(&clock), create).await.unwrap();
        let settings = Settings::read(&made.config, []).unwrap();
        let store = async |store: &StoreSettings| store::open(store.clone(), Arc::clone(&clock)).await;
        let address = "127.0.0.1:1".parse().unwrap();
        let checked = Arc::new(CheckedClock::new(Arc::clone(&clock), settings.clock));
        let opened = open(&settings, address, checked, store).await.unwrap();
        (settings, opened)
    }

    #[tokio::test]
    async fn a_ca_does_not_start_with_the_credentials_of_somebody_who_is_no_server() {
        let dir = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let plan = crate::init::Plan::for_a_test(dir.path().join("ca"));
        let create =
            async |dir: &Path| store::create(StoreSettings::new(dir.to_owned()), Arc::clone(&clock)).await;
        let made = crate::init::init(plan, Arc::clone(&clock), create).await.unwrap();
        let settings = Settings::read(&made.config, []).unwrap();
        let start = || {
            let store = async |store: &StoreSettings| store::open(store.clone(), Arc::clone(&clock)).await;
            let checked = CheckedClock::new(Arc::clone(&clock), settings.clock);
            open(&settings, "127.0.0.1:1".parse().unwrap(), Arc::new(checked), store)
        };
        start().await.unwrap().authority.store().close().await.unwrap();
        for file in ["cert.pem", "key.pem"] {
            let operators = dir.path().join("ca/operators/admin").join(file);
            fs::copy(operators, dir.path().join("ca/server").join(file)).unwrap();
        }
        let refused = start().await.map(drop).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the server's certificate is the one of operator:admin, which no client takes for a server"
        );
    }
}

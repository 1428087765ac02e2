//! Opens the installation that `init` made.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use authority::{Authority, Counted, End, Installation, OpenAuthorityError};
use identity::Clock;
use publication::{CrlNumberError, PublishError};
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signer::{DocumentSigner, DocumentSignerError, Issuers, IssuersError, KeyFileError};
use tracing::{error, info, warn};

use super::blocked_keys::BlockedKeysList;
use super::publishing::Publishing;
use super::server::Server;
use super::tasks::TaskState;
use crate::clock::CheckedClock;
use crate::config::Settings;
use crate::http::metrics::{Figures, FiguresNow};
use crate::ledger::Checkpoints;
use crate::open::{
    LedgerKeyError, check_crl_numbers, check_ledger, check_ledger_key, checkpoint_file,
    open_or_make_ledger_key, warn_of_issuing_keys,
};
use crate::profiles;
use crate::tls::{CredentialsError, TlsError};

pub(super) struct Opened {
    pub(super) authority: Arc<Authority>,
    pub(super) server: Arc<Server>,
    pub(super) issuers: Issuers,
    pub(super) blocked_keys: Arc<BlockedKeysList>,
    /// `None`: there is no key for them, and none can be made.
    pub(super) checkpoints: Option<Arc<Checkpoints>>,
}

/// Opens keys, certificates and ledger, and checks that they belong together.
pub(super) async fn open(
    settings: &Settings,
    grpc: SocketAddr,
    checked: Arc<CheckedClock>,
) -> Result<Opened, OpenError> {
    let clock: Arc<dyn Clock> = Arc::<CheckedClock>::clone(&checked);
    let issuers = Issuers::open(&settings.issuers).await?;
    let server = Server::open(settings, &issuers, Arc::clone(&clock))?;
    warn_of_issuing_keys(&settings.issuers);
    let store = store::open(settings.store.clone(), Arc::clone(&clock)).await?;
    info!(entries = store.head().0, "opened the ledger");
    checked.begin_over(store.last_entry_at().await.map_err(OpenAuthorityError::Store)?);
    let blocked_keys = Arc::new(BlockedKeysList::new(&settings.blocked_keys));
    let installation = Installation {
        organization: settings.organization.clone(),
        profiles: profiles::profiles(&settings.profiles, settings.public_url.as_deref()),
        renewal: settings.profiles.renewal,
        reservations: settings.reservations,
        enrollment_url: enrollment_url(settings, grpc),
        blocked_keys: blocked_keys.subscribe(),
    };
    let generator = Box::new(UnwrapErr(SysRng));
    let documents = DocumentSigner::open(&settings.issuers).await?;
    let mut authority = Authority::open(store, issuers.clone(), installation, clock, generator).await?;
    match documents {
        Some(signer) => authority = authority.signing_documents(signer).await?,
        None => warn!("there is no signer of documents: no closing report is made; {DOCUMENTS_NEXT}"),
    }
    server.may_serve(authority.store().as_ref()).await?;
    authority.serves_until(server.certificate().validity().not_after());
    if let Err(why) = server.answers_to(authority.enrollment_url()) {
        error!("{why}: no device can enrol; {NAMES_NEXT}");
    }
    let checkpoints = checkpoints(settings)?;
    let (authority, server) = (Arc::new(authority), Arc::new(server));
    Ok(Opened { authority, server, issuers, blocked_keys, checkpoints })
}

/// What signs checkpoints of the ledger.
fn checkpoints(settings: &Settings) -> Result<Option<Arc<Checkpoints>>, OpenError> {
    match open_or_make_ledger_key(&settings.issuers) {
        Ok(signer) => Ok(Some(Arc::new(Checkpoints::open(signer, checkpoint_file(settings))))),
        // An installation whose keys are on a disk that cannot be written.
        Err(why @ (LedgerKeyError::Io { .. } | LedgerKeyError::Key(KeyFileError::Write { .. }))) => {
            let why: &dyn std::error::Error = &why;
            warn!(why, "no checkpoints of the ledger are signed: there is no key, and none can be made");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Checks whether the CA could start, without opening the ledger, which a running CA has locked: the
/// passphrase opens the issuers' keys, the server's credentials can be used, and the ledger and the file of
/// CRL numbers are there.
pub async fn check(settings: &Settings, clock: Arc<dyn Clock>) -> Result<(), OpenError> {
    let issuers = Issuers::open(&settings.issuers).await?;
    DocumentSigner::open(&settings.issuers).await?;
    check_ledger_key(&settings.issuers)?;
    let server = Server::open(settings, &issuers, clock)?;
    server.answers_to(&enrollment_url(settings, settings.listen))?;
    check_ledger(settings)?;
    Ok(check_crl_numbers(&settings.publication)?)
}

/// The URL at which devices reach this CA at first boot: as configured, otherwise the bound address.
fn enrollment_url(settings: &Settings, grpc: SocketAddr) -> String {
    settings.enrollment_url.clone().unwrap_or_else(|| format!("https://{grpc}"))
}

/// The next step when the server's certificate lacks the name at which devices reach it.
pub(crate) const NAMES_NEXT: &str = "make the server's next certificate with that name (touchmark-ca credential --host NAME, docs/operations/server-certificate.md), or correct enrollment-url";

/// The next step when nothing signs documents.
pub(crate) const DOCUMENTS_NEXT: &str = "touchmark-ca document-signer makes one, while the CA does not serve (docs/operations/root-key-offline.md)";

impl Opened {
    pub(super) fn figures(
        &self,
        clock: Arc<dyn Clock>,
        published: &Publishing,
        tasks: Arc<TaskState>,
    ) -> FiguresNow {
        let (publication, ocsp) = (Arc::clone(&published.publication), Arc::clone(&published.ocsp));
        let (authority, blocked_keys) = (Arc::clone(&self.authority), Arc::clone(&self.blocked_keys));
        let counters = Arc::clone(authority.counters());
        let to_expiry = |end: End, now| (end.name, seconds_between(now, end.not_after));
        Arc::new(move || Figures {
            clock_in_doubt: clock.doubt().is_some(),
            seconds_to_expiry: authority.ends().into_iter().map(|end| to_expiry(end, clock.now())).collect(),
            blocked_keys: blocked_keys.figures(),
            publication: publication.figures(clock.now()),
            ocsp: ocsp.figures(),
            issued: named(counters.released.all()),
            refused: counters.refused.all(),
            products_paused: products_paused(&authority),
            shared_primes: counters.others.of(Counted::SharedPrime),
            repeated_alarms: counters.others.of(Counted::RepeatedAlarm),
            revoked_siblings: counters.others.of(Counted::RevokedSibling),
            issuers_compromised: named(counters.issuers_compromised.all()),
            store: authority.store().metrics(),
            task_restarts: tasks.restarts(),
            log_lines_lost: diagnostics::lines_lost(),
            log_lines_suppressed: diagnostics::lines_suppressed(),
            panics: diagnostics::panics(),
        })
    }
}

fn named(counts: Vec<(impl ToString, u64)>) -> Vec<(String, u64)> {
    counts.into_iter().map(|(key, count)| (key.to_string(), count)).collect()
}

fn products_paused(authority: &Authority) -> Vec<String> {
    authority.store().paused_products().into_iter().map(|known| known.product.to_string()).collect()
}

/// Raises the limit of open files to the hard limit: each connection needs one.
pub(super) fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if limit.current != limit.maximum && setrlimit(Resource::Nofile, raised).is_err() {
        warn!(files_max = ?limit.current, "the limit of open files cannot be raised");
    }
}

fn seconds_between(from: SystemTime, to: SystemTime) -> f64 {
    match to.duration_since(from) {
        Ok(left) => left.as_secs_f64(),
        Err(past) => -past.duration().as_secs_f64(),
    }
}

/// Why the installation cannot be opened: the operator must act.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum OpenError {
    #[error(transparent)]
    Issuers(#[from] IssuersError),
    #[error(transparent)]
    Documents(#[from] DocumentSignerError),
    #[error(transparent)]
    LedgerKey(#[from] LedgerKeyError),
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    #[error("the server's certificate is not one of Touchmark's")]
    ForeignServer,
    #[error("the server's certificate is the one of {holder}, which no client takes for a server")]
    NotAServer { holder: identity::Principal },
    #[error("devices enrol at {url}, and {host} is not in the server's certificate")]
    OtherName { url: String, host: String },
    #[error("the server's certificate is revoked")]
    ServerRevoked,
    /// The server uses an issuing key (R-CA-02).
    #[error("the server has the key of an issuer; it needs a key of its own")]
    OneKeyTwoPurposes,
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Store(#[from] store::OpenError),
    #[error(transparent)]
    CrlNumbers(#[from] CrlNumberError),
    #[error("CRLs cannot be published")]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Authority(#[from] OpenAuthorityError),
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;
    use std::path::Path;

    use identity::SystemClock;

    use super::*;

    /// A fresh installation in this directory, opened.
    pub(in crate::serve) async fn opened(dir: &Path) -> (Settings, Opened) {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let made = crate::init::Plan::for_a_test(dir.join("ca")).made().await;
        let settings = Settings::read(&made.config, []).unwrap();
        let address = "127.0.0.1:1".parse().unwrap();
        let checked = Arc::new(CheckedClock::new(Arc::clone(&clock), settings.clock));
        let opened = open(&settings, address, checked).await.unwrap();
        (settings, opened)
    }

    #[tokio::test]
    async fn a_ca_does_not_start_with_the_credentials_of_somebody_who_is_no_server() {
        let dir = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let made = crate::init::Plan::for_a_test(dir.path().join("ca")).made().await;
        let settings = Settings::read(&made.config, []).unwrap();
        let start = || {
            let checked = CheckedClock::new(Arc::clone(&clock), settings.clock);
            open(&settings, "127.0.0.1:1".parse().unwrap(), Arc::new(checked))
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

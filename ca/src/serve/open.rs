//! Opens what `init` made.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use identity::{Clock, Principal, Role};
use issuance::{Certificate, IssuerName};
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{error, info, warn};

use super::blocked_keys::BlockedKeysList;
use super::profiles;
use super::publish::Published;
use crate::authority::{Authority, Installation, OpenAuthorityError};
use crate::clock::CheckedClock;
use crate::config::{IssuerSettings, Settings, StoreSettings};
use crate::http::metrics::{Expiry, Figures, Sources};
use crate::ledger::{Holder, Standing};
use crate::publication::{NumbersError, PublishError};
use crate::signer::{Issuers, IssuersError, Passphrase, PassphraseError, key_file};
use crate::store::Store;
use crate::tls::{CredentialsError, Late, ServerCredentials, TlsError, server_config};

/// What is open.
pub(super) struct Opened<S> {
    pub(super) authority: Arc<Authority<S>>,
    pub(super) tls: rustls::ServerConfig,
    pub(super) issuers: Issuers,
    pub(super) blocked_keys: Arc<BlockedKeysList>,
    expiries: Vec<Expiry>,
}

/// Opens keys, certificates, ledger; checks that they belong together.
pub(super) async fn open<S: Store>(
    settings: &Settings,
    grpc: SocketAddr,
    checked: Arc<CheckedClock>,
    open_store: impl AsyncFnOnce(&StoreSettings) -> Result<S, crate::store::OpenError>,
) -> Result<Opened<S>, OpenError> {
    let clock: Arc<dyn Clock> = Arc::<CheckedClock>::clone(&checked);
    let issuers = open_issuers(settings.issuers.clone()).await?;
    let credentials = ServerCredentials::read(&settings.server_credentials)?;
    let server = Certificate::from_der(credentials.certificate()).map_err(|_| OpenError::ForeignServer)?;
    if IssuerName::ALL.iter().any(|name| issuers.certificate(*name).public_key() == server.public_key()) {
        return Err(OpenError::OneKeyTwoPurposes);
    }
    let expiries = expiries(&issuers, &server);
    if clock.now() < server.validity().not_before() {
        error!(
            "the clock is before the server's certificate begins, so it is wrong: everybody will refuse this server"
        );
    }
    warn_of_keys(&settings.issuers.dir);
    let tls = {
        let issuer = issuers.certificate(IssuerName::Operational).subject().to_vec();
        let certifying = [&issuers.factory, &issuers.operational, &issuers.infrastructure];
        server_config(
            credentials,
            certifying.map(|issuer| issuer.certificate.as_ref()),
            Arc::clone(&clock),
            Late { issuer, grace: settings.profiles.renewal.grace },
        )?
    };
    let store = open_store(&settings.store).await?;
    info!(entries = store.head().0, "opened the ledger");
    checked.begin_over(store.last_entry_at());
    let blocked_keys = Arc::new(BlockedKeysList::new(&settings.blocked_keys));
    let installation = Installation {
        organization: settings.organization.clone(),
        profiles: profiles::profiles(&settings.profiles, settings.public_url.as_deref()),
        renewal: profiles::renewal(&settings.profiles.renewal),
        enrollment_url: settings.enrollment_url.clone().unwrap_or_else(|| format!("https://{grpc}")),
        blocked_keys: blocked_keys.subscribe(),
    };
    let generator = Box::new(UnwrapErr(SysRng));
    let authority = Authority::open(Arc::new(store), issuers.clone(), installation, clock, generator).await?;
    may_serve(authority.store().as_ref(), &server).await?;
    authority.serves_until(server.validity().not_after());
    Ok(Opened { authority: Arc::new(authority), tls, issuers, blocked_keys, expiries })
}

/// Whether the certificate is a service's and still good: with any other the CA would start, and every client refuse it.
async fn may_serve<S: Store>(store: &S, server: &Certificate) -> Result<(), OpenError> {
    let record = store.certificate(&server.serial_number()).await.map_err(OpenAuthorityError::Store)?;
    let record = record.filter(|record| record.certificate().der == server.der());
    let record = record.ok_or(OpenError::ForeignServer)?;
    match record.holder() {
        Some(Holder::Principal(Principal::Named { role: Role::Service, .. })) => {}
        Some(Holder::Principal(holder)) => return Err(OpenError::NotAServer { holder }),
        Some(Holder::Issuer(_)) | None => return Err(OpenError::ForeignServer),
    }
    if record.standing() == Standing::Revoked { Err(OpenError::ServerRevoked) } else { Ok(()) }
}

impl<S: Store> Opened<S> {
    /// What metrics show of it.
    pub(super) fn sources(&self, clock: Arc<dyn Clock>, published: &Published<S>) -> Sources {
        let (publication, answers) = (Arc::clone(&published.publication), Arc::clone(&published.answers));
        let (now, blocked_keys) = (Arc::clone(&clock), Arc::clone(&self.blocked_keys));
        let (store, tally) = (Arc::clone(self.authority.store()), Arc::clone(self.authority.tally()));
        let doubted = Arc::clone(&clock);
        let figures = move || {
            let vitals = store.vitals();
            Figures {
                clock_in_doubt: doubted.doubt().is_some(),
                blocked_keys: blocked_keys.figures(),
                publication: publication.figures(now.now()),
                answers: answers.figures(),
                issued: tally.released().map(|(profile, count)| (profile.to_string(), count)).collect(),
                refused: tally.refused(),
                shared_primes: tally.shared_primes(),
                ledger_entries: vitals.head,
                ledger_bytes: vitals.ledger_bytes,
                batches: vitals.batches,
                sync_total: vitals.sync_total,
                sync_max: vitals.sync_max,
                disk_full: vitals.full,
                queued: vitals.queued,
                stopped: vitals.stopped,
                projected: vitals.projected,
                projection_lag: vitals.projection_lag,
                projection_rebuilds: vitals.projection_rebuilds,
            }
        };
        Sources { clock, issuers: self.expiries.clone(), figures: Box::new(figures) }
    }
}

/// Takes as many files as the system gives: each connection is one.
pub(super) fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if limit.current != limit.maximum && setrlimit(Resource::Nofile, raised).is_err() {
        warn!(files_max = ?limit.current, "the limit of open files cannot be raised");
    }
}

async fn open_issuers(settings: IssuerSettings) -> Result<Issuers, OpenError> {
    // Deriving a key from the passphrase takes tens of milliseconds.
    let opening = tokio::task::spawn_blocking(move || {
        let passphrase = Passphrase::read(&settings.passphrase_file)?;
        Ok(Issuers::open(&settings.dir, &passphrase)?)
    });
    opening.await.unwrap_or(Err(OpenError::Issuers(IssuersError::Thread)))
}

fn expiries(issuers: &Issuers, server: &Certificate) -> Vec<Expiry> {
    let of = |name: IssuerName| (name.to_string(), issuers.certificate(name).as_ref());
    let certificates = IssuerName::ALL.map(of).into_iter().chain([("server".to_owned(), server)]);
    certificates
        .map(|(issuer, certificate)| Expiry { issuer, not_after: certificate.validity().not_after() })
        .collect()
}

/// R-CA-01, R-CA-04.
fn warn_of_keys(dir: &Path) {
    warn!("the issuers' keys are in files: as safe as this machine and no safer");
    let root_key = dir.join(key_file(IssuerName::Root));
    if root_key.exists() {
        warn!(path = %root_key.display(), "the root's key is on this machine; serving does not need it: take it offline");
    }
}

/// Why the CA cannot begin: the operator must act.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The passphrase cannot be used.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// An issuer's key or certificate cannot be used.
    #[error(transparent)]
    Issuers(#[from] IssuersError),
    /// The server's credentials cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The server's certificate is another's.
    #[error("the server's certificate is not one of Touchmark's")]
    ForeignServer,
    /// The server's certificate is for another purpose.
    #[error("the server's certificate is the one of {holder}, which no client takes for a server")]
    NotAServer {
        /// Whose it is.
        holder: Principal,
    },
    /// The server's certificate was withdrawn.
    #[error("the server's certificate is revoked")]
    ServerRevoked,
    /// R-CA-02.
    #[error("the server has the key of an issuer; it needs a key of its own")]
    OneKeyTwoPurposes,
    /// The server cannot speak TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The ledger cannot be opened.
    #[error(transparent)]
    Store(#[from] crate::store::OpenError),
    /// The ledger is older than what was published.
    #[error(transparent)]
    Numbers(#[from] NumbersError),
    /// The lists cannot be kept.
    #[error("revocation lists cannot be published")]
    Publish(#[from] PublishError),
    /// Keys and ledger do not belong together.
    #[error(transparent)]
    Authority(#[from] OpenAuthorityError),
}

#[cfg(test)]
mod tests {
    use std::fs;

    use identity::SystemClock;

    use super::*;

    #[tokio::test]
    async fn a_ca_does_not_start_with_the_credentials_of_somebody_who_is_no_server() {
        let dir = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let plan = crate::init::Plan::for_a_test(dir.path().join("ca"));
        let create = async |dir: &Path| crate::embedded::create(dir, Arc::clone(&clock)).await;
        let made = crate::init::init(plan, Arc::clone(&clock), create).await.unwrap();
        let settings = Settings::read(&made.config, []).unwrap();
        let start = || {
            let store = async |store: &StoreSettings| crate::embedded::open(store, Arc::clone(&clock)).await;
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

//! `touchmark-ca serve`: opens the installation, serves until it is told to stop, and closes the store.

mod blocked_keys;
mod calls;
mod connection_limits;
mod expiry;
mod h2;
mod health;
mod listeners;
mod open;
mod peer;
mod publishing;
mod quota;
mod reload;
mod revocation;
mod server;
mod signals;
mod tasks;
mod troubles;
mod watchdog;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use identity::Clock;
use store::{Store, StoreError, StoreSettings};
use supervisor::ServiceManager;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

use crate::clock::CheckedClock;
use crate::config::Settings;
use crate::http::metrics::Metrics;
use crate::http::{self, Readiness};
use calls::CallLayer;
use listeners::{Listeners, Services};
use publishing::Publishing;
use quota::PerClientQuota;
use reload::Reload;
use signals::{SignalStreams, Signals};
use tasks::Tasks;

pub(crate) use open::NAMES_NEXT;
pub use open::{OpenError, check};
pub use tasks::Fault;

/// The addresses that are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// gRPC.
    pub grpc: SocketAddr,
    /// Metrics and health.
    pub http: SocketAddr,
    /// CRLs, OCSP and issuers' certificates.
    pub public: SocketAddr,
}

/// Serves until SIGTERM or SIGINT, or until a required task has ended. `ready` is called once, when calls are
/// answered.
///
/// At the signal it accepts nothing more, answers calls that have begun, and aborts the rest after the
/// configured time or at a second signal. The store is closed in every case.
///
/// # Errors
/// When it cannot start, or ended without a signal.
pub async fn serve(
    settings: Settings,
    clock: Arc<CheckedClock>,
    open_store: impl AsyncFnOnce(&StoreSettings) -> Result<Arc<dyn Store>, store::OpenError>,
    ready: impl FnOnce(Addresses),
) -> Result<(), ServeError> {
    open::raise_file_limit();
    settings.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    // SIGHUP during the start must not end the process.
    let _hang_up = signal(SignalKind::hangup()).map_err(ServeError::Signals)?;
    let listeners = Listeners::bind(&settings)
        .await
        .map_err(|(address, source)| ServeError::Listen { address, source })?;
    let (grpc, http) =
        listeners.addresses().map_err(|source| ServeError::Listen { address: settings.listen, source })?;
    let (listener, public) = listen(settings.http_listen).await?;
    let checked = Arc::clone(&clock);
    let opened = open::open(&settings, grpc, clock, open_store).await?;
    let clock: Arc<dyn Clock> = Arc::<CheckedClock>::clone(&checked);
    let store = Arc::clone(opened.authority.store());
    let published = open_published(&settings, public, &opened, &clock).await?;

    let signals = Signals::default();
    let (stop, cut) = (signals.stop.clone(), signals.cut.clone());
    let mut tasks = Tasks::new(stop.clone());
    let watch = tasks.state();
    let sources = opened.sources(clock, &published, Arc::clone(&watch));
    let figures = Arc::clone(&sources.figures);
    let metrics = Arc::new(Metrics::new(sources));
    let readiness: Readiness = {
        let (authority, watch, stop) = (Arc::clone(&opened.authority), Arc::clone(&watch), stop.clone());
        let publication = Arc::clone(&published.publication);
        Arc::new(move || health::readiness(&authority, &publication, &watch, &stop))
    };
    let health = health::Health::new(Arc::clone(&readiness)).map_err(|_| ServeError::Descriptors)?;
    let quota = PerClientQuota::new(settings.limits.connections_max, settings.limits.requests_max);
    let calls = CallLayer::new(
        Arc::clone(&metrics),
        Arc::clone(&quota),
        &[
            proto::FILE_DESCRIPTOR_SET,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        ],
        stop.clone(),
    )
    .map_err(|_| ServeError::Descriptors)?;
    let publishing_metrics = Arc::clone(&metrics);
    let services = Services {
        authority: Arc::clone(&opened.authority),
        quota,
        routes: crate::grpc::routes(
            &opened.authority,
            &published.publication,
            troubles::of(Arc::clone(&readiness), figures, Arc::clone(&opened.server), &opened.authority),
            health.routes().map_err(|_| ServeError::Descriptors)?,
        ),
        metrics_http: http::MetricsHttp::new(Arc::clone(&metrics), readiness),
        calls,
        metrics,
    };
    start_tasks(&mut tasks, &opened, checked, health, settings.blocked_keys.file, &signals)?;
    published.start(listener, publishing_metrics, &mut tasks, stop.clone()).await;
    info!(%grpc, %http, %public, "serving");
    ready(Addresses { grpc, http, public });
    let (watched, token) = (Arc::clone(&store), stop.clone());
    tasks.spawn_restarting("service manager", move || {
        watchdog::report(ServiceManager::of_this_process(), Arc::clone(&watched), token.clone())
    });
    listeners.run(opened.server.config(), services, &mut tasks, stop.clone(), cut).await;

    stop.cancel();
    tasks.end().await;
    store.close().await?;
    info!("stopped");
    watch.fault().map_or(Ok(()), |fault| Err(ServeError::Task(fault)))
}

/// Starts the background tasks.
fn start_tasks(
    tasks: &mut Tasks,
    opened: &open::Opened,
    clock: Arc<CheckedClock>,
    health: health::Health,
    list: Option<PathBuf>,
    signals: &Signals,
) -> Result<(), ServeError> {
    let stop = signals.stop.clone();
    let mut taken = Some(SignalStreams::new().map_err(ServeError::Signals)?);
    let watched = signals.clone();
    tasks.spawn_restarting_to_the_end("signals", move || watched.clone().watch(taken.take()));
    let token = stop.clone();
    tasks.spawn_restarting_to_the_end("health", move || health.clone().report(token.clone()));
    let (store, watch, token) = (Arc::clone(opened.authority.store()), tasks.state(), stop.clone());
    tasks.spawn_restarting("store watch", move || {
        health::watch_store(Arc::clone(&store), Arc::clone(&watch), token.clone())
    });
    let token = stop.clone();
    tasks.spawn_restarting("clock watch", move || {
        let (clock, token) = (Arc::clone(&clock), token.clone());
        async move { clock.watch(token).await }
    });
    let (authority, token) = (Arc::clone(&opened.authority), stop.clone());
    tasks
        .spawn_restarting("certificate expiry", move || expiry::watch(Arc::clone(&authority), token.clone()));
    let (authority, token) = (Arc::clone(&opened.authority), stop.clone());
    tasks.spawn_restarting("upkeep", move || {
        let (authority, token) = (Arc::clone(&authority), token.clone());
        async move { authority.upkeep(token).await }
    });
    if opened.authority.takes_rsa() {
        let (authority, token) = (Arc::clone(&opened.authority), stop.clone());
        tasks.spawn_restarting("shared primes", move || {
            let (authority, token) = (Arc::clone(&authority), token.clone());
            async move { authority.watch_primes(token).await }
        });
    }
    if let Some(file) = list.clone() {
        let (blocked, token) = (Arc::clone(&opened.blocked_keys), stop.clone());
        tasks.spawn_restarting("blocked keys", move || {
            blocked_keys::watch_file(Arc::clone(&blocked), file.clone(), token.clone())
        });
    }
    let reload = Reload {
        asked: Arc::clone(&signals.reload),
        server: Arc::clone(&opened.server),
        authority: Arc::clone(&opened.authority),
        expiries: Arc::clone(&opened.expiries),
        blocked_keys: Arc::clone(&opened.blocked_keys),
        blocked_keys_file: list,
        stop,
    };
    let reload = Arc::new(reload);
    tasks.spawn_restarting("reload", move || Arc::clone(&reload).run());
    Ok(())
}

/// Opens publication; closes the store when that fails.
async fn open_published(
    settings: &Settings,
    public: SocketAddr,
    opened: &open::Opened,
    clock: &Arc<dyn Clock>,
) -> Result<Publishing, ServeError> {
    let (authority, clock) = (&opened.authority, Arc::clone(clock));
    let published = Publishing::open(settings, public, authority, &opened.issuers, clock).await;
    if published.is_err() {
        authority.store().close().await?;
    }
    Ok(published?)
}

/// Binds the public listener, and returns its bound address.
async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let failed = |source| ServeError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// Why the CA does not serve: the operator must act.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address cannot be bound.
    #[error("cannot listen on {address}; is another process using it?")]
    Listen {
        /// The address of the configuration.
        address: SocketAddr,
        /// The error of the system.
        source: std::io::Error,
    },
    /// The installation cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store did not close.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A required task has ended.
    #[error("the CA ended because {} {}", .0.task, .0.how)]
    Task(Fault),
    /// Signal handlers cannot be installed.
    #[error("signals cannot be received")]
    Signals(#[source] std::io::Error),
    /// A bug: our own descriptors are invalid.
    #[error("the descriptors of our own services cannot be read")]
    Descriptors,
}

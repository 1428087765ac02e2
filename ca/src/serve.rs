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
use store::StoreError;
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
pub async fn serve(
    settings: Settings,
    clock: Arc<CheckedClock>,
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
    let opened = open::open(&settings, grpc, clock).await?;
    let clock: Arc<dyn Clock> = Arc::<CheckedClock>::clone(&checked);
    let store = Arc::clone(opened.authority.store());
    let published = open_published(&settings, public, &opened, &clock).await?;

    let signals = Signals::default();
    let (stop, cut) = (signals.stop.clone(), signals.cut.clone());
    let mut tasks = Tasks::new(stop.clone());
    let watch = tasks.state();
    let figures = opened.figures(clock, &published, Arc::clone(&watch));
    let metrics = Arc::new(Metrics::new(Arc::clone(&figures)));
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
    tasks.spawn_restarting("service manager", &store, |store, stop| {
        watchdog::report(ServiceManager::of_this_process(), store, stop)
    });
    listeners.run(opened.server.config(), services, &mut tasks, stop.clone(), cut).await;

    stop.cancel();
    tasks.end().await;
    store.close().await?;
    info!("stopped");
    watch.fault().map_or(Ok(()), |fault| Err(ServeError::Task(fault)))
}

fn start_tasks(
    tasks: &mut Tasks,
    opened: &open::Opened,
    clock: Arc<CheckedClock>,
    health: health::Health,
    list: Option<PathBuf>,
    signals: &Signals,
) -> Result<(), ServeError> {
    let mut taken = Some(SignalStreams::new().map_err(ServeError::Signals)?);
    let watched = signals.clone();
    tasks.spawn_restarting_to_the_end("signals", move |_| watched.clone().watch(taken.take()));
    tasks.spawn_restarting_to_the_end("health", move |stop| health.clone().report(stop));
    let (authority, watch) = (&opened.authority, tasks.state());
    tasks.spawn_restarting("store watch", authority.store(), move |store, stop| {
        health::watch_store(store, Arc::clone(&watch), stop)
    });
    tasks.spawn_restarting("clock watch", &clock, |clock, stop| async move { clock.watch(stop).await });
    tasks.spawn_restarting("certificate expiry", authority, expiry::watch);
    tasks.spawn_restarting("upkeep", authority, |authority, stop| async move {
        authority.upkeep(stop).await;
    });
    if authority.takes_rsa() {
        tasks.spawn_restarting("shared primes", authority, |authority, stop| async move {
            authority.watch_primes(stop).await;
        });
    }
    if let Some(checkpoints) = &opened.checkpoints {
        let store = Arc::clone(authority.store());
        tasks.spawn_restarting("checkpoints", checkpoints, move |checkpoints, stop| {
            checkpoints.run(Arc::clone(&store), stop)
        });
    }
    if let Some(file) = list.clone() {
        tasks.spawn_restarting("blocked keys", &opened.blocked_keys, move |blocked, stop| {
            blocked_keys::watch_file(blocked, file.clone(), stop)
        });
    }
    let reload = Reload {
        asked: Arc::clone(&signals.reload),
        server: Arc::clone(&opened.server),
        authority: Arc::clone(&opened.authority),
        blocked_keys: Arc::clone(&opened.blocked_keys),
        blocked_keys_file: list,
    };
    tasks.spawn_restarting("reload", &Arc::new(reload), Reload::run);
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
    let published = published.map(|published| published.with_checkpoints(opened.checkpoints.clone()));
    if published.is_err() {
        authority.store().close().await?;
    }
    Ok(published?)
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let failed = |source| ServeError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// Why the CA does not serve: the operator must act.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum ServeError {
    #[error("cannot listen on {address}; is another process using it?")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the CA ended because {} {}", .0.task, .0.how)]
    Task(Fault),
    #[error("signals cannot be received")]
    Signals(#[source] std::io::Error),
    /// A bug: our own descriptors are invalid.
    #[error("the descriptors of our own services cannot be read")]
    Descriptors,
}

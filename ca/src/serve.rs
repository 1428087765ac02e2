//! Serving: opens what `init` made, serves until it is told to stop, leaves everything as a clean start wants it.

mod accept;
mod blocked_keys;
mod calls;
mod connection;
mod ends;
mod front;
mod health;
mod open;
mod places;
mod profiles;
mod publish;
mod shares;
mod signals;
mod wire;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use identity::Clock;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::clock::CheckedClock;
use crate::config::{Settings, StoreSettings};
use crate::http::metrics::Metrics;
use crate::http::{self, Readiness};
use crate::store::{Store, StoreError};
use calls::Calls;
use front::{Front, Services};
use publish::Published;

pub use open::OpenError;
pub(crate) use profiles::publish;

/// Where the CA serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// gRPC.
    pub grpc: SocketAddr,
    /// Metrics and health.
    pub http: SocketAddr,
    /// Lists, status and issuers' certificates, for everybody.
    pub public: SocketAddr,
}

/// Serves until SIGTERM or SIGINT, or until the store can record nothing more. `ready` is called once, when callers are answered.
///
/// On the signal, accepts nothing more, answers what was begun, and cuts off what is left after the configured time, or at a second
/// signal. The store is closed in every case.
///
/// # Errors
/// When it cannot begin, or the store stopped.
pub async fn serve<S: Store>(
    settings: Settings,
    clock: Arc<CheckedClock>,
    open_store: impl AsyncFnOnce(&StoreSettings) -> Result<S, crate::store::OpenError>,
    ready: impl FnOnce(Addresses),
) -> Result<(), ServeError> {
    open::raise_file_limit();
    let front =
        Front::bind(&settings).await.map_err(|(address, source)| ServeError::Listen { address, source })?;
    let (grpc, http) =
        front.addresses().map_err(|source| ServeError::Listen { address: settings.listen, source })?;
    let (listener, public) = listen(settings.http_listen).await?;
    let checked = Arc::clone(&clock);
    let opened = open::open(&settings, grpc, clock, open_store).await?;
    let clock: Arc<dyn Clock> = Arc::<CheckedClock>::clone(&checked);
    let store = Arc::clone(opened.authority.store());
    let published = open_published(&settings, public, &opened, &clock).await?;

    let (stop, cut) = (CancellationToken::new(), CancellationToken::new());
    let metrics = Arc::new(Metrics::new(opened.sources(clock, &published)));
    let readiness: Readiness = {
        let (authority, stop) = (Arc::clone(&opened.authority), stop.clone());
        Arc::new(move || health::readiness(&authority, &stop))
    };
    let health = health::Health::new(Arc::clone(&readiness));
    let calls = Calls::new(
        Arc::clone(&metrics),
        settings.limits.requests_max,
        &[
            proto::FILE_DESCRIPTOR_SET,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        ],
        stop.clone(),
    )
    .map_err(|_| ServeError::Descriptors)?;
    let services = Services {
        routes: crate::grpc::routes(
            &opened.authority,
            &published.publication,
            health.routes().map_err(|_| ServeError::Descriptors)?,
        ),
        pages: http::router(Arc::clone(&metrics), readiness),
        calls,
        metrics,
    };
    let watching = tokio::spawn(signals::watch(stop.clone(), cut.clone()));
    let reporting = tokio::spawn(health.report(stop.clone()));
    let upkeep = look_after(&opened, checked, settings.blocked_keys.file, stop.clone());
    let publishing = published.start(listener, stop.clone()).await;
    info!(%grpc, %http, %public, "serving");
    ready(Addresses { grpc, http, public });
    front.run(opened.tls, services, stop.clone(), cut).await;

    stop.cancel();
    // It stops between two commits, if not sooner.
    upkeep.await.ok();
    watching.abort();
    reporting.abort();
    for task in publishing {
        task.await.ok();
    }
    let stopped = store.vitals().stopped;
    store.close().await?;
    info!("stopped");
    if stopped {
        error!("the store could record nothing more");
        return Err(ServeError::Store(StoreError::Stopped));
    }
    Ok(())
}

/// What the CA does without being asked, until `stop`.
fn look_after<S: Store>(
    opened: &open::Opened<S>,
    clock: Arc<CheckedClock>,
    list: Option<PathBuf>,
    stop: CancellationToken,
) -> JoinHandle<()> {
    let (authority, blocked) = (Arc::clone(&opened.authority), Arc::clone(&opened.blocked_keys));
    tokio::spawn(async move {
        let watch_list = async {
            if let Some(file) = list {
                blocked_keys::watch_file(blocked, file, stop.clone()).await;
            }
        };
        let watch_ends = ends::watch(authority.as_ref(), stop.clone());
        let upkeep = authority.upkeep(stop.clone());
        tokio::join!(
            upkeep,
            authority.watch_primes(stop.clone()),
            watch_list,
            clock.watch(stop.clone()),
            watch_ends
        );
    })
}

/// Opens publication; the store is closed when that fails.
async fn open_published<S: Store>(
    settings: &Settings,
    public: SocketAddr,
    opened: &open::Opened<S>,
    clock: &Arc<dyn Clock>,
) -> Result<Published<S>, ServeError> {
    let (authority, clock) = (&opened.authority, Arc::clone(clock));
    let published = Published::open(settings, public, authority, &opened.issuers, clock).await;
    if published.is_err() {
        authority.store().close().await?;
    }
    Ok(published?)
}

/// Listens for everybody; where it really is.
async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let unheard = |source| ServeError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(unheard)?;
    let address = listener.local_addr().map_err(unheard)?;
    Ok((listener, address))
}

/// Why the CA does not serve, or not any more: the operator must act.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address cannot be had.
    #[error("cannot listen on {address}; is another process using it?")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// What `init` made cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store stopped, or did not close.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A bug.
    #[error("the descriptors of our own services cannot be read")]
    Descriptors,
}

//! The two listeners, from open to closed.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Server;
use tracing::warn;

use super::accept::Acceptor;
use super::calls::Calls;
use crate::config::{Limits, Settings};
use crate::http::metrics::Metrics;

/// Both listeners, bound and not yet served.
pub(super) struct Front {
    grpc: TcpListener,
    http: TcpListener,
    limits: Limits,
}

impl Front {
    pub(super) async fn bind(settings: &Settings) -> Result<Self, (SocketAddr, io::Error)> {
        let grpc = bind(settings.listen).await?;
        let http = bind(settings.metrics_listen).await?;
        Ok(Self { grpc, http, limits: settings.limits })
    }

    /// The real addresses: gRPC, HTTP.
    pub(super) fn addresses(&self) -> io::Result<(SocketAddr, SocketAddr)> {
        Ok((self.grpc.local_addr()?, self.http.local_addr()?))
    }

    /// Serves until `stop`; then accepts nothing more, answers what was begun, and cuts what is left after `shutdown_timeout` or when
    /// `cut` comes.
    pub(super) async fn run(
        self,
        tls: rustls::ServerConfig,
        services: Services,
        stop: CancellationToken,
        cut: CancellationToken,
    ) -> Result<(), tonic::transport::Error> {
        let Services { routes, pages, calls, metrics } = services;
        let Self { grpc, http, limits } = self;
        let mut tasks = JoinSet::new();
        let (ready, connections) = mpsc::channel(CONNECTIONS_WAITING_MAX);
        let acceptor = Acceptor { listener: grpc, tls: TlsAcceptor::from(Arc::new(tls)), limits, metrics };
        tasks.spawn(acceptor.run(ready, stop.clone()));
        tasks.spawn(async move {
            if let Err(error) = axum::serve(http, pages).await {
                warn!(%error, "metrics and health are not served any more");
            }
        });
        let serving = Server::builder()
            .max_concurrent_streams(limits.connection_requests_max)
            .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
            .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
            .http2_max_header_list_size(HEADER_BYTES_MAX)
            .layer(calls)
            .add_routes(routes)
            .serve_with_incoming_shutdown(ReceiverStream::new(connections), stop.clone().cancelled_owned());
        let deadline = async {
            stop.cancelled().await;
            tokio::select! {
                () = tokio::time::sleep(limits.shutdown_timeout) => warn!("cutting off calls that did not end in time"),
                () = cut.cancelled() => warn!("cutting off calls"),
            }
        };
        // Leaving drops the tasks; connections that are left end with the runtime.
        tokio::select! {
            served = serving => served,
            () = deadline => Ok(()),
        }
    }
}

/// What is served.
pub(super) struct Services {
    pub(super) routes: Routes,
    pub(super) pages: Router,
    pub(super) calls: Calls,
    pub(super) metrics: Arc<Metrics>,
}

async fn bind(address: SocketAddr) -> Result<TcpListener, (SocketAddr, io::Error)> {
    TcpListener::bind(address).await.map_err(|error| (address, error))
}

/// Connections between their handshake and their first call; more wait in the handshake.
const CONNECTIONS_WAITING_MAX: usize = 64;

/// How often an idle other end is asked whether it is still there: a unit that lost power says nothing.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);

/// How long it may take to say so.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// The largest headers of a call: ours have a few hundred bytes.
const HEADER_BYTES_MAX: u32 = 16 * 1024;

//! The gRPC listener and the metrics listener, from bind to close.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use authority::Authority;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tower::Layer;
use tracing::warn;

use super::calls::CallLayer;
use super::h2::Acceptor;
use super::quota::PerClientQuota;
use super::tasks::Tasks;
use crate::config::{Limits, Settings};
use crate::http::metrics::Metrics;
use crate::http::{HttpListener, MetricsHttp};

pub(super) struct Listeners {
    grpc: TcpListener,
    http: TcpListener,
    limits: Limits,
}

impl Listeners {
    pub(super) async fn bind(settings: &Settings) -> Result<Self, (SocketAddr, io::Error)> {
        let grpc = bind(settings.listen).await?;
        let http = bind(settings.metrics_listen).await?;
        Ok(Self { grpc, http, limits: settings.limits })
    }

    pub(super) fn addresses(&self) -> io::Result<(SocketAddr, SocketAddr)> {
        Ok((self.grpc.local_addr()?, self.http.local_addr()?))
    }

    /// Serves until `stop`, then answers what has begun for `shutdown_timeout` or until `cut`.
    pub(super) async fn run(
        self,
        tls: watch::Receiver<Arc<rustls::ServerConfig>>,
        services: Services,
        tasks: &mut Tasks,
        stop: CancellationToken,
        cut: CancellationToken,
    ) {
        let Services { authority, quota, routes, metrics_http, calls, metrics } = services;
        let Self { grpc, http, limits } = self;
        // Metrics and health are served to the end, so that a stop can be watched.
        let listener = HttpListener::new(http, METRICS_CONNECTIONS_MAX, Arc::clone(&metrics));
        let unstopped = CancellationToken::new();
        tasks
            .spawn_required_to_the_end("metrics listener", listener.serve(Arc::new(metrics_http), unstopped));
        let service = calls.layer(routes);
        let acceptor = Acceptor::new(tls, limits, metrics, service, authority, quota, stop.clone());
        let deadline = async {
            stop.cancelled().await;
            tokio::select! {
                () = tokio::time::sleep(limits.shutdown_timeout) => warn!("cutting off calls that did not end in time"),
                () = cut.cancelled() => warn!("cutting off calls"),
            }
        };
        // Remaining connections end with the runtime.
        tokio::select! {
            () = tasks.state().require("gRPC listener", acceptor.run(grpc)) => {}
            () = deadline => {}
        }
    }
}

pub(super) struct Services {
    pub(super) authority: Arc<Authority>,
    pub(super) quota: Arc<PerClientQuota>,
    pub(super) routes: Routes,
    pub(super) metrics_http: MetricsHttp,
    pub(super) calls: CallLayer,
    pub(super) metrics: Arc<Metrics>,
}

async fn bind(address: SocketAddr) -> Result<TcpListener, (SocketAddr, io::Error)> {
    TcpListener::bind(address).await.map_err(|error| (address, error))
}

/// Connections to metrics and health: a monitoring system has one or two.
const METRICS_CONNECTIONS_MAX: usize = 64;

#[cfg(test)]
mod tests;

//! One open connection: HTTP/2 over it, until it ends.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tower::{Service, ServiceExt};

use super::places::Place;
use super::wire::Wire;
use crate::config::Limits;
use crate::http::metrics::Gauged;
use crate::tls::PeerCertificate;

/// A connection after its handshake.
pub(super) struct Connection {
    pub(super) wire: Wire,
    pub(super) peer: PeerCertificate,
    pub(super) _place: Place,
    /// Counts it among the open ones until it is dropped.
    pub(super) _open: Gauged,
}

/// How HTTP/2 is spoken.
pub(super) fn http2(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.connection_requests_max)
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .max_header_list_size(HEADER_BYTES_MAX);
    builder
}

impl Connection {
    /// Answers its requests, each with the peer's certificate in its extensions, until the other end closes it or it is `stop`ped: then
    /// what was begun is answered.
    ///
    /// # Errors
    /// When it broke.
    pub(super) async fn serve<S>(
        self,
        http2: &Builder<TokioExecutor>,
        service: S,
        stop: &CancellationToken,
    ) -> hyper::Result<()>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send,
    {
        let Self { wire, peer, .. } = self;
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer.clone());
            service.clone().oneshot(request)
        });
        let connection = Box::pin(http2.serve_connection(TokioIo::new(wire.clone()), service));
        let mut turns = Turns { connection, wire };
        tokio::select! {
            served = &mut turns => return served,
            () = stop.cancelled() => turns.connection.as_mut().graceful_shutdown(),
        }
        turns.await
    }
}

/// HTTP/2, and after each of its turns what it wrote.
struct Turns<C> {
    connection: Pin<Box<C>>,
    wire: Wire,
}

impl<C: Future<Output = hyper::Result<()>>> Future for Turns<C> {
    type Output = hyper::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        let polled = self.connection.poll_unpin(cx);
        if polled.is_pending() {
            // Who can no longer be written to is noticed by the next read or write.
            let _ = self.wire.poll_send(cx);
        }
        polled
    }
}

/// How often an idle other end is asked whether it is still there: a unit that lost power says nothing.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);

/// How long it may take to say so.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// The largest headers of a call: ours have a few hundred bytes.
const HEADER_BYTES_MAX: u32 = 16 * 1024;

#[cfg(test)]
mod tests;

//! One open connection: HTTP/2 until it ends.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tower::{Service, ServiceExt};

use super::super::connection_limits::ConnectionPermit;
use super::super::peer::{Identity, Peer};
use super::coalescing_stream::CoalescingStream;
use super::revocable_body::RevocableBody;
use crate::config::Limits;
use crate::http::metrics::GaugeGuard;

pub(super) struct Connection {
    pub(super) stream: CoalescingStream,
    pub(super) peer: Arc<Peer>,
    pub(super) permit: ConnectionPermit,
    pub(super) _open: GaugeGuard,
}

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
    /// Serves until the client closes, or until `stop`, then first answers what has begun.
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
        let Self { stream, peer, permit, _open } = self;
        let revoked = peer.revoked.token();
        let refused = matches!(peer.identity, Identity::Refused);
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(|body| Body::new(RevocableBody::new(body, &peer)));
            if let Some(proof) = &peer.proof {
                request.extensions_mut().insert(proof.clone());
            }
            request.extensions_mut().insert(Arc::clone(&peer));
            service.clone().oneshot(request)
        });
        let connection = Box::pin(http2.serve_connection(TokioIo::new(stream.clone()), service));
        let mut connection = FlushAfterPoll { connection, stream };
        let unwelcome = async {
            if refused {
                sleep(REFUSED_LIFE_MAX).await;
            } else {
                revoked.cancelled().await;
                // Calls that arrive meanwhile are refused with the reason, if the ledger still has one.
                sleep(REVOKED_LIFE_MAX).await;
            }
        };
        let mut unwelcome = pin!(unwelcome);
        tokio::select! {
            served = &mut connection => return served,
            () = stop.cancelled() => {}
            () = &mut unwelcome => {
                connection.connection.as_mut().graceful_shutdown();
                return timeout(CLOSING_MAX, connection).await.unwrap_or(Ok(()));
            }
            () = permit.evicted() => return Ok(()),
        }
        connection.connection.as_mut().graceful_shutdown();
        tokio::select! {
            served = &mut connection => served,
            () = unwelcome => Ok(()),
        }
    }
}

/// Polls hyper's connection, and then sends what it wrote during that poll.
struct FlushAfterPoll<C> {
    connection: Pin<Box<C>>,
    stream: CoalescingStream,
}

impl<C: Future<Output = hyper::Result<()>>> Future for FlushAfterPoll<C> {
    type Output = hyper::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        let polled = self.connection.poll_unpin(cx);
        if polled.is_pending() {
            // hyper meets an error of the stream at its next read or write.
            let _ = self.stream.poll_send(cx);
        }
        polled
    }
}

/// How often an idle client is sent a PING: a unit that lost power closes nothing.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);

const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// The largest headers of a call: ours have a few hundred bytes.
const HEADER_BYTES_MAX: u32 = 16 * 1024;

/// How long a connection lives on after its certificate was revoked: calls get their answer or the reason.
const REVOKED_LIFE_MAX: Duration = Duration::from_millis(500);

/// How long the client may take to close the connection after GOAWAY.
const CLOSING_MAX: Duration = Duration::from_millis(500);

/// How long the connection of a refused client lives: its first call is refused with the reason.
const REFUSED_LIFE_MAX: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;

//! One open connection: HTTP/2 over it, until it ends.

use std::convert::Infallible;
use std::future::pending;
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

use super::heard::Heard;
use super::places::Place;
use super::visitor::{Visitor, Who};
use super::wire::Wire;
use crate::config::Limits;
use crate::http::metrics::Gauged;

/// A connection after its handshake.
pub(super) struct Connection {
    pub(super) wire: Wire,
    pub(super) visitor: Arc<Visitor>,
    pub(super) place: Place,
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
    /// Answers its requests, each with the visitor and its certificate in its extensions, until the other end closes it or it is `stop`ped:
    /// then what was begun is answered. A visitor whose certificate is withdrawn is told so, and is gone a second later; one that is in the way
    /// of others is gone at once.
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
        let Self { wire, visitor, place, _open } = self;
        let withdrawn = visitor.withdrawn.signal();
        let refused = matches!(visitor.who, Who::Refused);
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(|body| Body::new(Heard::new(body, Arc::clone(&visitor))));
            request.extensions_mut().insert(visitor.peer.clone());
            request.extensions_mut().insert(Arc::clone(&visitor));
            service.clone().oneshot(request)
        });
        let connection = Box::pin(http2.serve_connection(TokioIo::new(wire.clone()), service));
        let mut turns = Turns { connection, wire };
        let cut = async {
            match place.guest() {
                Some(guest) => guest.cut().ended().await,
                None => pending().await,
            }
        };
        let told = async {
            match refused {
                true => sleep(REFUSED_LIFE_MAX).await,
                // Calls that come now are told why.
                false => {
                    withdrawn.cancelled().await;
                    sleep(WITHDRAWN_LIFE_MAX).await;
                }
            }
        };
        let mut told = pin!(told);
        tokio::select! {
            served = &mut turns => return served,
            () = stop.cancelled() => {}
            () = &mut told => {
                turns.connection.as_mut().graceful_shutdown();
                return timeout(CLOSING_MAX, turns).await.unwrap_or(Ok(()));
            }
            () = cut => return Ok(()),
        }
        turns.connection.as_mut().graceful_shutdown();
        tokio::select! {
            served = &mut turns => served,
            () = told => Ok(()),
        }
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

/// How long the connection of a withdrawn certificate lives on: what was asked whole is answered (it may be the very call that withdrew the
/// certificate), and a call that is on its way is told why it is refused.
const WITHDRAWN_LIFE_MAX: Duration = Duration::from_millis(500);

/// How long the other end has to go after it was told to (GOAWAY).
const CLOSING_MAX: Duration = Duration::from_millis(500);

/// How long the connection of a refused visitor lives: it is told why with its first call.
const REFUSED_LIFE_MAX: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;

//! Plain HTTP/1.1 with a connection limit by network: idle and stalled connections are evicted for new ones.

use std::convert::Infallible;
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use diagnostics::Limit;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::host;
use super::metrics::{DropReason, Metrics};
use crate::network_limit::{Acquired, NetworkLimit, NetworkPermit};

pub(crate) trait Responder: Send + Sync + 'static {
    type Body: Body<Data = Bytes, Error: Error + Send + Sync + 'static> + From<Bytes> + Send + Unpin + 'static;

    fn answer(
        &self,
        from: IpAddr,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
}

pub(crate) struct HttpListener {
    listener: TcpListener,
    limit: Arc<NetworkLimit>,
    metrics: Arc<Metrics>,
}

impl HttpListener {
    pub(crate) fn new(listener: TcpListener, connections_max: usize, metrics: Arc<Metrics>) -> Self {
        Self { listener, limit: NetworkLimit::new(connections_max), metrics }
    }

    /// Serves until `stop`. Open connections then finish their response, or end with the process.
    pub(crate) async fn serve(self, responder: Arc<impl Responder>, stop: CancellationToken) {
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, address)) => match self.limit.acquire(address.ip()) {
                    Some((permit, acquired)) => {
                        if acquired == Acquired::Evicted {
                            self.metrics.dropped(DropReason::HttpEvicted);
                        }
                        let responder = Arc::clone(&responder);
                        tokio::spawn(connection(responder, stream, address, Arc::new(permit), stop.clone()));
                    }
                    None => self.metrics.dropped(DropReason::HttpTooMany),
                },
                Err(error) => {
                    if NOT_ACCEPTED.admits() {
                        warn!(%error, "cannot accept connections of plain HTTP");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

async fn connection(
    responder: Arc<impl Responder>,
    stream: TcpStream,
    address: SocketAddr,
    permit: Arc<NetworkPermit>,
    stop: CancellationToken,
) {
    stream.set_nodelay(true).ok();
    set_tcp_user_timeout(&stream, UNACKNOWLEDGED_MS_MAX).ok();
    let shared = Arc::clone(&permit);
    let service = service_fn(move |request| {
        let (responder, permit) = (Arc::clone(&responder), Arc::clone(&shared));
        async move { Ok::<_, Infallible>(answer(responder.as_ref(), address.ip(), request, permit).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = permit.evicted() => return,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        () = tokio::time::sleep(CONNECTION_LIFE_MAX) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        debug!(peer.address = %address, %error, "a connection of plain HTTP ended");
    }
}

async fn answer<A: Responder>(
    responder: &A,
    from: IpAddr,
    request: Request<Incoming>,
    permit: Arc<NetworkPermit>,
) -> Response<TrackedBody<A::Body>> {
    // Without a body the request is complete; otherwise once the responder has read it.
    if request.body().is_end_stream() {
        permit.mark_active();
    }
    let answer = match host::is_named(request.version(), request.headers()) {
        true => responder.answer(from, request).await,
        false => bad_request(),
    };
    permit.mark_active();
    answer.map(|body| TrackedBody { body, permit })
}

fn bad_request<B: From<Bytes>>() -> Response<B> {
    let mut answer = Response::new(B::from(Bytes::from_static(b"a request names its host, once\n")));
    *answer.status_mut() = StatusCode::BAD_REQUEST;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// A response body: each frame that is taken marks the connection active, its end marks it idle.
struct TrackedBody<B> {
    body: B,
    permit: Arc<NetworkPermit>,
}

impl<B: Body<Data = Bytes> + Unpin> Body for TrackedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if polled.is_ready() {
            self.permit.mark_active();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for TrackedBody<B> {
    fn drop(&mut self) {
        self.permit.mark_idle();
    }
}

/// How long the head of a request may take to arrive, also of the next one on an open connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest life of a connection: a CRL of 50 MB at 14 kB/s.
const CONNECTION_LIFE_MAX: Duration = Duration::from_secs(60 * 60);

/// How long sent bytes may stay unacknowledged, in milliseconds.
const UNACKNOWLEDGED_MS_MAX: u32 = 50_000;

/// Read buffer of a connection: a GET with an OCSP request about twenty certificates has a few kilobytes.
const BUFFER_BYTES_MAX: usize = 32 * 1024;

static NOT_ACCEPTED: Limit = Limit::new("cannot accept connections of plain HTTP");

/// How long to wait when no file descriptors are left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

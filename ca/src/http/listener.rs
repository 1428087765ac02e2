//! One listener of plain HTTP/1.1, with places that are shared by network. Whoever has asked for nothing whole, or takes nothing of its answer,
//! gives way to the next one.

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

/// Responder requests.
pub(crate) trait Responder: Send + Sync + 'static {
    /// Of an answer.
    type Body: Body<Data = Bytes, Error: Error + Send + Sync + 'static> + From<Bytes> + Send + Unpin + 'static;

    /// The answer to one request from this address.
    fn answer(
        &self,
        from: IpAddr,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
}

/// A listener that is bound.
pub(crate) struct HttpListener {
    listener: TcpListener,
    network_limit: Arc<NetworkLimit>,
    metrics: Arc<Metrics>,
}

impl HttpListener {
    /// With so many connections at once.
    pub(crate) fn new(listener: TcpListener, connections_max: usize, metrics: Arc<Metrics>) -> Self {
        Self { listener, network_limit: NetworkLimit::new(connections_max), metrics }
    }

    /// Serves until `stop`; what was begun then ends, or is cut with the process.
    pub(crate) async fn serve(self, answers: Arc<impl Responder>, stop: CancellationToken) {
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, address)) => match self.network_limit.acquire(address.ip()) {
                    Some((permit, entered)) => {
                        if entered == Acquired::Evicted {
                            self.metrics.dropped(DropReason::HttpEvicted);
                        }
                        let answers = Arc::clone(&answers);
                        tokio::spawn(connection(answers, stream, address, Arc::new(permit), stop.clone()));
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
    answers: Arc<impl Responder>,
    stream: TcpStream,
    address: SocketAddr,
    permit: Arc<NetworkPermit>,
    stop: CancellationToken,
) {
    stream.set_nodelay(true).ok();
    set_tcp_user_timeout(&stream, UNTAKEN_MS_MAX).ok();
    let asked = Arc::clone(&permit);
    let service = service_fn(move |request| {
        let (answers, permit) = (Arc::clone(&answers), Arc::clone(&asked));
        async move { Ok::<_, Infallible>(answer(answers.as_ref(), address.ip(), request, permit).await) }
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
    answers: &A,
    from: IpAddr,
    request: Request<Incoming>,
    permit: Arc<NetworkPermit>,
) -> Response<TrackedBody<A::Body>> {
    // Half of a body is not a request.
    if request.body().is_end_stream() {
        permit.mark_active();
    }
    let answer = match host::is_named(request.version(), request.headers()) {
        true => answers.answer(from, request).await,
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

/// The body of an answer. Each part that is taken is a sign of life; after the last its guest waits again.
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

/// How long a head may take, also the next one's on an open connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long one connection lives: whoever reads a CRL of 50 MB more slowly than 14 kB/s takes a place from others.
const CONNECTION_LIFE_MAX: Duration = Duration::from_secs(60 * 60);

/// How long the other end may take nothing of what was sent.
const UNTAKEN_MS_MAX: u32 = 50_000;

/// Of one connection: a GET with a question of twenty certificates has a few kilobytes.
const BUFFER_BYTES_MAX: usize = 32 * 1024;

static NOT_ACCEPTED: Limit = Limit::new("cannot accept connections of plain HTTP");

/// How long to wait when there are no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

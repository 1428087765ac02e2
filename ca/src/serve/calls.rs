//! Around every gRPC call: what is a call at all, how many at once, how long, and what is counted and logged of it.

mod admission;
mod answer;
mod deadline;
mod methods;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderValue, Method as HttpMethod, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tower::{Layer, Service};
use tracing::{Instrument, info_span};

use super::peer::Peer;
use super::quota::PerClientQuota;
use crate::grpc::{CallRejected, rejection};
use crate::http::metrics::Metrics;
use admission::{CallLimits, CallPermit};
use answer::{Call, CallIds, Question};
use methods::{Kind, Method, Methods};

/// Wraps the services.
#[derive(Clone)]
pub(super) struct CallLayer {
    metrics: Arc<Metrics>,
    methods: Arc<Methods>,
    limits: Arc<CallLimits>,
    stop: CancellationToken,
    ids: Arc<CallIds>,
}

impl CallLayer {
    /// Knows all methods in the encoded `FileDescriptorSet`s; what is not there is counted as `unknown`, so that nobody can fill our
    /// memory with names. After `stop`, callers that stream are heard to have ended.
    ///
    /// # Errors
    /// When a set cannot be read.
    pub(super) fn new(
        metrics: Arc<Metrics>,
        quota: Arc<PerClientQuota>,
        descriptor_sets: &[&[u8]],
        stop: CancellationToken,
    ) -> Result<Self, prost::DecodeError> {
        Ok(Self {
            metrics,
            methods: Arc::new(Methods::of(descriptor_sets)?),
            limits: Arc::new(CallLimits::new(quota)),
            stop,
            ids: Arc::new(CallIds::fresh()),
        })
    }
}

impl<S> Layer<S> for CallLayer {
    type Service = CallService<S>;

    fn layer(&self, inner: S) -> CallService<S> {
        CallService { inner, calls: self.clone() }
    }
}

/// A service whose calls are admitted, counted and logged.
#[derive(Clone)]
pub(super) struct CallService<S> {
    inner: S,
    calls: CallLayer,
}

impl<S> Service<Request<Body>> for CallService<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let calls = &self.calls;
        let method = calls.methods.named(request.uri().path()).clone();
        let mut call = Call::begin(&calls.metrics, calls.ids.next(), &method);
        if let Some(refused) = not_grpc(&request) {
            return Box::pin(async move {
                hear_out(request.into_body()).await;
                Ok(call.answer(refused))
            });
        }
        let peer = request.extensions().get::<Arc<Peer>>().cloned();
        let began = Instant::now();
        let limit = match calls.admit(&request, &method, peer.as_deref()) {
            // A caller that gives no time has left before it is heard.
            Ok((_, Some(limit))) if limit <= began.elapsed() => {
                let answer = call.answer(rejection(CallRejected::NotInTime).into_http());
                return Box::pin(std::future::ready(Ok(answer)));
            }
            Ok((place, limit)) => {
                call.place = Some(place);
                limit
            }
            Err(refused) => {
                let answer = call.answer(rejection(refused).into_http());
                return Box::pin(std::future::ready(Ok(answer)));
            }
        };
        let cut = call.place.as_ref().and_then(CallPermit::evicted);
        let span = info_span!("call", call.id = %call.id().text(), call.method = %method.path);
        let request = match method.kind {
            Kind::ClientStreaming => request.map(|body| Body::new(Question::new(body, calls.stop.clone()))),
            Kind::Unary | Kind::ServerStreaming => request,
        };
        if method.kind != Kind::Unary {
            call.end = Some(end(method.kind, calls.stop.clone(), cut.clone(), peer, limit));
        }
        let answer = self.inner.call(request);
        let begins_within = limit.map_or(ANSWER_BEGINS_MAX, |limit| limit.min(ANSWER_BEGINS_MAX));
        Box::pin(
            async move {
                let cut = async {
                    match cut {
                        Some(cut) => cut.cancelled_owned().await,
                        None => std::future::pending().await,
                    }
                };
                let answer = tokio::select! {
                    answer = tokio::time::timeout(begins_within, answer) => match answer {
                        Ok(answer) => answer?,
                        Err(_) => rejection(CallRejected::NotInTime).into_http(),
                    },
                    () = cut => rejection(CallRejected::MadeRoom).into_http(),
                };
                Ok(call.answer(answer))
            }
            .instrument(span),
        )
    }
}

impl CallLayer {
    /// A place for the call, and how long its caller gives it.
    fn admit(
        &self,
        request: &Request<Body>,
        method: &Method,
        peer: Option<&Peer>,
    ) -> Result<(CallPermit, Option<Duration>), CallRejected> {
        let place = self.limits.acquire(method, peer)?;
        if request.headers().get("grpc-encoding").is_some_and(|encoding| encoding != "identity") {
            return Err(CallRejected::Compressed);
        }
        let limit = match request.headers().get("grpc-timeout") {
            Some(timeout) => Some(deadline::parse(timeout).ok_or(CallRejected::TimeoutMalformed)?),
            None => None,
        };
        Ok((place, limit))
    }
}

/// What ends a stream from outside, and how it is told.
fn end(
    kind: Kind,
    stop: CancellationToken,
    cut: Option<CancellationToken>,
    peer: Option<Arc<Peer>>,
    limit: Option<Duration>,
) -> BoxFuture<'static, CallRejected> {
    let due = limit.and_then(|limit| Instant::now().checked_add(limit));
    async move {
        // What a caller streams ends at a stop, and then its answers do.
        let stopped = async {
            match kind {
                Kind::ServerStreaming => stop.cancelled().await,
                Kind::ClientStreaming | Kind::Unary => std::future::pending().await,
            }
        };
        let made_room = async {
            match &cut {
                Some(cut) => cut.cancelled().await,
                None => std::future::pending().await,
            }
        };
        let revoked = async {
            match &peer {
                Some(peer) => {
                    peer.revoked.token().cancelled().await;
                    peer.revoked.why()
                }
                None => std::future::pending().await,
            }
        };
        let too_long = async {
            match due {
                Some(due) => tokio::time::sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            why = revoked => CallRejected::Caller(why),
            () = stopped => CallRejected::Stopping,
            () = made_room => CallRejected::MadeRoom,
            () = too_long => CallRejected::NotInTime,
        }
    }
    .boxed()
}

/// The answer to what is no gRPC call. Browsers send GET, and forms of other sites `text/plain`, with the user's client certificate.
///
/// "Content-Type → 'content-type' 'application/grpc' [('+proto' / '+json' / {custom})]", and a server should answer others with HTTP 415
/// (gRPC over HTTP2, "Requests").
fn not_grpc(request: &Request<Body>) -> Option<Response<Body>> {
    let refused = |status, allow: Option<&'static str>| {
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = status;
        if let Some(allow) = allow {
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        }
        Some(answer)
    };
    if request.headers().get_all(CONTENT_ENCODING).iter().any(|coding| coding != "identity") {
        return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, None);
    }
    if request.method() != HttpMethod::POST {
        return refused(StatusCode::METHOD_NOT_ALLOWED, Some("POST"));
    }
    let mut types = request.headers().get_all(CONTENT_TYPE).iter();
    let is_grpc = match (types.next().map(HeaderValue::as_bytes), types.next()) {
        (Some(kind), None) => {
            let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii_end();
            kind.eq_ignore_ascii_case(b"application/grpc")
                || kind.eq_ignore_ascii_case(b"application/grpc+proto")
        }
        _ => false,
    };
    if is_grpc { None } else { refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, None) }
}

/// Reads the little that a short question has, so that its answer is not followed at once by the reset of a stream whose other half was not
/// heard: some clients take that for a fault of the connection (curl before 8).
async fn hear_out(body: Body) {
    let all = Limited::new(body, UNWANTED_BYTES_MAX).collect();
    tokio::time::timeout(UNWANTED_TIME_MAX, all).await.ok();
}

/// What is read of a body that nobody wants: a form, a small file.
const UNWANTED_BYTES_MAX: usize = 16 * 1024;

/// How long it may take to come.
const UNWANTED_TIME_MAX: Duration = Duration::from_secs(1);

/// How long it may take until an answer begins: a caller that sends slowly must not keep its place.
const ANSWER_BEGINS_MAX: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;

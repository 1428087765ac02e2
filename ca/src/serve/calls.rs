//! Around every gRPC call: who may knock at all, how many at once, how long, and what is counted and logged of it.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::{BoxFuture, select};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use prost::Message;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use tower::{Layer, Service};
use tracing::{Instrument, debug, info_span};

use super::shares::{Share, Shares};
use crate::http::metrics::{Gauged, Metrics};
use crate::tls::PeerCertificate;

/// Wraps the services.
#[derive(Clone)]
pub(super) struct Calls {
    metrics: Arc<Metrics>,
    methods: Arc<HashMap<Box<str>, Method>>,
    unknown: Method,
    known_places: Arc<Semaphore>,
    shares: Arc<Shares>,
    /// Calls in flight without a certificate, oldest first.
    anonymous: Arc<Mutex<VecDeque<Weak<CancellationToken>>>>,
    stop: CancellationToken,
    ids: Arc<CallIds>,
}

#[derive(Clone)]
struct Method {
    path: Arc<str>,
    kind: Kind,
    /// Whether it may be called without a certificate: health.
    open: bool,
}

/// What ends a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Its one answer.
    Unary,
    /// The caller: it may send without end.
    Asking,
    /// Nobody: we answer without end.
    Telling,
}

impl Calls {
    /// Knows all methods in the encoded `FileDescriptorSet`s; what is not there is counted as `unknown`, so that nobody can fill our
    /// memory with names. After `stop`, callers that stream are heard to have ended.
    ///
    /// # Errors
    /// When a set cannot be read.
    pub(super) fn new(
        metrics: Arc<Metrics>,
        calls_max: usize,
        descriptor_sets: &[&[u8]],
        stop: CancellationToken,
    ) -> Result<Self, prost::DecodeError> {
        let mut methods = HashMap::new();
        for set in descriptor_sets {
            for file in prost_types::FileDescriptorSet::decode(*set)?.file {
                for service in &file.service {
                    let service_name = format!("{}.{}", file.package(), service.name());
                    for method in &service.method {
                        let path = format!("/{service_name}/{}", method.name());
                        let method = Method {
                            path: path.as_str().into(),
                            kind: match (method.client_streaming(), method.server_streaming()) {
                                (true, _) => Kind::Asking,
                                (false, true) => Kind::Telling,
                                (false, false) => Kind::Unary,
                            },
                            open: service_name == HEALTH_SERVICE,
                        };
                        methods.insert(path.into(), method);
                    }
                }
            }
        }
        Ok(Self {
            metrics,
            methods: Arc::new(methods),
            unknown: Method { path: "unknown".into(), kind: Kind::Unary, open: false },
            known_places: Arc::new(Semaphore::new(calls_max)),
            shares: Shares::of(calls_max),
            anonymous: Arc::default(),
            stop,
            ids: Arc::new(CallIds::fresh()),
        })
    }

    fn admit(&self, method: &Method, certificate: Option<&[u8; 32]>) -> Result<CallPlace, Status> {
        if certificate.is_none() && !method.open {
            return Err(Status::with_error_details(
                Code::Unauthenticated,
                "this call needs a client certificate",
                ErrorDetails::with_error_info("CLIENT_CERTIFICATE_REQUIRED", "touchmark", HashMap::new()),
            ));
        }
        let Some(certificate) = certificate else {
            return Ok(CallPlace::Anonymous(self.crowd_out()));
        };
        let share = self.shares.take(certificate);
        let place =
            share.and_then(|share| Some((Arc::clone(&self.known_places).try_acquire_owned().ok()?, share)));
        place.map(|(permit, share)| CallPlace::Known { _permit: permit, _share: share }).ok_or_else(|| {
            let mut details = ErrorDetails::with_retry_info(Some(OVERLOAD_RETRY_AFTER));
            details.set_error_info("OVERLOADED", "touchmark", HashMap::new());
            Status::with_error_details(
                Code::Unavailable,
                "there are too many requests; try again later",
                details,
            )
        })
    }

    /// A place among those without a certificate: the oldest call is cut for it when there are as many as there may be. An honest question
    /// for health takes milliseconds; who watches from outside can watch again.
    fn crowd_out(&self) -> Arc<CancellationToken> {
        let mut anonymous = self.anonymous.lock().unwrap_or_else(PoisonError::into_inner);
        if anonymous.len() >= ANONYMOUS_CALLS_MAX {
            anonymous.retain(|call| call.strong_count() > 0);
        }
        if anonymous.len() >= ANONYMOUS_CALLS_MAX
            && let Some(oldest) = anonymous.pop_front().and_then(|oldest| oldest.upgrade())
        {
            oldest.cancel();
        }
        let cut = Arc::new(CancellationToken::new());
        anonymous.push_back(Arc::downgrade(&cut));
        cut
    }
}

impl<S> Layer<S> for Calls {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted { inner, calls: self.clone() }
    }
}

/// A service whose calls are admitted, counted and logged.
#[derive(Clone)]
pub(super) struct Counted<S> {
    inner: S,
    calls: Calls,
}

impl<S> Service<Request<Body>> for Counted<S>
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
        let method = calls.methods.get(request.uri().path()).unwrap_or(&calls.unknown).clone();
        let certificate = request.extensions().get::<PeerCertificate>().and_then(PeerCertificate::digest);
        let mut call = Call {
            metrics: Arc::clone(&calls.metrics),
            id: calls.ids.next(),
            method: Arc::clone(&method.path),
            started: Instant::now(),
            code: None,
            stop: None,
            _in_flight: calls.metrics.rpcs_in_flight(),
            place: None,
        };
        match calls.admit(&method, certificate) {
            Ok(place) => call.place = Some(place),
            Err(refused) => {
                let answer = call.answer(refused.into_http());
                return Box::pin(std::future::ready(Ok(answer)));
            }
        }
        let cut = match &call.place {
            Some(CallPlace::Anonymous(cut)) => Some(cut.as_ref().clone()),
            Some(CallPlace::Known { .. }) | None => None,
        };
        let span = info_span!("call", call.id = %call.id.text(), call.method = %method.path);
        let stop = calls.stop.clone();
        let request = match method.kind {
            Kind::Asking => {
                request.map(|body| Body::new(Question { body, stop: Box::pin(stop.cancelled_owned()) }))
            }
            Kind::Unary => request,
            Kind::Telling => {
                let stopped = stop.cancelled_owned();
                call.stop = Some(match &cut {
                    Some(cut) => {
                        select(Box::pin(stopped), Box::pin(cut.clone().cancelled_owned())).map(|_| ()).boxed()
                    }
                    None => stopped.boxed(),
                });
                request
            }
        };
        let answer = self.inner.call(request);
        Box::pin(
            async move {
                if method.kind != Kind::Unary {
                    return answer.await.map(|response| call.answer(response));
                }
                let cut = async {
                    match cut {
                        Some(cut) => cut.cancelled_owned().await,
                        None => std::future::pending().await,
                    }
                };
                let answer = tokio::select! {
                    answer = tokio::time::timeout(UNARY_CALL_MAX, answer) => match answer {
                        Ok(answer) => answer?,
                        Err(_) => Status::deadline_exceeded("the request did not arrive in time").into_http(),
                    },
                    () = cut => Status::unavailable(MADE_ROOM).into_http(),
                };
                Ok(call.answer(answer))
            }
            .instrument(span),
        )
    }
}

/// One call, until its answer was sent or given up.
struct Call {
    metrics: Arc<Metrics>,
    id: CallId,
    method: Arc<str>,
    started: Instant,
    code: Option<Code>,
    stop: Option<BoxFuture<'static, ()>>,
    _in_flight: Gauged,
    place: Option<CallPlace>,
}

/// What a call holds of the limits.
enum CallPlace {
    /// With a certificate.
    Known {
        _permit: OwnedSemaphorePermit,
        /// Of the certificate that makes it.
        _share: Share,
    },
    /// Without one: may be cut for a fresh one.
    Anonymous(Arc<CancellationToken>),
}

impl Call {
    fn answer(mut self, response: Response<Body>) -> Response<Body> {
        self.notice(response.headers());
        let (mut head, body) = response.into_parts();
        if let Ok(id) = HeaderValue::from_str(&self.id.text()) {
            head.headers.insert(CALL_ID_HEADER, id);
        }
        Response::from_parts(head, Body::new(Answer { body, call: self, over: false }))
    }

    /// The code is in the headers of an answer without messages, and in the trailers of others.
    fn notice(&mut self, fields: &HeaderMap) {
        if let Some(code) = fields.get("grpc-status") {
            self.code = Some(Code::from_bytes(code.as_bytes()));
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        // Without a status the caller went away before the end.
        let code = code_name(self.code.unwrap_or(Code::Cancelled));
        self.metrics.rpc(&self.method, code, took);
        debug!(call.id = %self.id.text(), call.method = %self.method, code, duration_us = took.as_micros(), "answered a call");
    }
}

/// What a caller streams, until it ends or we stop: what came before is answered, and the stream then ends in order.
struct Question {
    body: Body,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl HttpBody for Question {
    type Data = <Body as HttpBody>::Data;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending => self.stop.poll_unpin(cx).map(|()| None),
            polled => polled,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer; its end is the end of the call.
struct Answer {
    body: Body,
    call: Call,
    /// Whether we ended it ourselves.
    over: bool,
}

impl HttpBody for Answer {
    type Data = <Body as HttpBody>::Data;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if self.over {
            return Poll::Ready(None);
        }
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if polled.is_pending() && self.call.stop.as_mut().is_some_and(|stop| stop.poll_unpin(cx).is_ready()) {
            self.call.stop = None;
            self.over = true;
            let mut trailers = HeaderMap::new();
            Status::unavailable(MADE_ROOM).add_header(&mut trailers)?;
            self.call.notice(&trailers);
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(trailers) = frame.trailers_ref()
        {
            self.call.notice(trailers);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Names one call in the log and to its caller, so that both can be brought together. Not a secret, and not needed to be unique for
/// ever.
#[derive(Clone, Copy)]
struct CallId(u64);

impl CallId {
    fn text(self) -> String {
        format!("{:016x}", self.0)
    }
}

/// Counts calls from a number that differs from start to start.
struct CallIds(AtomicU64);

impl CallIds {
    fn fresh() -> Self {
        let mut first = [0; 8];
        // Without randomness the calls of two starts cannot be told apart in the log.
        aws_lc_rs::rand::fill(&mut first).ok();
        Self(AtomicU64::new(u64::from_be_bytes(first)))
    }

    fn next(&self) -> CallId {
        CallId(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// To a call that we end.
const MADE_ROOM: &str = "the CA stops, or made room for others";

const HEALTH_SERVICE: &str = "grpc.health.v1.Health";

const CALL_ID_HEADER: HeaderName = HeaderName::from_static("touchmark-call-id");

/// Calls in flight of those without a certificate, who may ask for health only: the oldest is cut for a fresh one.
const ANONYMOUS_CALLS_MAX: usize = 64;

/// How long a call with one answer may take: a slow sender must not keep its place.
const UNARY_CALL_MAX: Duration = Duration::from_secs(60);

/// When to come back after too many calls.
const OVERLOAD_RETRY_AFTER: Duration = Duration::from_secs(1);

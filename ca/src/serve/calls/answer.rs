//! One call from its arrival to the end of its answer, and what its caller streams.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::body::Body;
use tonic::{Code, Status};
use tracing::debug;

use super::admission::CallPermit;
use super::methods::Method;
use crate::grpc::{CallRejected, rejection};
use crate::http::metrics::{GaugeGuard, Metrics};

/// One call, until its answer was sent or given up.
pub(super) struct Call {
    metrics: Arc<Metrics>,
    id: CallId,
    method: Arc<str>,
    started: Instant,
    code: Option<Code>,
    /// Ends an answer that has begun, and says why.
    pub(super) end: Option<BoxFuture<'static, CallRejected>>,
    _in_flight: GaugeGuard,
    pub(super) place: Option<CallPermit>,
}

impl Call {
    pub(super) fn begin(metrics: &Arc<Metrics>, id: CallId, method: &Method) -> Self {
        Self {
            metrics: Arc::clone(metrics),
            id,
            method: Arc::clone(&method.path),
            started: Instant::now(),
            code: None,
            end: None,
            _in_flight: metrics.rpcs_in_flight(),
            place: None,
        }
    }

    pub(super) fn id(&self) -> CallId {
        self.id
    }

    pub(super) fn answer(mut self, response: Response<Body>) -> Response<Body> {
        self.notice(response.headers());
        if !response.status().is_success() {
            // As a client reads an answer that is not gRPC's.
            self.code = Some(Code::Unknown);
        }
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

/// What a caller streams, until it ends or we stop: what came before is answered, and the stream then ends in
/// order.
pub(super) struct Question {
    body: Body,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Question {
    pub(super) fn new(body: Body, stop: CancellationToken) -> Self {
        Self { body, stop: Box::pin(stop.cancelled_owned()) }
    }
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
        if polled.is_pending()
            && let Some(end) = self.call.end.as_mut()
            && let Poll::Ready(refused) = end.poll_unpin(cx)
        {
            self.call.end = None;
            self.over = true;
            let mut trailers = HeaderMap::new();
            rejection(refused).add_header(&mut trailers)?;
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

/// Names one call in the log and to its caller, so that both can be brought together. Not a secret, and not
/// needed to be unique for ever.
#[derive(Clone, Copy)]
pub(super) struct CallId(u64);

impl CallId {
    pub(super) fn text(self) -> String {
        format!("{:016x}", self.0)
    }
}

/// Counts calls from a number that differs from start to start.
pub(super) struct CallIds(AtomicU64);

impl CallIds {
    pub(super) fn fresh() -> Self {
        let mut first = [0; 8];
        // Without randomness the calls of two starts cannot be told apart in the log.
        aws_lc_rs::rand::fill(&mut first).ok();
        Self(AtomicU64::new(u64::from_be_bytes(first)))
    }

    pub(super) fn next(&self) -> CallId {
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

const CALL_ID_HEADER: HeaderName = HeaderName::from_static("touchmark-call-id");

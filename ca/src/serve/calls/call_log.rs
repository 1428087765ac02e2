//! One call from its arrival to the end of its response: its id, its metrics and its line in the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use tonic::Code;
use tonic::body::Body;
use tracing::debug;

use super::bodies::ResponseBody;
use super::limits::CallPermit;
use super::methods::Method;
use crate::grpc::CallRejected;
use crate::http::metrics::{GaugeGuard, Metrics};

/// One call, until its response was sent or given up; dropping it counts and logs it.
pub(super) struct Call {
    metrics: Arc<Metrics>,
    id: CallId,
    method: Arc<str>,
    started: Instant,
    code: Option<Code>,
    /// Resolves when something ends a response that has begun, with the status to send.
    pub(super) end: Option<BoxFuture<'static, CallRejected>>,
    _in_flight: GaugeGuard,
    pub(super) permit: Option<CallPermit>,
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
            permit: None,
        }
    }

    pub(super) fn id(&self) -> CallId {
        self.id
    }

    /// Adds the id of the call to the response, whose end becomes the end of the call.
    pub(super) fn respond(mut self, response: Response<Body>) -> Response<Body> {
        self.observe(response.headers());
        if !response.status().is_success() {
            // What gRPC clients make of a response that is not gRPC.
            self.code = Some(Code::Unknown);
        }
        let (mut head, body) = response.into_parts();
        if let Ok(id) = HeaderValue::from_str(&self.id.text()) {
            head.headers.insert(CALL_ID_HEADER, id);
        }
        Response::from_parts(head, Body::new(ResponseBody { body, call: self, ended: false }))
    }

    /// Takes the status code: in the headers of a response without messages, in the trailers of others.
    pub(super) fn observe(&mut self, fields: &HeaderMap) {
        if let Some(code) = fields.get("grpc-status") {
            self.code = Some(Code::from_bytes(code.as_bytes()));
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        // Without a status the client went away before the end.
        let code = code_name(self.code.unwrap_or(Code::Cancelled));
        self.metrics.rpc(&self.method, code, took);
        debug!(call.id = %self.id.text(), call.method = %self.method, code, duration_us = took.as_micros(), "answered a call");
    }
}

/// Identifies a call in the log and to its caller. Not a secret, and unique only within a run of the server.
#[derive(Clone, Copy)]
pub(super) struct CallId(u64);

impl CallId {
    pub(super) fn text(self) -> String {
        format!("{:016x}", self.0)
    }
}

/// Numbers calls from a random start, so that the calls of two runs differ.
pub(super) struct CallIds(AtomicU64);

impl CallIds {
    pub(super) fn random_start() -> Self {
        let mut first = [0; 8];
        // Without randomness the calls of two runs have the same ids.
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

//! A layer around every gRPC call: which requests are calls, their limits and time, counts and logs.

mod bodies;
mod call_log;
mod deadline;
mod grpc_request;
mod limits;
mod methods;

use std::convert::Infallible;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Request, Response};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tower::{Layer, Service};
use tracing::{Instrument, info_span};

use super::peer::Peer;
use super::quota::PerClientQuota;
use crate::grpc::{CallRejected, rejection};
use crate::http::metrics::Metrics;
use bodies::RequestBody;
use call_log::{Call, CallIds};
use limits::{CallLimits, CallPermit};
use methods::{Kind, Method, Methods};

#[derive(Clone)]
pub(super) struct CallLayer {
    metrics: Arc<Metrics>,
    methods: Arc<Methods>,
    limits: Arc<CallLimits>,
    stop: CancellationToken,
    ids: Arc<CallIds>,
}

impl CallLayer {
    /// Knows the methods in the encoded `FileDescriptorSet`s. All others are counted as `unknown`, so that
    /// clients cannot make metrics grow. Streams end after `stop`.
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
            ids: Arc::new(CallIds::random_start()),
        })
    }

    fn admit(
        &self,
        request: &Request<Body>,
        method: &Method,
        peer: Option<&Peer>,
    ) -> Result<(CallPermit, Option<Duration>), CallRejected> {
        let permit = self.limits.acquire(method, peer)?;
        if request.headers().get("grpc-encoding").is_some_and(|encoding| encoding != "identity") {
            return Err(CallRejected::Compressed);
        }
        let timeout = match request.headers().get("grpc-timeout") {
            Some(timeout) => Some(deadline::parse(timeout).ok_or(CallRejected::TimeoutMalformed)?),
            None => None,
        };
        Ok((permit, timeout))
    }
}

impl<S> Layer<S> for CallLayer {
    type Service = CallService<S>;

    fn layer(&self, inner: S) -> CallService<S> {
        CallService { inner, layer: self.clone() }
    }
}

#[derive(Clone)]
pub(super) struct CallService<S> {
    inner: S,
    layer: CallLayer,
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
        let layer = &self.layer;
        let method = layer.methods.named(request.uri().path()).clone();
        let mut call = Call::begin(&layer.metrics, layer.ids.next(), &method);
        if let Some(refused) = grpc_request::refuse_other(&request) {
            return Box::pin(async move {
                grpc_request::drain(request.into_body()).await;
                Ok(call.respond(refused))
            });
        }
        let peer = request.extensions().get::<Arc<Peer>>().cloned();
        let began = Instant::now();
        let timeout = match layer.admit(&request, &method, peer.as_deref()) {
            Ok((_, Some(timeout))) if timeout <= began.elapsed() => {
                let response = call.respond(rejection(CallRejected::NotInTime).into_http());
                return Box::pin(std::future::ready(Ok(response)));
            }
            Ok((permit, timeout)) => {
                call.permit = Some(permit);
                timeout
            }
            Err(refused) => {
                let response = call.respond(rejection(refused).into_http());
                return Box::pin(std::future::ready(Ok(response)));
            }
        };
        let evicted = call.permit.as_ref().and_then(CallPermit::evicted);
        let span = info_span!("call", call.id = %call.id().text(), call.method = %method.path);
        let request = match method.kind {
            Kind::ClientStreaming => {
                request.map(|body| Body::new(RequestBody::new(body, layer.stop.clone())))
            }
            Kind::Unary | Kind::ServerStreaming => request,
        };
        if method.kind != Kind::Unary {
            call.end = Some(end(method.kind, layer.stop.clone(), evicted.clone(), peer, timeout));
        }
        let response = self.inner.call(request);
        let begins_within = timeout.map_or(RESPONSE_BEGINS_MAX, |timeout| timeout.min(RESPONSE_BEGINS_MAX));
        Box::pin(
            async move {
                let response = tokio::select! {
                    response = tokio::time::timeout(begins_within, response) => match response {
                        Ok(response) => response?,
                        Err(_) => rejection(CallRejected::NotInTime).into_http(),
                    },
                    () = cancelled(evicted.as_ref()) => rejection(CallRejected::MadeRoom).into_http(),
                };
                Ok(call.respond(response))
            }
            .instrument(span),
        )
    }
}

/// Resolves when something ends a stream, with the status to send.
fn end(
    kind: Kind,
    stop: CancellationToken,
    evicted: Option<CancellationToken>,
    peer: Option<Arc<Peer>>,
    timeout: Option<Duration>,
) -> BoxFuture<'static, CallRejected> {
    // When the client streams, the stop ends its stream, and the response ends by itself.
    let stop = (kind == Kind::ServerStreaming).then_some(stop);
    // After the signal the ledger authorized the stream: a hold may have been released.
    let peer = peer.filter(|peer| !peer.revoked.is_set());
    let revoked = peer.as_ref().map(|peer| peer.revoked.token());
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    async move {
        let too_long = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = cancelled(revoked.as_ref()) => match &peer {
                Some(peer) => CallRejected::Caller(peer.revoked.why()),
                None => pending().await,
            },
            () = cancelled(stop.as_ref()) => CallRejected::Stopping,
            () = cancelled(evicted.as_ref()) => CallRejected::MadeRoom,
            () = too_long => CallRejected::NotInTime,
        }
    }
    .boxed()
}

/// Waits for the token; without one, for ever.
async fn cancelled(token: Option<&CancellationToken>) {
    match token {
        Some(token) => token.cancelled().await,
        None => pending().await,
    }
}

/// How long it may take until a response begins: a client that sends slowly must not keep its permit.
const RESPONSE_BEGINS_MAX: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;

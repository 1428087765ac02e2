//! Plain HTTP without authentication: metrics and health on the loopback, and what is [public] for everybody.

mod host;
mod listener;
pub mod metrics;
pub mod public;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::body::Incoming;
use tower::ServiceExt;

use metrics::Metrics;

pub(crate) use listener::{HttpListener, Responder};

/// Whether the CA can issue and serve; the error says why not.
pub type Readiness = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// `/metrics` (OpenMetrics text), `/healthz` (the process runs), `/readyz` (the CA can issue).
pub fn router(metrics: Arc<Metrics>, readiness: Readiness) -> Router {
    Router::new()
        .route("/metrics", get(scrape).with_state(metrics))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready).with_state(readiness))
}

pub(crate) struct MetricsHttp(Router);

impl MetricsHttp {
    pub(crate) fn new(metrics: Arc<Metrics>, readiness: Readiness) -> Self {
        Self(router(metrics, readiness))
    }
}

impl Responder for MetricsHttp {
    type Body = Body;

    async fn answer(&self, _: IpAddr, request: Request<Incoming>) -> Response {
        match self.0.clone().oneshot(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        }
    }
}

async fn scrape(State(metrics): State<Arc<Metrics>>) -> Response {
    match metrics.text() {
        Some(text) => ([(header::CONTENT_TYPE, METRICS_TYPE)], text).into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    match readiness() {
        Ok(()) => "ready\n".into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")).into_response(),
    }
}

const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

//! Serves `/metrics` over plain HTTP, while a line runs. It never stops the line.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::Figures;

/// Where the figures are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MetricsAddress(SocketAddr);

impl fmt::Display for MetricsAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for MetricsAddress {
    type Err = String;

    /// Reads `ADDRESS:PORT`, or a port of the loopback.
    fn from_str(text: &str) -> Result<Self, String> {
        let of_loopback = || Some(SocketAddr::from((Ipv4Addr::LOCALHOST, text.parse().ok()?)));
        let address = text.parse().ok().or_else(of_loopback).filter(|address| address.port() > 0);
        address
            .map(Self)
            .ok_or_else(|| format!("{text:?} is neither a port nor ADDRESS:PORT, for example 127.0.0.1:9464"))
    }
}

/// The listener. Dropping it closes it and its connections.
pub(crate) struct Exporter {
    task: JoinHandle<()>,
}

impl Exporter {
    /// Listens, and serves from now on.
    pub(crate) async fn start(address: MetricsAddress, figures: Figures) -> io::Result<Self> {
        let MetricsAddress(address) = address;
        let listener = TcpListener::bind(address).await?;
        if !address.ip().is_loopback() {
            tracing::warn!("the metrics at {address} can be read by everybody who reaches this machine");
        }
        Ok(Self { task: tokio::spawn(serve(listener, figures)) })
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, figures: Figures) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = listener.accept().await;
        while connections.try_join_next().is_some() {}
        match accepted {
            // One too many is closed; the others end soon.
            Ok(_) if connections.len() >= CONNECTIONS_MAX => {}
            Ok((stream, _)) => {
                connections.spawn(timeout(CONNECTION_LIFE_MAX, answer_one(stream, figures.clone())));
            }
            Err(error) => {
                tracing::debug!(%error, "cannot accept a connection for metrics");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers one request, then closes the connection.
async fn answer_one(stream: TcpStream, figures: Figures) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer(request.method(), request.uri().path(), &figures);
        async move { Ok::<_, Infallible>(answer) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(BUFFER_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection for metrics ended");
    }
}

fn answer(method: &Method, path: &str, figures: &Figures) -> Response<Full<Bytes>> {
    let empty = |status| {
        let mut response = Response::new(Full::default());
        *response.status_mut() = status;
        response
    };
    if path != "/metrics" {
        return empty(StatusCode::NOT_FOUND);
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut refused = empty(StatusCode::METHOD_NOT_ALLOWED);
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match figures.text() {
        Some(text) => {
            let mut response = Response::new(Full::from(text));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(METRICS_TYPE));
            response
        }
        None => empty(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A monitoring system has one or two.
const CONNECTIONS_MAX: usize = 16;

/// How long the head of a request may take to arrive.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// For the request and its answer.
const CONNECTION_LIFE_MAX: Duration = Duration::from_secs(10);

/// The least that hyper takes.
const BUFFER_BYTES_MAX: usize = 8 * 1024;

/// How long to wait when no file descriptors are left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_on_the_loopback() {
        let parsed = |text: &str| text.parse::<MetricsAddress>().map(|MetricsAddress(address)| address);
        assert_eq!(parsed("9464"), Ok(([127, 0, 0, 1], 9464).into()));
        assert_eq!(parsed("10.0.0.1:9464"), Ok(([10, 0, 0, 1], 9464).into()));
        assert_eq!(parsed("[::1]:9464").unwrap().port(), 9464);
        for text in ["", "0", "99999", "line-1:9464", "127.0.0.1", "127.0.0.1:0"] {
            assert!(parsed(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_the_figures_are_answered_and_only_to_be_read() {
        let figures = Figures::new();
        let status = |method: Method, path: &str| answer(&method, path, &figures).status().as_u16();
        assert_eq!(status(Method::GET, "/metrics"), 200);
        assert_eq!(status(Method::HEAD, "/metrics"), 200);
        assert_eq!(status(Method::POST, "/metrics"), 405);
        assert_eq!(status(Method::GET, "/"), 404);
    }
}

//! Metrics in the OpenMetrics text format.

mod sources;

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};

use sources::FiguresCollector;

pub use sources::{BlockedKeysFigures, Figures, FiguresNow};

/// All metrics of the server.
pub struct Metrics {
    registry: Registry,
    rpcs: Family<RpcLabels, Counter>,
    rpc_seconds: Family<MethodLabels, Histogram, fn() -> Histogram>,
    rpcs_in_flight: Gauge,
    connections: Gauge,
    connections_dropped: Family<DroppedLabels, Counter>,
    handshakes: Counter,
    handshakes_in_flight: Gauge,
}

impl Metrics {
    /// Registers all metrics. `figures` are read at every scrape.
    pub fn new(figures: FiguresNow) -> Self {
        let mut registry = Registry::with_prefix("touchmark");
        registry.register("build", "The program", Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]));
        let rpc_seconds: Family<MethodLabels, Histogram, _> =
            Family::new_with_constructor(latency as fn() -> Histogram);
        let help = "Time from a call's arrival to the end of its answer";
        registry.register_with_unit("rpc_duration", help, Unit::Seconds, rpc_seconds.clone());
        registry.register_collector(Box::new(FiguresCollector(figures)));
        let (connections, dropped) =
            ("Open connections after their handshake", "Connections cut or refused, by reason");
        Self {
            rpcs: registered(&mut registry, "rpcs", "gRPC calls answered, by method and status code"),
            rpc_seconds,
            rpcs_in_flight: registered(&mut registry, "rpcs_in_flight", "gRPC calls being answered"),
            connections: registered(&mut registry, "connections", connections),
            connections_dropped: registered(&mut registry, "connections_dropped", dropped),
            handshakes: registered(&mut registry, "handshakes", "TLS handshakes completed"),
            handshakes_in_flight: registered(
                &mut registry,
                "handshakes_in_flight",
                "TLS handshakes not yet completed",
            ),
            registry,
        }
    }

    /// The text for `/metrics`; `None`: it cannot be encoded.
    pub fn text(&self) -> Option<String> {
        let mut text = String::new();
        encode(&mut text, &self.registry).ok()?;
        Some(text)
    }

    /// Counts a call that was answered.
    pub fn rpc(&self, method: &Arc<str>, code: &'static str, took: Duration) {
        let method = Method(Arc::clone(method));
        self.rpc_seconds.get_or_create(&MethodLabels { method: method.clone() }).observe(took.as_secs_f64());
        self.rpcs.get_or_create(&RpcLabels { method, code }).inc();
    }

    /// Counts a call that is being answered, until the result is dropped.
    pub fn rpcs_in_flight(&self) -> GaugeGuard {
        GaugeGuard::new(&self.rpcs_in_flight)
    }

    /// Counts an open connection, until the result is dropped.
    pub fn connections_open(&self) -> GaugeGuard {
        GaugeGuard::new(&self.connections)
    }

    /// Counts a handshake in flight, until the result is dropped.
    pub fn handshakes_in_flight(&self) -> GaugeGuard {
        GaugeGuard::new(&self.handshakes_in_flight)
    }

    /// Counts a completed handshake.
    pub fn handshake_completed(&self) {
        self.handshakes.inc();
    }

    /// Counts a connection that was cut or refused.
    pub fn dropped(&self, reason: DropReason) {
        self.connections_dropped.get_or_create(&DroppedLabels { reason }).inc();
    }
}

fn registered<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

/// Adds one to a gauge until it is dropped.
pub struct GaugeGuard(Gauge);

impl GaugeGuard {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Why a connection was closed or refused by the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// The TLS handshake failed, or its certificate is of another CA or not in its validity.
    HandshakeFailed,
    /// The handshake took too long.
    HandshakeTooSlow,
    /// The handshake was evicted for a new one.
    HandshakeEvicted,
    /// The connection had no certificate and was evicted for a new one.
    AnonymousEvicted,
    /// The client only proved a key, and the connection was evicted for a new one.
    BareKeyEvicted,
    /// The certificate was refused, and the connection was evicted for a new one.
    RefusedEvicted,
    /// The quota of its principal, or of all principals, was used up.
    TooManyConnections,
    /// A connection of plain HTTP was evicted for a new one.
    HttpEvicted,
    /// A connection of plain HTTP came when its network had most permits and all were active.
    HttpTooMany,
}

impl EncodeLabelValue for DropReason {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        let reason = match self {
            Self::HandshakeFailed => "handshake_failed",
            Self::HandshakeTooSlow => "handshake_too_slow",
            Self::HandshakeEvicted => "handshake_crowded_out",
            Self::AnonymousEvicted => "anonymous_crowded_out",
            Self::BareKeyEvicted => "bare_key_crowded_out",
            Self::RefusedEvicted => "refused_crowded_out",
            Self::TooManyConnections => "too_many_connections",
            Self::HttpEvicted => "http_crowded_out",
            Self::HttpTooMany => "http_too_many",
        };
        EncodeLabelValue::encode(&reason, encoder)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DroppedLabels {
    reason: DropReason,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RpcLabels {
    method: Method,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MethodLabels {
    method: Method,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Method(Arc<str>);

impl EncodeLabelValue for Method {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.0.as_ref(), encoder)
    }
}

/// From 0.5 ms, about the time to issue a certificate, to 16 s.
fn latency() -> Histogram {
    Histogram::new(exponential_buckets(0.000_5, 2.0, 16))
}

//! Metrics whose values other parts of the server keep, read at every scrape.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use publication::{IssuerFigures, OcspFigures, PublicationFigures};
use store::StoreMetrics;

/// Reads the values.
pub type FiguresNow = Arc<dyn Fn() -> Figures + Send + Sync>;

/// Values of the authority, the store and publication. All counts are since the start of the process.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the help texts of the metrics below say what each is")]
pub struct Figures {
    pub issued: Vec<(String, u64)>,
    pub refused: Vec<(&'static str, u64)>,
    pub shared_primes: u64,
    pub products_paused: Vec<String>,
    pub repeated_alarms: u64,
    pub revoked_siblings: u64,
    pub issuers_compromised: Vec<(String, u64)>,
    pub store: StoreMetrics,
    pub task_restarts: Vec<(&'static str, u64)>,
    pub log_lines_lost: u64,
    pub log_lines_suppressed: u64,
    pub panics: u64,
    pub clock_in_doubt: bool,
    pub blocked_keys: BlockedKeysFigures,
    pub publication: PublicationFigures,
    pub ocsp: OcspFigures,
    pub seconds_to_expiry: Vec<(String, f64)>,
}

/// Figures of the blocked keys.
#[derive(Debug, Clone, Copy, Default)]
pub struct BlockedKeysFigures {
    /// Entries in force.
    pub listed: u64,
    /// Files that could not be used.
    pub refused: u64,
    /// Whether the entries in force are not those of the file.
    pub stale: bool,
}

pub(super) struct FiguresCollector(pub(super) FiguresNow);

impl Collector for FiguresCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let figures = (self.0)();
        let store = &figures.store;
        let mut out = FigureEncoder(&mut encoder);
        out.counters("issued", "Certificates released, by profile", "profile", &figures.issued)?;
        out.counters("refused", "Requests refused, by reason", "reason", &figures.refused)?;
        let text = "How often an RSA key was found to share a prime with another one";
        out.counter("shared_primes", text, figures.shared_primes)?;
        let paused = figures.products_paused.len() as f64;
        out.gauge("products_paused", "Products for which no birth certificate is issued", paused)?;
        let text = "Refusals that were not recorded as alarms, because many of the same caller were";
        out.counter("alarms_repeated", text, figures.repeated_alarms)?;
        let text = "How often a cloned device showed a certificate that was revoked unused";
        out.counter("revoked_siblings", text, figures.revoked_siblings)?;
        let text = "Proofs that the key of an issuer is compromised, by issuer";
        out.counters("issuer_compromise_proofs", text, "issuer", &figures.issuers_compromised)?;
        out.gauge("store_entries", "Entries of the ledger", store.head as f64)?;
        out.gauge("store_bytes", "Bytes of the ledger", store.log.bytes as f64)?;
        out.counter("store_batches", "Batches written, each with one sync", store.log.batches)?;
        out.seconds("store_sync_seconds", "Time spent in syncs", store.log.sync_total)?;
        out.gauge("store_sync_seconds_max", "The longest sync", store.log.sync_max.as_secs_f64())?;
        out.counter("store_full", "Batches refused because the disk was full", store.log.full)?;
        out.gauge("store_queued", "Calls that wait for their commit", store.queued as f64)?;
        let stopped = flag(store.stopped);
        out.gauge("store_stopped", "1 when nothing can be recorded until a restart", stopped)?;
        let no_room = flag(store.log.disk_full);
        out.gauge("store_disk_full", "1 while the ledger's disk has no room", no_room)?;
        process(&mut out, &figures)?;
        out.gauge("projection_entry", "The entry that listings have reached", store.projected as f64)?;
        let lag = store.projection_lag.as_secs_f64();
        out.gauge("projection_lag_seconds", "How far behind listings are", lag)?;
        let text = "Broken listings that were discarded and built again; those that are built at a start do not count";
        out.counter("projection_rebuilds", text, store.projection_rebuilds)?;
        let text = "The last entry in the last checkpoint of the index; a start reads the ledger behind it";
        out.gauge("index_checkpoint_entry", text, store.checkpoint as f64)?;
        out.counter("index_checkpoints", "Checkpoints of the index that were written", store.checkpoints)?;
        let in_doubt = flag(figures.clock_in_doubt);
        let text = "1 while the clock is not trusted: nothing is issued or published";
        out.gauge("clock_in_doubt", text, in_doubt)?;
        blocked_keys(&mut out, &figures.blocked_keys)?;
        publication(&mut out, &figures)?;
        let left = figures.seconds_to_expiry.iter().cloned();
        out.gauges("issuer_expiry_seconds", "Until an issuer's certificate ends", "issuer", left)
    }
}

impl fmt::Debug for FiguresCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sources")
    }
}

fn process(out: &mut FigureEncoder<'_, '_>, figures: &Figures) -> Result<(), fmt::Error> {
    out.counter("log_lines_lost", "Log lines that could not be written", figures.log_lines_lost)?;
    let text = "Log lines left out because there were too many of their kind";
    out.counter("log_lines_suppressed", text, figures.log_lines_suppressed)?;
    out.counter("panics", "Panics in any thread or task", figures.panics)?;
    let text = "How often a background task ended and was started again";
    out.counters("task_restarts", text, "task", &figures.task_restarts)
}

fn blocked_keys(out: &mut FigureEncoder<'_, '_>, figures: &BlockedKeysFigures) -> Result<(), fmt::Error> {
    out.gauge("blocked_keys", "Entries of the list of blocked keys", figures.listed as f64)?;
    let text = "1 when the file of blocked keys cannot be used and an earlier list is in force";
    out.gauge("blocked_keys_stale", text, flag(figures.stale))?;
    out.counter("blocked_keys_files_refused", "Files of blocked keys that could not be used", figures.refused)
}

fn publication(out: &mut FigureEncoder<'_, '_>, figures: &Figures) -> Result<(), fmt::Error> {
    let issuers = &figures.publication.issuers;
    let of = |figure: fn(&IssuerFigures) -> f64| {
        issuers.iter().map(move |(issuer, figures)| (issuer.clone(), figure(figures)))
    };
    let text = "Until the first of an issuer's CRLs ends; negative: it ended";
    out.gauges("crl_seconds_to_expiry", text, "issuer", of(|figures| figures.to_expiry))?;
    out.gauges("crl_age_seconds", "Age of an issuer's oldest CRL", "issuer", of(|figures| figures.age))?;
    out.gauges("crl_lists", "CRLs of an issuer", "issuer", of(|figures| figures.crls as f64))?;
    let text = "Certificates on an issuer's whole CRL";
    out.gauges("crl_listed", text, "issuer", of(|figures| figures.revoked as f64))?;
    out.counter("crl_published", "CRLs published", figures.publication.published)?;
    let lag = figures.publication.lag.as_secs_f64();
    out.gauge("crl_lag_seconds", "For how long what is on record may not have been in the CRLs", lag)?;
    out.counter("crl_failures", "Rounds of publication that failed", figures.publication.failures)?;
    let ocsp = &figures.ocsp;
    let kinds = [("signed", ocsp.signed), ("kept", ocsp.cached), ("refused", ocsp.refused)];
    out.counters(
        "ocsp_answers",
        "OCSP responses, by how they were made: signed on demand, kept from before, refused",
        "kind",
        &kinds,
    )
}

fn flag(value: bool) -> f64 {
    f64::from(u8::from(value))
}

struct FigureEncoder<'a, 'b>(&'a mut DescriptorEncoder<'b>);

impl FigureEncoder<'_, '_> {
    fn counter(&mut self, name: &str, help: &str, value: u64) -> Result<(), fmt::Error> {
        let metric = ConstCounter::new(value);
        metric.encode(self.0.encode_descriptor(name, help, None, metric.metric_type())?)
    }

    fn seconds(&mut self, name: &str, help: &str, value: Duration) -> Result<(), fmt::Error> {
        let metric = ConstCounter::new(value.as_secs_f64());
        metric.encode(self.0.encode_descriptor(name, help, None, metric.metric_type())?)
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) -> Result<(), fmt::Error> {
        let metric = ConstGauge::new(value);
        metric.encode(self.0.encode_descriptor(name, help, None, metric.metric_type())?)
    }

    fn counters(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: &[(impl AsRef<str>, u64)],
    ) -> Result<(), fmt::Error> {
        let Some((_, first)) = values.first() else { return Ok(()) };
        let kind = ConstCounter::new(*first).metric_type();
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (value, count) in values {
            let labels = [(label, value.as_ref())];
            ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn gauges(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl Iterator<Item = (String, f64)>,
    ) -> Result<(), fmt::Error> {
        let kind = ConstGauge::new(0.0).metric_type();
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (value, figure) in values {
            let labels = [(label, value.as_str())];
            ConstGauge::new(figure).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

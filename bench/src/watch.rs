//! The time from a revocation to each of a thousand watchers.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Args;
use hdrhistogram::Histogram;
use prost::bytes::Bytes;
use proto::v1::revocation_service_client::RevocationServiceClient;
use proto::v1::{RevokeRequest, Role, Selection, WatchRevocationsRequest, selection::By};
use serde_json::json;
use tests::{Caller, Device, Factory, ask_on_stream};
use tokio::sync::mpsc;

use crate::server::Server;
use crate::terms::Place;

/// The load.
#[derive(Debug, Args)]
pub(crate) struct Watch {
    #[command(flatten)]
    place: Place,
    /// Number of watchers.
    #[arg(long, default_value_t = 1_000)]
    watchers: usize,
    /// Revocations, one after the other.
    #[arg(long, default_value_t = 100)]
    revocations: usize,
}

impl Watch {
    /// Measures and reports.
    pub(crate) fn run(&self) -> Result<()> {
        let (runtime, server) = self.place.begin()?;
        let latencies = runtime.block_on(self.measure(&server))?;
        let milliseconds = |quantile| latencies.value_at_quantile(quantile) as f64 / 1000.0;
        let (p50, p99, max) = (milliseconds(0.5), milliseconds(0.99), milliseconds(1.0));
        println!(
            "{} watchers, {} revocations: from the question to each watcher p50 {p50:.1} ms, p99 {p99:.1} ms, max {max:.1} ms; peak {:.0} MiB",
            self.watchers,
            self.revocations,
            server.peak_mib()
        );
        if self.place.json {
            let figures = json!({
                "name": "watch",
                "watchers": self.watchers,
                "revocations": self.revocations,
                "p50_ms": p50,
                "p99_ms": p99,
                "max_ms": max,
                "server_peak_rss_mib": server.peak_mib().round(),
            });
            println!("{figures}");
        }
        Ok(())
    }

    async fn measure(&self, server: &Server) -> Result<Histogram<u64>> {
        let devices: Vec<_> =
            (0..self.revocations).map(|number| Device::new("cam-2", &format!("SN{number:08}"))).collect();
        let requests = devices.iter().map(|device| device.birth_request(server.order())).collect();
        let mut answers = ask_on_stream(&server.station(), requests).await;
        let (heard, mut hearing) = mpsc::channel(self.watchers);
        let factory = Factory::of(server.authority());
        let parties = self.watchers.div_ceil(WATCHERS_OF_ONE);
        for party in 0..parties {
            let credentials = factory.credential(Role::RelyingParty, &format!("broker-{party}")).await;
            let caller = server.authority().caller(&credentials);
            for _ in 0..WATCHERS_OF_ONE.min(self.watchers - party * WATCHERS_OF_ONE) {
                watch(&caller, heard.clone()).await?;
            }
        }
        let mut latencies = Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)?;
        let operator = server.authority().operator();
        for device in &devices {
            let certificate = answers.remove(&device.request_id).context("an answer")?.issued();
            let request = RevokeRequest {
                request_id: device.request_id.clone(),
                selection: Some(Selection { by: Some(By::SerialNumber(certificate.serial_number.clone())) }),
                reason: "keyCompromise".to_owned(),
                invalidity_date: None,
                expected_certificates: 1,
                remark: String::new(),
            };
            let started = Instant::now();
            let mut progress = operator.lifecycle().revoke(request).await?.into_inner();
            while progress.message().await?.is_some() {}
            for _ in 0..self.watchers {
                let (what, when): (Bytes, Instant) = hearing.recv().await.context("a watcher")?;
                ensure!(what == certificate.serial_number, "a watcher heard something else");
                latencies.saturating_record(when.duration_since(started).as_micros() as u64);
            }
        }
        Ok(latencies)
    }
}

async fn watch(caller: &Caller, heard: mpsc::Sender<(Bytes, Instant)>) -> Result<()> {
    let mut client = RevocationServiceClient::new(caller.channel());
    let request = WatchRevocationsRequest { cursor: String::new(), from_now: true };
    let mut feed = client.watch_revocations(request).await?.into_inner();
    feed.message().await?.context("the first message")?;
    tokio::spawn(async move {
        while let Ok(Some(page)) = feed.message().await {
            let now = Instant::now();
            for event in page.events {
                if heard.send((event.serial_number, now)).await.is_err() {
                    return;
                }
            }
        }
    });
    Ok(())
}

/// Watchers that share a connection: the CA limits the connections of one principal.
const WATCHERS_OF_ONE: usize = 50;

/// The latest that a watcher may be.
const LATENCY_US_MAX: u64 = 60_000_000;

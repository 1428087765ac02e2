//! A fleet of one work order: the latency of one revocation everywhere, the rate of its pages, and the time
//! until all revocations are recorded and published.

mod one;
mod pages;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use prost::bytes::Bytes;
use proto::v1::{PreviewSelectionRequest, RevokeRequest, Selection, selection::By};
use serde_json::json;
use tests::{Answer, Device, ask_on_stream};

use crate::server::Server;
use crate::terms::Place;

/// The load.
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    #[command(flatten)]
    place: Place,
    /// Birth certificates under the revoked order; issuing them takes most of the time.
    #[arg(long, default_value_t = 1_000_000)]
    certificates: usize,
}

impl Revoke {
    /// Measures and reports.
    pub(crate) fn run(&self) -> Result<()> {
        let (runtime, server) = self.place.begin()?;
        runtime.block_on(self.fill(&server))?;
        server.settle()?;
        let filled_mib = server.peak_mib();
        let pages = runtime.block_on(pages::read_all(&server, self.certificates))?;
        let few = self.certificates.div_ceil(SINGLES).max(1);
        let serials = (0..self.certificates).step_by(few).map(|number| format!("SN{number:08}"));
        let singles = serials.clone().count();
        let told = runtime.block_on(one::slowest(&server, serials))?;
        let (preview, ledger, published) = runtime.block_on(self.revoke(&server, singles))?;
        let figures = json!({
            "name": "revoke",
            "certificates": self.certificates,
            "one_in_list_s": seconds(told.list),
            "one_in_answer_s": seconds(told.answer),
            "one_in_feed_s": seconds(told.feed),
            "first_pages_ms": milliseconds(pages.first),
            "last_pages_ms": milliseconds(pages.last),
            "preview_s": seconds(preview),
            "ledger_s": seconds(ledger),
            "published_s": seconds(published),
            "server_peak_rss_mib": server.peak_mib().round(),
            "server_peak_rss_before_mib": filled_mib.round(),
        });
        println!(
            "one of {}: in its shard's CRL after {:.3} s, in OCSP responses {:.3} s, in the feed {:.3} s (slowest of {singles})",
            self.certificates,
            told.list.as_secs_f64(),
            told.answer.as_secs_f64(),
            told.feed.as_secs_f64(),
        );
        println!(
            "pages of 1,000 devices: the first in {:.1} ms, the last in {:.1} ms",
            milliseconds(pages.first),
            milliseconds(pages.last),
        );
        println!(
            "{} certificates: counted in {:.2} s, on record in {:.2} s, published {:.2} s after that; peak {:.0} MiB (before: {filled_mib:.0})",
            self.certificates,
            preview.as_secs_f64(),
            ledger.as_secs_f64(),
            published.as_secs_f64(),
            server.peak_mib(),
        );
        if self.place.json {
            println!("{figures}");
        }
        Ok(())
    }

    async fn fill(&self, server: &Server) -> Result<()> {
        let station = server.station();
        let mut made = 0;
        while made < self.certificates {
            let end = self.certificates.min(made + CHUNK);
            let devices = (made..end).map(|number| Device::new("cam-2", &format!("SN{number:08}")));
            let requests: Vec<_> = devices.map(|device| device.birth_request(server.order())).collect();
            let answers = ask_on_stream(&station, requests).await;
            ensure!(answers.values().all(Answer::is_issued), "not all were born");
            made = end;
        }
        Ok(())
    }

    /// Times to count, to record, and to publish.
    async fn revoke(&self, server: &Server, before: usize) -> Result<(Duration, Duration, Duration)> {
        let operator = server.authority().operator();
        let selection = Some(Selection { by: Some(By::WorkOrder(server.order().to_owned())) });
        let started = Instant::now();
        let preview = PreviewSelectionRequest { selection: selection.clone() };
        let preview = operator.lifecycle().preview_selection(preview).await?.into_inner();
        let left = (self.certificates - before) as u64;
        ensure!(preview.certificates == left, "the order has others: {preview:?}");
        let counted = started.elapsed();

        let request = RevokeRequest {
            request_id: Bytes::from_static(b"bench revocation"),
            selection,
            reason: "keyCompromise".to_owned(),
            invalidity_date: None,
            expected_certificates: preview.certificates,
            remark: String::new(),
        };
        let started = Instant::now();
        let mut progress = operator.lifecycle().revoke(request).await?.into_inner();
        let mut last = None;
        while let Some(now) = progress.message().await? {
            last = Some(now);
        }
        let last = last.context("progress")?;
        ensure!(last.done && last.revoked == left, "not all were revoked: {last:?}");
        let recorded = started.elapsed();

        let started = Instant::now();
        while server.listed("factory")? < self.certificates as f64 {
            ensure!(started.elapsed() < PUBLISHED_WITHIN, "the revocations are not published");
            tokio::time::sleep(POLL).await;
        }
        Ok((counted, recorded, started.elapsed()))
    }
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}

fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

/// The number of certificates that are revoked one by one first.
const SINGLES: usize = 20;

/// Births that are requested together; their requests are held in memory.
const CHUNK: usize = 20_000;

/// Ten times the target.
const PUBLISHED_WITHIN: Duration = Duration::from_secs(600);

const POLL: Duration = Duration::from_millis(50);

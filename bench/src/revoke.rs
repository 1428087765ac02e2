//! All devices of a work order are withdrawn at once: how long until it is on record, and until it is published.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use prost::bytes::Bytes;
use proto::v1::{PreviewSelectionRequest, RevokeRequest, Selection, selection::By};
use serde_json::json;
use tests::{Answer, Device, ask_on_stream};

use crate::cores;
use crate::issue::directory;
use crate::server::Server;

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// Prints one JSON object on the last line.
    #[arg(long)]
    json: bool,
    /// Birth certificates under the order that is withdrawn. They are issued first, which takes most of the time.
    #[arg(long, default_value_t = 1_000_000)]
    certificates: usize,
    /// Where the CA's directory is made, on a disk. Default: where this program is.
    #[arg(long)]
    dir: Option<PathBuf>,
}

impl Revoke {
    /// Measures and reports.
    pub(crate) fn run(&self) -> Result<()> {
        cores::pin_this_thread(cores::CLIENT)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let server = runtime.block_on(Server::start(&directory(self.dir.clone())?))?;
        runtime.block_on(self.fill(&server))?;
        server.settle()?;
        let filled_mib = server.peak_mib();
        let (preview, ledger, published) = runtime.block_on(self.withdraw(&server))?;
        let figures = json!({
            "name": "revoke",
            "certificates": self.certificates,
            "preview_s": seconds(preview),
            "ledger_s": seconds(ledger),
            "published_s": seconds(published),
            "server_peak_rss_mib": server.peak_mib().round(),
            "server_peak_rss_before_mib": filled_mib.round(),
        });
        println!(
            "{} certificates: counted in {:.2} s, on record in {:.2} s, published {:.2} s after that; peak {:.0} MiB (before: {filled_mib:.0})",
            self.certificates,
            preview.as_secs_f64(),
            ledger.as_secs_f64(),
            published.as_secs_f64(),
            server.peak_mib(),
        );
        if self.json {
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

    /// How long it took to count, to record, and then to publish.
    async fn withdraw(&self, server: &Server) -> Result<(Duration, Duration, Duration)> {
        let operator = server.authority().operator();
        let selection = Some(Selection { by: Some(By::WorkOrder(server.order().to_owned())) });
        let started = Instant::now();
        let preview = PreviewSelectionRequest { selection: selection.clone() };
        let preview = operator.lifecycle().preview_selection(preview).await?.into_inner();
        ensure!(preview.certificates == self.certificates as u64, "the order has others: {preview:?}");
        let counted = started.elapsed();

        let request = RevokeRequest {
            request_id: Bytes::from_static(b"bench revocation"),
            selection,
            reason: "keyCompromise".to_owned(),
            invalidity_date: None,
            expected_certificates: preview.certificates,
        };
        let started = Instant::now();
        let mut progress = operator.lifecycle().revoke(request).await?.into_inner();
        let mut last = None;
        while let Some(now) = progress.message().await? {
            last = Some(now);
        }
        let last = last.context("progress")?;
        ensure!(last.done && last.revoked == self.certificates as u64, "not all were revoked: {last:?}");
        let recorded = started.elapsed();

        let started = Instant::now();
        while server.listed("factory")? < self.certificates as f64 {
            ensure!(started.elapsed() < PUBLISHED_WITHIN, "the revocations are not published");
            tokio::time::sleep(POLL).await;
        }
        Ok((counted, recorded, started.elapsed()))
    }
}

fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

/// Births that are asked for together: their requests are kept in memory.
const CHUNK: usize = 20_000;

/// Ten times what is aimed at.
const PUBLISHED_WITHIN: Duration = Duration::from_secs(600);

const POLL: Duration = Duration::from_millis(50);

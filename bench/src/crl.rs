//! CRLs of a million entries: all CRLs from nothing; one shard's CRL after a revocation; the issuer's full
//! CRL.

mod limit;
mod source;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use identity::{Clock, IssuerName, SystemClock};
use publication::{
    CrlDirectory, CrlId, CrlNumberFile, LedgerHead, Publication, PublicationStorage, Publisher,
};
use serde_json::json;
use signer::{IssuerKeys, IssuerSettings, Issuers};
use tests::CertificateAuthority;

use crate::cores::{self, process_cpu};
use crate::terms::Place;
use source::Revoked;

/// The load.
#[derive(Debug, Args)]
pub(crate) struct Crl {
    #[command(flatten)]
    place: Place,
    /// Birth certificates that are revoked.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    revoked: u64,
    /// Windows: each makes all CRLs anew, between two measurements of the limit.
    #[arg(long, default_value_t = 5)]
    windows: usize,
}

/// The figures of one window.
struct Window {
    /// All CRLs from nothing: every shard's and the full one.
    full: Duration,
    full_cpu: Duration,
    /// One shard's CRL, up to its file in the directory.
    shard: Duration,
    /// The full CRL, from the CRLs of the shards.
    whole: Duration,
    limit_cpu: Duration,
    full_bytes: u64,
    peak_mib: f64,
    before_mib: f64,
}

/// The publication of one window, over a temporary directory.
struct Room {
    source: Arc<Revoked>,
    issuers: Issuers,
    dir: tempfile::TempDir,
}

impl Crl {
    /// Measures and reports.
    pub(crate) fn run(&self) -> Result<()> {
        // Threads that write files and hash start on the same core.
        cores::pin_this_thread(cores::SERVER)?;
        let parent = self.place.directory()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let issuers = runtime.block_on(issuers(&parent))?;
        let windows: Result<Vec<Window>> =
            (0..self.windows.max(1)).map(|_| runtime.block_on(self.window(&parent, &issuers))).collect();
        self.report(&windows?);
        Ok(())
    }

    async fn window(&self, parent: &Path, issuers: &Issuers) -> Result<Window> {
        let source = Arc::new(Revoked::new(self.revoked, SystemClock.now()));
        let dir = tempfile::tempdir_in(parent).context("a directory for the lists")?;
        let room = Room { source: Arc::clone(&source), issuers: issuers.clone(), dir };
        let before = limit::bare(&source, &issuers.factory).await?;

        let (mut publisher, publication) = room.open(true).await?;
        forget_peak()?;
        let before_mib = memory_mib("VmRSS:")?;
        let (started, cpu) = (Instant::now(), process_cpu());
        publisher.round().await?;
        let (full, full_cpu) = (started.elapsed(), process_cpu() - cpu);
        let peak_mib = memory_mib("VmHWM:")?;
        let crl = self.whole(&publication)?;

        let mut shards = Vec::new();
        for _ in 0..SHARD_ROUNDS {
            source.change();
            let started = Instant::now();
            ensure!(publisher.round().await? > 0, "no list was made");
            shards.push(started.elapsed());
        }
        // A publisher that has just started does not delay the full CRL.
        drop((publisher, publication));
        source.change();
        let (mut publisher, publication) = room.open(false).await?;
        let started = Instant::now();
        publisher.round().await?;
        let whole = started.elapsed();
        ensure!(self.whole(&publication)?.meta.number > crl.meta.number, "the same list as before");

        let after = limit::bare(&source, &issuers.factory).await?;
        Ok(Window {
            full,
            full_cpu,
            shard: median(shards),
            whole,
            limit_cpu: (before + after) / 2,
            full_bytes: crl.length(),
            peak_mib,
            before_mib,
        })
    }

    /// The full CRL contains all entries.
    fn whole(&self, publication: &Publication) -> Result<Arc<publication::Crl>> {
        let name = CrlId { issuer: IssuerName::Factory, shard: None };
        let crl = publication.crl(name).context("the list of the whole issuer")?;
        ensure!(crl.meta.count == self.revoked, "{} are listed", crl.meta.count);
        Ok(crl)
    }

    fn report(&self, windows: &[Window]) {
        let of = |figure: fn(&Window) -> Duration| median(windows.iter().map(figure).collect()).as_secs_f64();
        let most = |figure: fn(&Window) -> f64| rounded(windows.iter().map(figure).fold(0.0, f64::max), 1);
        let mut shares: Vec<f64> =
            windows.iter().map(|it| it.limit_cpu.as_secs_f64() / it.full_cpu.as_secs_f64()).collect();
        shares.sort_by(f64::total_cmp);
        let share = shares.get(shares.len() / 2).copied().unwrap_or(f64::NAN);
        let (full, shard, whole) = (of(|it| it.full), of(|it| it.shard), of(|it| it.whole));
        let (full_cpu, limit) = (of(|it| it.full_cpu), of(|it| it.limit_cpu));
        let bytes = windows.first().map_or(0, |it| it.full_bytes);
        let peak = most(|it| it.peak_mib);
        // Later windows find the files of the first.
        let before = rounded(windows.first().map_or(0.0, |it| it.before_mib), 1);
        println!(
            "{} revoked, a list of {bytes} bytes: all lists from nothing {full:.2} s ({full_cpu:.2} s of CPU; bare {limit:.2} s, share {share:.3}), \
             one shard {:.1} ms, with the whole issuer's crl after it {whole:.2} s; peak {peak} MiB (before: {before})",
            self.revoked,
            shard * 1000.0,
        );
        if self.place.json {
            let figures = json!({
                "name": "crl",
                "revoked": self.revoked,
                "full_s": rounded(full, 3),
                "full_cpu_s": rounded(full_cpu, 3),
                "shard_ms": rounded(shard * 1000.0, 2),
                "whole_s": rounded(whole, 3),
                "limit_s": rounded(limit, 3),
                "share": rounded(share, 3),
                "full_bytes": bytes,
                "peak_rss_mib": peak,
                "rss_before_mib": before,
                "windows": windows.len(),
            });
            println!("{figures}");
        }
    }
}

impl Room {
    /// A publisher over the directory. The first one is told that it begins with new CRL numbers.
    async fn open(&self, first: bool) -> Result<(Publisher, Arc<Publication>)> {
        let epoch = self.dir.path().join("epoch.toml");
        let numbers = if first {
            CrlNumberFile::create(&epoch, LedgerHead::of(self.source.as_ref()).await?)?
        } else {
            CrlNumberFile::open(&epoch, self.source.as_ref()).await?
        };
        let storage = PublicationStorage {
            numbers: Arc::new(numbers),
            crls: Arc::new(CrlDirectory::new(&self.dir.path().join("lists"))),
            chores: Arc::new(store::OnlyProcess),
        };
        let publication = Arc::new(Publication::new(&self.issuers));
        let publisher = Publisher::open(
            storage,
            Arc::<Revoked>::clone(&self.source),
            self.issuers.clone(),
            Arc::clone(&publication),
            "http://ca.example".to_owned(),
            Arc::new(SystemClock),
        );
        Ok((publisher.await?, publication))
    }
}

/// The issuers of a fresh installation that does not run.
async fn issuers(parent: &Path) -> Result<Issuers> {
    let dir = tempfile::tempdir_in(parent).context("a directory for the CA")?;
    let authority = CertificateAuthority::founded_in(&dir.path().join("ca"));
    let keys = IssuerKeys::Files { passphrase_file: authority.directory().join("passphrase") };
    Ok(Issuers::open(&IssuerSettings { dir: authority.directory().join("issuers"), keys }).await?)
}

fn median(mut durations: Vec<Duration>) -> Duration {
    durations.sort_unstable();
    durations.get(durations.len() / 2).copied().unwrap_or_default()
}

/// A figure of this process: proc(5).
fn memory_mib(name: &str) -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).context("the figure is not there")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib / 1024.0)
}

/// Resets the peak of resident memory to the present value.
fn forget_peak() -> Result<()> {
    std::fs::write("/proc/self/clear_refs", "5").context("/proc/self/clear_refs")
}

fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}

/// Large full CRLs wait half a minute before they are made again; the measurement ends before. One below 1
/// MiB does not wait and is counted with its shard.
const SHARD_ROUNDS: usize = 15;

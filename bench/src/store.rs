//! The embedded store alone: a million devices are committed, and the store is closed, opened, killed, opened
//! again, and its projection rebuilt. Then the same births without traces of random generators, to compare.
//!
//! Every step is a process of its own, so that peak memory and restarts are real. The efficiency is the rate
//! divided by that of one thread that only writes and syncs the same bytes in the same batches, measured just
//! before.

pub(crate) mod births;
mod traces;

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use hdrhistogram::Histogram;
use identity::{GeneratorTraces, SystemClock};
use serde_json::{Value, json};
use store::{
    DeviceFilter, Ledger as _, Listings as _, LogSettings, LogStore, SEGMENT_BYTES_DEFAULT, Status as _,
    StoreSettings,
};

use crate::cores::process_cpu;
use crate::steps::{self, End};
use births::{Traces, commit_devices, create_order, traces_of};

/// Commits devices to the embedded store and measures it: rate, size, memory, projection, restarts.
#[derive(Debug, Args)]
pub(crate) struct Store {
    /// Number of devices.
    #[arg(long, default_value_t = 1_000_000)]
    devices: u64,
    /// Commits in flight, one device each.
    #[arg(long, default_value_t = 256)]
    in_flight: u64,
    /// Fill ledger files with zeros when they are made.
    #[arg(long)]
    preallocate: bool,
    /// Directory for the store; a subdirectory is made and removed at the end.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// One JSON object on the last line.
    #[arg(long)]
    json: bool,
    /// Run only this step, in this process.
    #[arg(long, hide = true)]
    step: Option<Step>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    Load,
    /// As births of earlier versions were: without traces of the units' random generators.
    LoadWithoutTraces,
    Restart,
    Rebuild,
    /// Opens and closes the store.
    Start,
}

impl Step {
    fn end(self) -> End {
        if self == Self::Restart { End::Killed } else { End::ByItself }
    }
}

impl Store {
    pub(crate) fn run(self) -> Result<()> {
        match self.step {
            None => self.measure(),
            Some(step) => {
                let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
                let figures = runtime.block_on(async {
                    match step {
                        Step::Load => self.load(traces_of).await,
                        Step::LoadWithoutTraces => self.load(|_| GeneratorTraces::default()).await,
                        Step::Restart => self.restart().await,
                        Step::Rebuild => self.rebuild().await,
                        Step::Start => self.start().await,
                    }
                })?;
                steps::tell(&figures, step.end())
            }
        }
    }

    fn measure(&self) -> Result<()> {
        fs::create_dir_all(&self.dir)?;
        let directory = tempfile::tempdir_in(&self.dir)?;
        let without_traces = tempfile::tempdir_in(&self.dir)?;
        let load = self.step(directory.path(), Step::Load)?;
        let bytes = bytes_below(directory.path())?;
        let restart_clean = self.step(directory.path(), Step::Restart)?;
        let restart_killed = self.step(directory.path(), Step::Restart)?;
        fs::remove_dir_all(directory.path().join("projection"))?;
        let rebuild = self.step(directory.path(), Step::Rebuild)?;
        let traces = self.compare_traces(directory.path(), &load, without_traces.path())?;
        let seconds = |value: &Value, key: &str| value[key].as_f64().unwrap_or(f64::NAN);
        let restart_s = seconds(&restart_clean, "restart_s").max(seconds(&restart_killed, "restart_s"));
        let peak = [&load, &restart_clean, &restart_killed, &rebuild]
            .map(|step| seconds(step, "peak_mib"))
            .into_iter()
            .fold(0.0, f64::max);
        let figures = json!({
            "name": "store",
            "devices": self.devices,
            "rate_per_s": load["rate_per_s"],
            "limit_per_s": load["limit_per_s"],
            "share": load["share"],
            "p50_ms": load["p50_ms"],
            "p99_ms": load["p99_ms"],
            "batch_mean": load["batch_mean"],
            "sync_ms_mean": load["sync_ms_mean"],
            "sync_share": load["sync_share"],
            "server_cpu_us_per_op": load["cpu_us_per_op"],
            "server_peak_rss_mib": peak,
            "bytes_per_device": (bytes as f64 / self.devices as f64).round(),
            "ledger_bytes_per_device": load["ledger_bytes_per_device"],
            "restart_s": restart_s,
            "restart_clean_s": restart_clean["restart_s"],
            "restart_killed_s": restart_killed["restart_s"],
            "rebuild_s": rebuild["rebuild_s"],
            "rebuild_peak_rss_mib": rebuild["peak_mib"],
            "projection_lag_ms_max": load["lag_ms_max"],
            "projection_drained_s": load["drained_s"],
            "traces": traces,
        });
        print_table(&figures);
        traces::print_table(&figures["traces"]);
        if self.json {
            println!("{figures}");
        }
        Ok(())
    }

    /// Runs one step in a process of its own.
    fn step(&self, directory: &Path, step: Step) -> Result<Value> {
        let name = step.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        let arguments = |process: &mut Process| {
            process.args(["store", "--step", &name, "--devices", &self.devices.to_string(), "--in-flight"]);
            process.arg(self.in_flight.to_string()).arg("--dir").arg(directory);
            if self.preallocate {
                process.arg("--preallocate");
            }
        };
        steps::ask(arguments, step.end())
    }

    async fn load(&self, traces: Traces) -> Result<Value> {
        let limit_per_s = self.append_limit()?;
        let store = Arc::new(LogStore::create(&self.settings(), Arc::new(SystemClock))?);
        create_order(&store, self.devices).await?;
        let (next, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let lag = tokio::spawn(watch_lag(Arc::clone(&store), Arc::clone(&done)));
        let (started, cpu) = (Instant::now(), process_cpu());
        let workers: Vec<_> = (0..self.in_flight)
            .map(|_| commit_devices(Arc::clone(&store), Arc::clone(&next), self.devices, traces))
            .map(tokio::spawn)
            .collect();
        let mut latencies = Histogram::<u64>::new(3)?;
        for worker in workers {
            latencies.add(worker.await??)?;
        }
        let (elapsed, cpu) = (started.elapsed(), process_cpu() - cpu);
        let metrics = store.metrics();
        let sync = metrics.log.sync_total;
        while store.metrics().projected < metrics.head {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let drained = started.elapsed() - elapsed;
        done.store(true, Ordering::Relaxed);
        let lag_max = lag.await?;
        store.close().await?;
        let rate = self.devices as f64 / elapsed.as_secs_f64();
        let millis = |quantile| rounded(latencies.value_at_quantile(quantile) as f64 / 1000.0, 3);
        Ok(json!({
            "rate_per_s": rate.round(),
            "limit_per_s": limit_per_s.round(),
            "share": rounded(rate / limit_per_s, 3),
            "p50_ms": millis(0.5),
            "p99_ms": millis(0.99),
            "sync_ms_mean": rounded(sync.as_secs_f64() * 1e3 / metrics.log.batches as f64, 3),
            "sync_share": rounded(sync.as_secs_f64() / elapsed.as_secs_f64(), 3),
            "batch_mean": rounded(metrics.entries as f64 / metrics.log.batches as f64, 1),
            "cpu_us_per_op": rounded(cpu.as_secs_f64() * 1e6 / self.devices as f64, 2),
            "ledger_bytes_per_device": (metrics.log.bytes as f64 / self.devices as f64).round(),
            "lag_ms_max": lag_max.as_millis() as u64,
            "drained_s": rounded(drained.as_secs_f64(), 2),
            "peak_mib": peak_mib()?,
        }))
    }

    /// Opens the store and issues: the time until the first certificate is recorded.
    async fn restart(&self) -> Result<Value> {
        let started = Instant::now();
        let store = LogStore::open(&self.settings(), Arc::new(SystemClock))?;
        create_order(&store, 1).await?;
        let restart_s = rounded(started.elapsed().as_secs_f64(), 3);
        Ok(json!({ "restart_s": restart_s, "peak_mib": peak_mib()? }))
    }

    /// Opens the store without a projection and waits until it is complete.
    async fn rebuild(&self) -> Result<Value> {
        let store = LogStore::open(&self.settings(), Arc::new(SystemClock))?;
        let started = Instant::now();
        let head = store.head().0;
        while store.metrics().projected < head {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let page = store.devices(&DeviceFilter::default(), None, 100).await?;
        ensure!(page.rows.len() as u64 == self.devices.min(100), "the listing is not whole");
        let rebuild_s = rounded(started.elapsed().as_secs_f64(), 2);
        let peak_mib = peak_mib()?;
        store.close().await?;
        Ok(json!({ "rebuild_s": rebuild_s, "peak_mib": peak_mib }))
    }

    /// Entries per second of a thread that only appends and syncs batches of half of the commits in flight:
    /// callers alternate in two halves.
    fn append_limit(&self) -> Result<f64> {
        let batch = vec![0x5a_u8; ENTRY_BYTES * (self.in_flight as usize / 2).max(1)];
        let mut file = tempfile::tempfile_in(&self.dir)?;
        let started = Instant::now();
        let mut batches = 0_u64;
        while started.elapsed() < LIMIT_WINDOW {
            file.write_all(&batch)?;
            file.sync_data()?;
            batches += 1;
        }
        Ok((batches * (self.in_flight / 2).max(1)) as f64 / started.elapsed().as_secs_f64())
    }

    fn settings(&self) -> StoreSettings {
        let log = LogSettings::Files {
            segment_bytes: SEGMENT_BYTES_DEFAULT,
            preallocate: self.preallocate,
            archive_dir: None,
        };
        StoreSettings { log, ..StoreSettings::new(self.dir.clone()) }
    }
}

async fn watch_lag(store: Arc<LogStore>, done: Arc<AtomicBool>) -> Duration {
    let mut longest = Duration::ZERO;
    while !done.load(Ordering::Relaxed) {
        longest = longest.max(store.metrics().projection_lag);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    longest
}

fn print_table(figures: &Value) {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::UTF8_FULL_CONDENSED);
    table.set_header(["", "measured", "aim"]);
    for (key, aim) in [
        ("rate_per_s", "≥ 60,000"),
        ("limit_per_s", ""),
        ("share", ""),
        ("p50_ms", ""),
        ("p99_ms", ""),
        ("batch_mean", ""),
        ("sync_ms_mean", ""),
        ("sync_share", ""),
        ("server_cpu_us_per_op", ""),
        ("server_peak_rss_mib", "≤ 350"),
        ("bytes_per_device", "≤ 2253"),
        ("ledger_bytes_per_device", ""),
        ("projection_lag_ms_max", ""),
        ("projection_drained_s", ""),
        ("restart_clean_s", "≤ 3"),
        ("restart_killed_s", "≤ 3"),
        ("rebuild_s", "≤ 60"),
        ("rebuild_peak_rss_mib", "≤ 350"),
    ] {
        table.add_row([key.to_owned(), figures[key].to_string(), aim.to_owned()]);
    }
    println!("{table}");
}

pub(crate) fn bytes_below(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for file in fs::read_dir(directory)? {
        let file = file?;
        bytes += match file.file_type()?.is_dir() {
            true => bytes_below(&file.path())?,
            false => file.metadata()?.blocks() * 512,
        };
    }
    Ok(bytes)
}

pub(crate) fn peak_mib() -> Result<f64> {
    status_mib("VmHWM:")
}

/// A figure of this process, for example `RssAnon:`, its memory without mapped files.
pub(crate) fn status_mib(name: &str) -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).context("no such figure")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(rounded(kib / 1024.0, 1))
}

pub(crate) fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}

/// The approximate overhead of an entry.
const ENTRY_BYTES: usize = 800;

const LIMIT_WINDOW: Duration = Duration::from_secs(2);

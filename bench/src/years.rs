//! The ledger over years: a fleet is made, enrolled, and renewed month after month, by real commands through
//! the store.
//!
//! Each year and each restart is a process of its own, so that peak memory and restarts are real. Figures are
//! told for each year, because what grows shows there. The rate is held against one thread that only appends
//! and syncs as many bytes in batches as large, and with `--bare` against the rows of the index in a bare LSM
//! store.

mod bare;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, anyhow};
use clap::{Args, ValueEnum};
use hdrhistogram::Histogram;
use identity::{
    Clock, DeviceId, IssuerName, KeyFingerprint, Principal, ProfileName, RequestId, SerialNumber,
    SystemClock, Validity,
};
use ledger::{Action, AfterRenewal, Command, IssuanceSubject, SignedCertificate};
use parking_lot::Mutex;
use prost::bytes::Bytes;
use serde_json::{Value, json};
use store::{Ledger as _, LogSettings, LogStore, SEGMENT_BYTES_DEFAULT, StoreSettings};

use crate::cores::process_cpu;
use crate::steps::{self, End};
use crate::store::births::{CERTIFICATE_BYTES, birth, create_order, station, traces_of};
use crate::store::{bytes_below, peak_mib, rounded, status_mib};

/// Commits years of renewals and measures what grows with them.
#[derive(Debug, Args)]
pub(crate) struct Years {
    /// Number of devices, all made in the first month.
    #[arg(long, default_value_t = 10_000)]
    devices: u64,
    /// Renewals of each device in a year.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..=365))]
    renewals: u64,
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    years: u64,
    /// Devices that are renewed at the same time.
    #[arg(long, default_value_t = 256)]
    in_flight: u64,
    /// Directory for the store; a subdirectory is made and removed at the end.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Then put the rows of the index into a bare LSM store, with the ledger's bytes appended and synced
    /// before.
    #[arg(long)]
    bare: bool,
    /// One JSON object on the last line.
    #[arg(long)]
    json: bool,
    /// Run only this step, in this process.
    #[arg(long, hide = true)]
    step: Option<Step>,
    /// The year of the step, from 0.
    #[arg(long, hide = true, default_value_t = 0)]
    year: u64,
    /// The size of an entry in the bare store's ledger.
    #[arg(long, hide = true, default_value_t = 0)]
    entry_bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    Year,
    Restart,
    Bare,
    BareRestart,
}

impl Step {
    fn end(self) -> End {
        if self == Self::Year { End::ByItself } else { End::Killed }
    }
}

impl Years {
    pub(crate) fn run(self) -> Result<()> {
        let Some(step) = self.step else { return self.measure() };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let figures = runtime.block_on(async {
            match step {
                Step::Year => self.pass_a_year().await,
                Step::Restart => self.restart().await,
                Step::Bare => self.pass_a_bare_year(),
                Step::BareRestart => self.restart_bare(),
            }
        })?;
        steps::tell(&figures, step.end())
    }

    fn measure(&self) -> Result<()> {
        fs::create_dir_all(&self.dir)?;
        let directory = tempfile::tempdir_in(&self.dir)?;
        let mut years = Vec::new();
        for year in 0..self.years {
            let passed = self.step(directory.path(), Step::Year, year, 0)?;
            let ready = self.step(directory.path(), Step::Restart, year + 1, 0)?;
            let ready_killed = self.step(directory.path(), Step::Restart, year + 1, 0)?;
            let certificates = self.certificates_after(year + 1);
            let bytes = |below: &str| bytes_below(&directory.path().join(below)).unwrap_or(0) as f64;
            let all = bytes_below(directory.path())? as f64;
            let a_certificate = |bytes: f64| rounded(bytes / certificates as f64, 1);
            let figure = |value: &Value, key: &str| value[key].as_f64().unwrap_or(f64::NAN);
            let row = json!({
                "year": year + 1,
                "certificates": certificates,
                "rate_per_s": passed["rate_per_s"],
                "limit_per_s": passed["limit_per_s"],
                "cpu_us_per_entry": passed["cpu_us_per_entry"],
                "commit_p99_ms": passed["p99_ms"],
                "peak_mib": passed["peak_mib"],
                "rss_mib": figure(&ready_killed, "rss_mib").max(figure(&passed, "rss_mib")),
                "ready_s": ready["ready_s"],
                "ready_killed_s": ready_killed["ready_s"],
                "index_disk_bytes_per_certificate": a_certificate(bytes("index")),
                "projection_bytes_per_certificate": a_certificate(bytes("projection")),
                "ledger_bytes_per_certificate": a_certificate(bytes("ledger")),
                "bytes_per_certificate": a_certificate(all),
                "entry_bytes": passed["entry_bytes"],
            });
            eprintln!("year {} of {}: {row}", year + 1, self.years);
            years.push(row);
        }
        drop(directory);
        print_table(&years, COLUMNS);
        if self.bare {
            self.compare_bare(tempfile::tempdir_in(&self.dir)?.path(), &mut years)?;
            print_table(&years, bare::COLUMNS);
        }
        if self.json {
            let last = years.last().context("a year has passed")?;
            let all = |key: &'static str| years.iter().filter_map(move |year| year[key].as_f64());
            let figures = json!({
                "name": "years",
                "devices": self.devices,
                "renewals": self.renewals * self.years,
                "certificates": last["certificates"],
                "rss_mib": all("rss_mib").fold(0.0, f64::max),
                "peak_mib": all("peak_mib").fold(0.0, f64::max),
                "index_disk_bytes_per_certificate": last["index_disk_bytes_per_certificate"],
                "bytes_per_certificate": last["bytes_per_certificate"],
                "ready_s": last["ready_s"],
                "ready_killed_s": last["ready_killed_s"],
                "rate_per_s_min": all("rate_per_s").fold(f64::INFINITY, f64::min),
                "limit_per_s_min": all("limit_per_s").fold(f64::INFINITY, f64::min),
                "commit_p99_ms": all("commit_p99_ms").fold(0.0, f64::max),
                "bare_rate_per_s_min": self.bare.then(|| all("bare_rate_per_s").fold(f64::INFINITY, f64::min)),
                "bare_disk_bytes_per_certificate": last["bare_disk_bytes_per_certificate"],
                "bare_rss_mib": self.bare.then(|| all("bare_rss_mib").fold(0.0, f64::max)),
                "bare_ready_killed_s": last["bare_ready_killed_s"],
                "years": years,
            });
            println!("{figures}");
        }
        Ok(())
    }

    fn certificates_after(&self, years: u64) -> u64 {
        self.devices * (2 + self.renewals * years)
    }

    /// Runs one step in a process of its own.
    fn step(&self, directory: &Path, step: Step, year: u64, entry_bytes: u64) -> Result<Value> {
        let name = step.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        let arguments = |process: &mut Process| {
            process.args(["years", "--step", &name, "--year", &year.to_string()]);
            process.args(["--devices", &self.devices.to_string(), "--renewals", &self.renewals.to_string()]);
            process.args(["--in-flight", &self.in_flight.to_string(), "--dir"]).arg(directory);
            process.args(["--entry-bytes", &entry_bytes.to_string()]);
        };
        steps::ask(arguments, step.end())
    }

    async fn pass_a_year(&self) -> Result<Value> {
        let clock = Arc::new(BenchClock::at_year(self.year));
        let store = match self.year {
            0 => LogStore::create(&self.settings(), Arc::clone(&clock) as _)?,
            _ => LogStore::open(&self.settings(), Arc::clone(&clock) as _)?,
        };
        let fleet = Arc::new(Fleet { store: Arc::new(store), clock, devices: self.devices });
        let cpu_before = process_cpu();
        let bytes_before = fleet.store.metrics().log.bytes;
        let mut latencies = Histogram::<u64>::new(3)?;
        let begun = Instant::now();
        if self.year == 0 {
            create_order(&fleet.store, self.devices).await?;
            fleet.for_all(self.in_flight, Fleet::make, &mut latencies).await?;
        }
        for month in 0..self.renewals {
            fleet.clock.pass(YEAR / u32::try_from(self.renewals)?);
            let generation = self.year * self.renewals + month + 2;
            let renew = move |fleet: Arc<Fleet>, device| fleet.renew(device, generation);
            fleet.for_all(self.in_flight, renew, &mut latencies).await?;
        }
        let took = begun.elapsed().as_secs_f64();
        let metrics = fleet.store.metrics();
        // The log has the years before, too.
        let (entries, bytes) = (metrics.entries as f64, (metrics.log.bytes - bytes_before) as f64);
        while fleet.store.metrics().projected < metrics.head {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let cpu = process_cpu() - cpu_before;
        let limit_per_s = append_limit(&self.dir, bytes / metrics.log.batches as f64)? * entries / bytes;
        let figures = json!({
            "rate_per_s": (entries / took).round(),
            "limit_per_s": limit_per_s.round(),
            "cpu_us_per_entry": rounded(cpu.as_secs_f64() * 1e6 / entries, 1),
            "p99_ms": rounded(latencies.value_at_quantile(0.99) as f64 / 1e3, 2),
            "entry_bytes": (bytes / entries).round(),
            "rss_mib": status_mib("VmRSS:")?,
            "peak_mib": peak_mib()?,
        });
        fleet.store.close().await?;
        Ok(figures)
    }

    /// Opens the store and issues: the time until a certificate could be on record.
    async fn restart(&self) -> Result<Value> {
        let begun = Instant::now();
        let clock = Arc::new(BenchClock::at_year(self.year));
        let store = LogStore::open(&self.settings(), clock)?;
        create_order(&store, 1).await?;
        let ready_s = rounded(begun.elapsed().as_secs_f64(), 3);
        Ok(json!({ "ready_s": ready_s, "rss_mib": status_mib("VmRSS:")? }))
    }

    fn settings(&self) -> StoreSettings {
        let log = LogSettings::Files {
            segment_bytes: SEGMENT_BYTES_DEFAULT,
            preallocate: false,
            archive_dir: None,
        };
        StoreSettings { log, ..StoreSettings::new(self.dir.clone()) }
    }
}

/// The devices, and the ledger that they are in.
struct Fleet {
    store: Arc<LogStore>,
    clock: Arc<BenchClock>,
    devices: u64,
}

impl Fleet {
    /// Does something for each device, `in_flight` of them at a time. Records each commit's microseconds.
    async fn for_all<F>(
        self: &Arc<Self>,
        in_flight: u64,
        one: impl Fn(Arc<Self>, u64) -> F + Clone + Send + 'static,
        latencies: &mut Histogram<u64>,
    ) -> Result<()>
    where
        F: Future<Output = Result<Vec<Duration>>> + Send,
    {
        let next = Arc::new(AtomicU64::new(0));
        let mut workers = Vec::new();
        for _ in 0..in_flight {
            let (fleet, next, one) = (Arc::clone(self), Arc::clone(&next), one.clone());
            workers.push(tokio::spawn(async move {
                let mut latencies = Histogram::<u64>::new(3)?;
                loop {
                    let device = next.fetch_add(1, Ordering::Relaxed);
                    if device >= fleet.devices {
                        return anyhow::Ok(latencies);
                    }
                    for took in one(Arc::clone(&fleet), device).await? {
                        latencies.record(took.as_micros() as u64)?;
                    }
                }
            }));
        }
        for worker in workers {
            latencies.add(worker.await??)?;
        }
        Ok(())
    }

    /// Its birth, and its first operational certificate.
    async fn make(self: Arc<Self>, device: u64) -> Result<Vec<Duration>> {
        let validity = Validity::new(self.clock.now(), identity::no_well_defined_expiration())?;
        let der = Bytes::from(vec![0x30; CERTIFICATE_BYTES]);
        let birth = birth(device + 1, validity, station()?, der, traces_of)?;
        let Action::Issue { certificate, .. } = &birth.action else { return Err(anyhow!("no birth")) };
        let parent = certificate.serial_number;
        let mut took = vec![self.commit(birth).await?];
        took.extend(self.operational(device, 1, parent).await?);
        Ok(took)
    }

    /// Its next operational certificate.
    async fn renew(self: Arc<Self>, device: u64, generation: u64) -> Result<Vec<Duration>> {
        let parent = serial_number(device, generation - 1)?;
        self.operational(device, generation, parent).await
    }

    async fn operational(&self, device: u64, generation: u64, parent: SerialNumber) -> Result<Vec<Duration>> {
        let id: DeviceId = format!("cam-2/SN{:08}", device + 1).parse()?;
        let now = self.clock.now();
        let certificate = SignedCertificate {
            issuer: IssuerName::Operational,
            profile: ProfileName::Ldevid,
            serial_number: serial_number(device, generation)?,
            key: KeyFingerprint::from(spread(device, generation, 2)),
            validity: Validity::new(now, now + LIFETIME)?,
            shard: Some((((generation - 1) * self.devices + device) / 16_384) as u32),
            der: Bytes::from(vec![0x30; CERTIFICATE_BYTES]),
        };
        let serial_number = certificate.serial_number;
        let [request, ..] = halves(spread(device, generation, 3));
        let subject = IssuanceSubject::Operational { device: id.clone(), parent, hold_on_fork: false };
        let by = |request, action| Command {
            principal: Some(Principal::Device(id.clone())),
            credential: None,
            request,
            content: [3; 32],
            remark: String::new(),
            action,
        };
        let issue = by(Some(RequestId::from(request)), Action::Issue { subject, certificate });
        let device = id.clone();
        let after_renewal = AfterRenewal::Expire;
        let installed = Action::ConfirmInstalled { device, serial_number, after_renewal };
        Ok(vec![self.commit(issue).await?, self.commit(by(None, installed)).await?])
    }

    async fn commit(&self, command: Command) -> Result<Duration> {
        let begun = Instant::now();
        let verdict = self.store.commit(vec![command]).await?.pop().context("no verdict")?;
        verdict.map_err(|conflict| anyhow!(conflict))?;
        Ok(begun.elapsed())
    }
}

fn serial_number(device: u64, generation: u64) -> Result<SerialNumber> {
    let [mut bytes, _] = halves(spread(device, generation, 1));
    // Positive, and without a leading zero.
    bytes[0] = 0x42;
    Ok(SerialNumber::try_from(bytes.as_slice())?)
}

fn halves(bytes: [u8; 32]) -> [[u8; 16]; 2] {
    let number = |half: &[u8]| half.try_into().unwrap_or_default();
    let (first, second) = bytes.split_at(16);
    [number(first), number(second)]
}

/// Bytes that look random, for a device's generation and a purpose.
fn spread(device: u64, generation: u64, purpose: u64) -> [u8; 32] {
    let mut text = [0; 24];
    text[..8].copy_from_slice(&device.to_be_bytes());
    text[8..16].copy_from_slice(&generation.to_be_bytes());
    text[16..].copy_from_slice(&purpose.to_be_bytes());
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &text);
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.as_ref());
    bytes
}

/// The real time, and the years that the bench lets pass.
struct BenchClock {
    ahead: Mutex<Duration>,
}

impl BenchClock {
    fn at_year(year: u64) -> Self {
        let years = u32::try_from(year).unwrap_or(u32::MAX);
        Self { ahead: Mutex::new(YEAR * years) }
    }

    fn pass(&self, duration: Duration) {
        *self.ahead.lock() += duration;
    }
}

impl Clock for BenchClock {
    fn now(&self) -> SystemTime {
        SystemClock.now() + *self.ahead.lock()
    }

    fn monotonic(&self) -> Duration {
        SystemClock.monotonic() + *self.ahead.lock()
    }
}

/// Bytes per second of a thread that only appends and syncs batches of this size.
fn append_limit(directory: &Path, batch: f64) -> Result<f64> {
    let batch = vec![0x5a_u8; batch.max(1.0) as usize];
    let mut file = tempfile::tempfile_in(directory)?;
    let (begun, mut bytes) = (Instant::now(), 0_u64);
    while begun.elapsed() < LIMIT_WINDOW {
        file.write_all(&batch)?;
        file.sync_data()?;
        bytes += batch.len() as u64;
    }
    Ok(bytes as f64 / begun.elapsed().as_secs_f64())
}

fn print_table<const N: usize>(years: &[Value], columns: [&str; N]) {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::UTF8_FULL_CONDENSED);
    table.set_header(columns.map(|column| column.replace('_', " ")));
    for year in years {
        table.add_row(columns.map(|column| year[column].to_string()));
    }
    println!("{table}");
}

const COLUMNS: [&str; 13] = [
    "year",
    "certificates",
    "rate_per_s",
    "limit_per_s",
    "cpu_us_per_entry",
    "commit_p99_ms",
    "peak_mib",
    "rss_mib",
    "ready_s",
    "ready_killed_s",
    "index_disk_bytes_per_certificate",
    "ledger_bytes_per_certificate",
    "bytes_per_certificate",
];

const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// Of an operational certificate.
const LIFETIME: Duration = Duration::from_secs(90 * 86_400);

const LIMIT_WINDOW: Duration = Duration::from_secs(2);

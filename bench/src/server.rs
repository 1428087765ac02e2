//! The CA under measurement: a release process, pinned, with a durable store.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tests::{Caller, CertificateAuthority, Credentials, Factory, OrderTerms};

use crate::cores;

/// A CA on its own core, with one station and one order without end.
pub(crate) struct Server {
    authority: CertificateAuthority,
    station: Credentials,
    order: String,
    /// Thread names and their nanoseconds on a core.
    threads: RefCell<BTreeMap<OsString, (String, u64)>>,
    _directory: tempfile::TempDir,
}

impl Server {
    /// Starts it in a new directory below `parent`, which must be on a disk.
    pub(crate) async fn start(parent: &Path) -> Result<Self> {
        let directory = tempfile::tempdir_in(parent).context("a directory for the CA")?;
        let mut authority =
            CertificateAuthority::founded_in(&directory.path().join("ca")).pinned_to(cores::SERVER);
        authority.serve();
        let factory = Factory::of(&authority);
        let station = factory.credential(proto::v1::Role::Station, STATION).await;
        let terms = OrderTerms {
            serials: "SN{00000000..99999999}".to_owned(),
            ..OrderTerms::new(10_000_000, &[STATION])
        };
        let order = factory.order(terms).await;
        Ok(Self { authority, station, order, threads: RefCell::default(), _directory: directory })
    }

    /// Connects as the station.
    pub(crate) fn station(&self) -> Caller {
        self.authority.caller(&self.station)
    }

    pub(crate) fn order(&self) -> &str {
        &self.order
    }

    pub(crate) fn authority(&self) -> &CertificateAuthority {
        &self.authority
    }

    /// The server's certificate chain.
    pub(crate) fn credentials(&self) -> Credentials {
        Credentials::read(&self.authority.directory().join("server"))
    }

    /// CPU microseconds of all threads. Excludes what a thread used between the last reading and its end.
    pub(crate) fn cpu_us(&self) -> Result<f64> {
        self.cpu_of_us(|_| true)
    }

    /// The same without the threads of the projection, which work off earlier commands.
    pub(crate) fn answering_us(&self) -> Result<f64> {
        self.cpu_of_us(|name| name != "projection" && !name.starts_with("sled"))
    }

    /// Of threads with such a name.
    fn cpu_of_us(&self, counts: impl Fn(&str) -> bool) -> Result<f64> {
        let mut threads = self.threads.borrow_mut();
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.authority.process().id()))? {
            let thread = thread?;
            let read = |file: &str| std::fs::read_to_string(thread.path().join(file));
            // A thread may have ended since it was listed.
            let (Ok(name), Ok(figures)) = (read("comm"), read("schedstat")) else { continue };
            // Nanoseconds on a core come first (Documentation/scheduler/sched-stats.rst).
            let on_core = figures.split_whitespace().next().context("a thread's schedstat")?;
            threads.insert(thread.file_name(), (name, on_core.parse()?));
        }
        let counted = threads.values().filter(|(name, _)| counts(name.trim_end()));
        Ok(counted.map(|(_, on_core)| on_core).sum::<u64>() as f64 / 1e3)
    }

    /// Kills the CA, and returns the directory of its ledger, which is there until this is dropped.
    pub(crate) fn kill(&mut self) -> PathBuf {
        self.authority.kill();
        self.authority.directory().join("store/ledger")
    }

    /// The peak of resident memory.
    pub(crate) fn peak_mib(&self) -> f64 {
        self.authority.process().resident_peak_kib() as f64 / 1024.0
    }

    /// The lag of the projection, by the metrics.
    pub(crate) fn projection_lag(&self) -> Result<Duration> {
        let seconds = self.metric("projection_lag_seconds")?.context("the metrics tell no projection lag")?;
        Ok(Duration::from_secs_f64(seconds))
    }

    /// The number of entries in an issuer's full CRL.
    pub(crate) fn listed(&self, issuer: &str) -> Result<f64> {
        Ok(self.metric(&format!("crl_listed{{issuer=\"{issuer}\"}}"))?.unwrap_or(0.0))
    }

    /// The metric whose name ends in this.
    fn metric(&self, name: &str) -> Result<Option<f64>> {
        let mut http = TcpStream::connect(self.authority.http())?;
        http.write_all(b"GET /metrics HTTP/1.0\r\nhost: localhost\r\n\r\n")?;
        let mut page = String::new();
        http.read_to_string(&mut page)?;
        let is_it = |line: &&str| !line.starts_with('#') && line.contains(name);
        let value = page.lines().find(is_it).and_then(|line| line.rsplit(' ').next());
        value.map(|value| value.parse().context("a figure")).transpose()
    }

    /// Waits until the projection has caught up, because its cost belongs to earlier commands.
    pub(crate) fn settle(&self) -> Result<()> {
        let started = Instant::now();
        while !self.projection_lag()?.is_zero() {
            ensure!(started.elapsed() < SETTLED_WITHIN, "the projection does not catch up");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

const STATION: &str = "line-1";

/// The projection may lag ten seconds at saturation; without load it catches up sooner.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);

//! The rows of the index in a bare LSM store (fjall): what years of renewals cost there, without rules,
//! listings and callers.
//!
//! Each entry's bytes are appended to a ledger file and synced, a batch at a time, before its rows are put.
//! A row that must be new is looked up first, as the rules do. The store's own journal is not synced: the
//! ledger is the truth.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fjall::config::PinningPolicy;
use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::{Step, Years, spread};
use crate::cores::process_cpu;
use crate::store::{bytes_below, peak_mib, rounded, status_mib};

impl Years {
    /// Passes the same years in the bare store, and adds its figures to the rows of the years.
    pub(super) fn compare_bare(&self, directory: &Path, years: &mut [Value]) -> Result<()> {
        for (year, row) in (0..).zip(years) {
            let entry_bytes = row["entry_bytes"].as_f64().unwrap_or_default() as u64;
            let passed = self.step(directory, Step::Bare, year, entry_bytes)?;
            let opened = self.step(directory, Step::BareRestart, year + 1, entry_bytes)?;
            let journal = journal_bytes(&directory.join(INDEX))?;
            let tables = (bytes_below(&directory.join(INDEX))? - journal) as f64;
            let certificates = self.certificates_after(year + 1) as f64;
            let mut figures = json!({
                "bare_rate_per_s": passed["rate_per_s"],
                "bare_rows_per_s": passed["rows_per_s"],
                "bare_lookup_share": passed["lookup_share"],
                "bare_cpu_us_per_entry": passed["cpu_us_per_entry"],
                "bare_batch_p99_ms": passed["p99_ms"],
                "bare_batch_max_ms": passed["max_ms"],
                "bare_peak_mib": passed["peak_mib"],
                "bare_rss_mib": passed["rss_mib"],
                "bare_ready_killed_s": opened["ready_s"],
                "bare_disk_bytes_per_certificate": rounded(tables / certificates, 1),
                "bare_journal_mib": rounded(journal as f64 / f64::from(1 << 20), 1),
            });
            eprintln!("year {} of {} in a bare store: {figures}", year + 1, self.years);
            if let (Some(row), Some(figures)) = (row.as_object_mut(), figures.as_object_mut()) {
                row.append(figures);
            }
        }
        Ok(())
    }

    pub(super) fn pass_a_bare_year(&self) -> Result<Value> {
        let mut store = BareStore::open(&self.dir, self.entry_bytes)?;
        if self.year == 0 {
            for device in 0..self.devices {
                let (birth, first) = (2 * device, 2 * device + 1);
                store.issue(birth, [(device, 0, 1), (device, 0, 2), (device, 0, 3)])?;
                // The device, and what its request shows of its random generator.
                store.put_new([(device, 0, 4), (device, 0, 5), (device, 0, 6), (device, 0, 7)])?;
                store.issue(first, certificate(device, 1))?;
                store.confirm(None)?;
            }
        }
        for generation in 0..self.renewals {
            let renewal = self.year * self.renewals + generation;
            for device in 0..self.devices {
                let number = |renewal: u64| (2 + renewal) * self.devices + device;
                let parent = renewal.checked_sub(1).map_or(2 * device + 1, number);
                store.issue(number(renewal), certificate(device, renewal + 2))?;
                store.confirm(Some(parent))?;
            }
        }
        store.commit()?;
        store.figures()
    }

    /// Opens the store that was killed, and puts a row.
    pub(super) fn restart_bare(&self) -> Result<Value> {
        let begun = Instant::now();
        let store = BareStore::open(&self.dir, self.entry_bytes)?;
        let last = self.certificates_after(self.year) - 1;
        let row = store.rows.get(number_key(last))?;
        ensure!(row.is_some_and(|row| row.len() == ROW_BYTES), "the last row is missing");
        store.tags.insert([0_u8; 8], [0_u8; 4])?;
        let ready_s = rounded(begun.elapsed().as_secs_f64(), 3);
        Ok(json!({ "ready_s": ready_s }))
    }
}

/// A device, a generation and a purpose: what a keyed hash is made of.
type Name = (u64, u64, u64);

/// The serial number, the key and the request id of a device's certificate.
fn certificate(device: u64, generation: u64) -> [Name; 3] {
    [(device, generation, 1), (device, generation, 2), (device, generation, 3)]
}

struct BareStore {
    database: Database,
    /// Eight bytes of a keyed hash, and a number.
    tags: Keyspace,
    /// Certificates by their numbers.
    rows: Keyspace,
    ledger: File,
    entry: Vec<u8>,
    /// Of the batch that is being filled.
    entries: u64,
    puts: Vec<Put>,
    total: Total,
}

enum Put {
    New([u8; 8], u32),
    Certificate(u64),
    Superseded(u64),
}

struct Total {
    entries: u64,
    rows: u64,
    appending: Duration,
    looking: Duration,
    putting: Duration,
    batches: Histogram<u64>,
}

impl BareStore {
    fn open(directory: &Path, entry_bytes: u64) -> Result<Self> {
        let database = Database::builder(directory.join(INDEX));
        let database = database.cache_size(CACHE_BYTES).max_journaling_size(JOURNAL_BYTES_MAX).open()?;
        // As fjall has it, a filter that is larger than a part of the cache is read anew for each lookup.
        let options = || {
            KeyspaceCreateOptions::default()
                .expect_point_read_hits(false)
                .max_memtable_size(MEMTABLE_BYTES)
                .filter_block_pinning_policy(PinningPolicy::all(true))
                .filter_block_partitioning_policy(PinningPolicy::disabled())
        };
        let (tags, rows) = (database.keyspace("tags", options)?, database.keyspace("rows", options)?);
        let ledger = OpenOptions::new().append(true).create(true).open(directory.join("bare-ledger"))?;
        let total = Total {
            entries: 0,
            rows: 0,
            appending: Duration::ZERO,
            looking: Duration::ZERO,
            putting: Duration::ZERO,
            batches: Histogram::new(3)?,
        };
        let entry = vec![0x5a; usize::try_from(entry_bytes)?];
        Ok(Self { database, tags, rows, ledger, entry, entries: 0, puts: Vec::new(), total })
    }

    /// The entry of a certificate.
    fn issue(&mut self, number: u64, names: [Name; 3]) -> Result<()> {
        self.put_new(names)?;
        self.puts.push(Put::Certificate(number));
        self.end_entry()
    }

    /// The entry that says that a certificate is in use, and its parent superseded.
    fn confirm(&mut self, parent: Option<u64>) -> Result<()> {
        self.puts.extend(parent.map(Put::Superseded));
        self.end_entry()
    }

    fn put_new<const N: usize>(&mut self, names: [Name; N]) -> Result<()> {
        for (device, generation, purpose) in names {
            let hash = spread(device, generation, purpose);
            let tag = hash.first_chunk().copied().context("no hash")?;
            self.puts.push(Put::New(tag, (self.total.entries + self.entries) as u32));
        }
        Ok(())
    }

    fn end_entry(&mut self) -> Result<()> {
        self.entries += 1;
        if self.entries < BATCH_ENTRIES { Ok(()) } else { self.commit() }
    }

    fn commit(&mut self) -> Result<()> {
        let begun = Instant::now();
        for put in &self.puts {
            match put {
                Put::New(tag, _) => ensure!(!self.tags.contains_key(tag)?, "a row was there before"),
                Put::Superseded(number) => {
                    // A parent of the same batch is not there yet.
                    self.rows.get(number_key(*number))?;
                }
                Put::Certificate(_) => {}
            }
        }
        let looked = begun.elapsed();
        let bytes = self.entry.repeat(self.entries as usize);
        self.ledger.write_all(&bytes)?;
        self.ledger.sync_data()?;
        let appended = begun.elapsed();
        let mut batch = self.database.batch();
        for put in &self.puts {
            match put {
                Put::New(tag, number) => batch.insert(&self.tags, *tag, number.to_le_bytes()),
                Put::Certificate(number) => batch.insert(&self.rows, number_key(*number), row(*number, 1)),
                Put::Superseded(number) => batch.insert(&self.rows, number_key(*number), row(*number, 2)),
            }
        }
        batch.commit()?;
        let put = begun.elapsed();
        self.total.entries += self.entries;
        self.total.rows += self.puts.len() as u64;
        self.total.looking += looked;
        self.total.appending += appended.saturating_sub(looked);
        self.total.putting += put.saturating_sub(appended);
        self.total.batches.record(put.as_micros() as u64)?;
        self.entries = 0;
        self.puts.clear();
        Ok(())
    }

    fn figures(&self) -> Result<Value> {
        let Total { entries, rows, appending, looking, putting, batches } = &self.total;
        let took = (*appending + *looking + *putting).as_secs_f64();
        Ok(json!({
            "rate_per_s": (*entries as f64 / took).round(),
            "rows_per_s": (*rows as f64 / took).round(),
            "lookup_share": rounded(looking.as_secs_f64() / took, 2),
            "cpu_us_per_entry": rounded(process_cpu().as_secs_f64() * 1e6 / *entries as f64, 1),
            "p99_ms": rounded(batches.value_at_quantile(0.99) as f64 / 1e3, 2),
            "max_ms": rounded(batches.max() as f64 / 1e3, 1),
            "rss_mib": status_mib("VmRSS:")?,
            "peak_mib": peak_mib()?,
        }))
    }
}

/// What the store's own journal takes: it does not grow with the certificates.
fn journal_bytes(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for file in fs::read_dir(directory)? {
        let file = file?;
        if file.path().extension().is_some_and(|extension| extension == "jnl") {
            bytes += file.metadata()?.blocks() * 512;
        }
    }
    Ok(bytes)
}

/// Numbers in the order of their bytes.
fn number_key(number: u64) -> [u8; 4] {
    (number as u32).to_be_bytes()
}

/// A certificate's row: entry, device, parent and hash bits, which look random, and its state.
fn row(number: u64, state: u8) -> [u8; ROW_BYTES] {
    let mut row = [state; ROW_BYTES];
    for (byte, random) in row.iter_mut().take(ROW_BYTES - 1).zip(spread(number, 0, 8)) {
        *byte = random;
    }
    row
}

pub(super) const COLUMNS: [&str; 12] = [
    "year",
    "certificates",
    "bare_rate_per_s",
    "bare_rows_per_s",
    "bare_lookup_share",
    "bare_cpu_us_per_entry",
    "bare_batch_p99_ms",
    "bare_batch_max_ms",
    "bare_peak_mib",
    "bare_rss_mib",
    "bare_ready_killed_s",
    "bare_disk_bytes_per_certificate",
];

const INDEX: &str = "bare-index";

const ROW_BYTES: usize = 20;

/// Entries that the committer takes at once under load.
const BATCH_ENTRIES: u64 = 256;

/// Both keyspaces fill at most two of these each.
const MEMTABLE_BYTES: u64 = 16 << 20;

/// The smallest that the store allows.
const JOURNAL_BYTES_MAX: u64 = 64 << 20;

const CACHE_BYTES: u64 = 32 << 20;

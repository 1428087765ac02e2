//! What archives of real certificates cost: devices are born, enrolled and renewed by a real CA, and the
//! segment of its ledger is archived with several settings.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Args;
use futures::{StreamExt, TryStreamExt};
use ledger::EntryNumber;
use ledger_log::archive::{ArchiveSettings, Archives, Mover, SealedSegment};
use proto::v1::enrollment_service_client::EnrollmentServiceClient;
use proto::v1::{EnrollRequest, GetRenewalInfoRequest, RenewRequest};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tests::{Credentials, Device, KeyAndRequest};

use crate::enroll::{Born, Site};
use crate::store::rounded;
use crate::terms::Place;

/// Archives a ledger of real certificates with several settings.
#[derive(Debug, Args)]
pub(crate) struct Archive {
    #[command(flatten)]
    place: Place,
    /// Number of devices.
    #[arg(long, default_value_t = 2_000)]
    devices: usize,
    /// Renewals of each device.
    #[arg(long, default_value_t = 8)]
    renewals: usize,
    /// Keep the segment here, or take the one that is here instead of making one.
    #[arg(long)]
    segment: Option<PathBuf>,
}

impl Archive {
    pub(crate) fn run(&self) -> Result<()> {
        let directory = tempfile::tempdir_in(self.place.directory()?)?;
        let kept = self.segment.clone().unwrap_or_else(|| directory.path().join("segment"));
        if !kept.exists() {
            self.make(&kept)?;
        }
        let certificates = (self.devices * (2 + self.renewals)) as f64;
        let mut rows = Vec::new();
        for settings in settings() {
            let directory = tempfile::tempdir_in(directory.path())?;
            let row = measure(directory.path(), &kept, settings, certificates)?;
            eprintln!("{row}");
            rows.push(row);
        }
        print_table(&rows);
        if self.place.json {
            let figures = json!({
                "name": "archive",
                "devices": self.devices,
                "renewals": self.renewals,
                "certificates": certificates,
                "settings": rows,
            });
            println!("{figures}");
        }
        Ok(())
    }

    /// Has a CA issue real certificates, and keeps the only segment of its ledger.
    fn make(&self, kept: &Path) -> Result<()> {
        let (runtime, mut server) = self.place.begin()?;
        let site = runtime.block_on(Site::new(&server))?;
        let mut waiting = self.devices;
        while waiting > 0 {
            let some = waiting.min(DEVICES_AT_ONCE);
            let born = runtime.block_on(site.born(&server, some))?;
            let lives = futures::stream::iter(born).map(|born| self.live(&site, born));
            let lives = lives.buffer_unordered(IN_FLIGHT).try_collect::<Vec<()>>();
            runtime.block_on(lives)?;
            waiting -= some;
            eprintln!("{waiting} devices are waiting");
        }
        let ledger = server.kill();
        let segments: Vec<_> = fs::read_dir(&ledger)?
            .filter_map(|file| file.ok().map(|file| file.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "ledger"))
            .collect();
        let [segment] = segments.as_slice() else { anyhow::bail!("not one segment: {segments:?}") };
        fs::copy(segment, kept)?;
        Ok(())
    }

    /// A device's first certificate and its renewals; each is confirmed.
    async fn live(&self, site: &Site, born: Born) -> Result<()> {
        let mut channel = site.connect(born.config).await?;
        for renewal in 0..=self.renewals {
            let key = KeyAndRequest::fresh();
            let request_id = Device::new("cam-2", "SN00000000").request_id;
            let csr = key.csr.clone();
            let mut client = EnrollmentServiceClient::new(channel);
            let (certificate, chain, trust) = if renewal == 0 {
                let answer = client.enroll(EnrollRequest { request_id, csr }).await?.into_inner();
                (answer.certificate, answer.chain, answer.trust_bundle)
            } else {
                let answer = client.renew(RenewRequest { request_id, csr }).await?.into_inner();
                (answer.certificate, answer.chain, answer.trust_bundle)
            };
            let certificate = certificate.context("a certificate")?.certificate;
            let anchors = trust.context("a trust bundle")?.anchors;
            let credentials = Credentials::from_der(&key.key, &certificate, &chain, &anchors);
            channel = site.connect(site.config(&credentials)?).await?;
            EnrollmentServiceClient::new(channel.clone()).get_renewal_info(GetRenewalInfoRequest {}).await?;
        }
        Ok(())
    }
}

fn settings() -> Vec<ArchiveSettings> {
    let usual = ArchiveSettings::default();
    let mut all = Vec::new();
    for block_kib in [16, 32, 64, 128] {
        for dictionary_kib in [0, 16, 64, 112] {
            let (block_bytes, dictionary_bytes) = (block_kib << 10, dictionary_kib << 10);
            all.push(ArchiveSettings { block_bytes, dictionary_bytes, ..usual });
        }
    }
    all.extend([3, 15, 19].map(|level| ArchiveSettings { level, ..usual }));
    all
}

fn measure(directory: &Path, segment: &Path, settings: ArchiveSettings, certificates: f64) -> Result<Value> {
    let (ledger, archive) = (directory.join("ledger"), directory.join("archive"));
    fs::create_dir(&ledger)?;
    let copy = ledger.join("00000000000000000001.ledger");
    fs::copy(segment, &copy)?;
    let sealed = SealedSegment { path: copy, first: EntryNumber(1) };
    let begun = Instant::now();
    let record = Mover::begin(&ledger, &archive, settings)?.move_segment(&sealed, &mut |_| {})?;
    let moved_s = begun.elapsed().as_secs_f64();
    let mib = record.segment_bytes as f64 / f64::from(1 << 20);

    let archives = Archives::of(&ledger, None)?;
    let begun = Instant::now();
    let mut next = 1;
    while next < record.next() {
        next += archives.read(EntryNumber(next), u64::MAX)?.len() as u64;
    }
    let sequential_s = begun.elapsed().as_secs_f64();

    let mut random = StdRng::seed_from_u64(7);
    let mut took = Vec::with_capacity(READS);
    for _ in 0..READS {
        let entry = random.random_range(1..record.next());
        let begun = Instant::now();
        let read = archives.read(EntryNumber(entry), 1)?;
        took.push(begun.elapsed());
        ensure!(read.len() == 1, "an entry is missing");
    }
    took.sort_unstable();
    let at = |share: f64| took[(READS as f64 * share) as usize].as_secs_f64() * 1e6;
    Ok(json!({
        "level": settings.level,
        "block_kib": settings.block_bytes >> 10,
        "dictionary_kib": settings.dictionary_bytes >> 10,
        "segment_bytes_per_certificate": rounded(record.segment_bytes as f64 / certificates, 1),
        "bytes_per_certificate": rounded(record.bytes as f64 / certificates, 1),
        "ratio": rounded(record.segment_bytes as f64 / record.bytes as f64, 3),
        "moved_mib_per_s": rounded(mib / moved_s, 1),
        "read_mib_per_s": rounded(mib / sequential_s, 1),
        "read_one_us_p50": rounded(at(0.5), 1),
        "read_one_us_p99": rounded(at(0.99), 1),
    }))
}

fn print_table(rows: &[Value]) {
    const COLUMNS: [&str; 10] = [
        "level",
        "block_kib",
        "dictionary_kib",
        "segment_bytes_per_certificate",
        "bytes_per_certificate",
        "ratio",
        "moved_mib_per_s",
        "read_mib_per_s",
        "read_one_us_p50",
        "read_one_us_p99",
    ];
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::UTF8_FULL_CONDENSED);
    table.set_header(COLUMNS.map(|column| column.replace('_', " ")));
    for row in rows {
        table.add_row(COLUMNS.map(|column| row[column].to_string()));
    }
    println!("{table}");
}

/// Devices whose keys and birth certificates are made at once.
const DEVICES_AT_ONCE: usize = 500;

const IN_FLIGHT: usize = 32;

/// Random reads of one entry.
const READS: usize = 10_000;

//! The power fails while the CA writes: the writer is stopped, ext4 on a loop device is shut down without a
//! flush of its log, the writer is killed, the journal replayed, the store opened again. Everything
//! acknowledged is there, and derived data equals a fresh replay, row by row. Checkpoints of the index are
//! written, and its files merged, all the time. The same with a writer that is only killed.
//!
//! The writer is stopped first, because a sync in progress returns success for dropped data when ext4 is shut
//! down (ADR 0005, with figures). With real power loss nobody receives that success; here nobody does either.
//!
//! `TOUCHMARK_POWER_CUTS` sets the rounds of each kind (default 25); `TOUCHMARK_SEED` the moments.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test"
)]

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use identity::{
    Clock, DeviceId, GeneratorTraces, IssuerName, KeyEnds, KeyFingerprint, Principal, ProfileName, RequestId,
    Role, SerialNumber, SystemClock, Validity, no_well_defined_expiration,
};
use ledger::{
    Action, AfterRenewal, Command, EmptyView, EntryNumber, IssuanceSubject, Overlay, SignedCertificate, View,
    WorkOrderId,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use store::{
    DeviceFilter, Ledger as _, Listings as _, LogSettings, LogStore, Status as _, StoreError, StoreSettings,
};

#[test]
fn nothing_acknowledged_is_lost_when_segments_grow() {
    end_the_writer(false, End::PowerCut);
}

#[test]
fn nothing_acknowledged_is_lost_when_segments_are_preallocated() {
    end_the_writer(true, End::PowerCut);
}

#[test]
fn nothing_acknowledged_is_lost_when_the_writer_is_killed() {
    end_the_writer(false, End::Kill);
}

/// How a writer ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    PowerCut,
    Kill,
}

/// Not a test by itself: the process whose power is cut.
#[test]
fn the_writer() {
    if let (Ok(directory), Ok(acks)) = (std::env::var(STORE_VARIABLE), std::env::var(ACKS_VARIABLE)) {
        let preallocate = std::env::var(PREALLOCATE_VARIABLE).is_ok();
        runtime().block_on(write_until_the_end(Path::new(&directory), Path::new(&acks), preallocate));
    }
}

fn end_the_writer(preallocate: bool, end: End) {
    let number =
        |name: &str, usual: u64| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(usual);
    let seed = number("TOUCHMARK_SEED", 20_261_122);
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed + u64::from(preallocate));
    let Some(disk) = Disk::new() else { return };
    let acks = disk.directory.path().join("acks");
    File::create(&acks).unwrap();
    let (mut torn, mut unheard, mut lines) = (0, 0, 0);
    for round in 1..=number("TOUCHMARK_POWER_CUTS", 25) {
        disk.mount();
        let mut writer = disk.start_writer(&acks, preallocate);
        let enough = lines + random.random_range(50..1500_usize);
        let patience = Instant::now() + Duration::from_secs(60);
        while acknowledged(&acks).len() < enough {
            assert!(Instant::now() < patience, "round {round}: the writer does not write");
            assert!(writer.try_wait().unwrap().is_none(), "round {round}: the writer ended");
            std::thread::sleep(Duration::from_millis(5));
        }
        if end == End::PowerCut {
            disk.cut_the_power_of(&writer);
        }
        writer.kill().unwrap();
        writer.wait().unwrap();
        disk.unmount();
        disk.mount();
        let acked = acknowledged(&acks);
        lines = acked.len();
        let found = runtime().block_on(verify(&disk.store(), preallocate, &acked, round));
        torn += u64::from(found.torn);
        unheard += u64::from(found.unheard);
        disk.unmount();
    }
    eprintln!(
        "{lines} acknowledged; {torn} torn tails cut; {unheard} ended with entries that nobody heard of"
    );
}

/// How the ledger of a round ended.
struct Found {
    /// A torn tail was cut.
    torn: bool,
    /// More than was acknowledged: the power failed between the sync and its answers.
    unheard: bool,
}

/// Opens the remains and compares.
async fn verify(directory: &Path, preallocate: bool, acked: &[(u64, SerialNumber)], round: u64) -> Found {
    let store = LogStore::open(&settings(directory, preallocate), Arc::new(SystemClock)).unwrap();
    let mut state = Overlay::over(EmptyView);
    let mut serial_numbers = Vec::new();
    for number in 1..=store.head().0 {
        let entry = store.entry(EntryNumber(number)).unwrap().unwrap();
        let Ok(()) = state.apply(&entry);
        serial_numbers.extend(entry.event.certificate().map(|certificate| certificate.serial_number));
    }
    for (number, serial_number) in acked {
        let record = store.certificate(serial_number).await.unwrap();
        let record =
            record.unwrap_or_else(|| panic!("round {round}: entry {number} was acknowledged and is lost"));
        assert_eq!(record.entry().number.0, *number);
    }
    for serial_number in &serial_numbers {
        let Ok(model) = state.certificate(serial_number);
        assert_eq!(store.certificate_status(serial_number).await.unwrap(), model.map(|facts| facts.status));
    }
    let (mut listed, mut cursor) = (Vec::new(), None);
    loop {
        match store.devices(&DeviceFilter::default(), cursor.as_ref(), 1000).await {
            Ok(page) => {
                listed.extend(page.rows);
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
            Err(StoreError::ListingsUnavailable { .. }) => {}
            Err(error) => panic!("round {round}: {error}"),
        }
    }
    let rows = listed.iter().map(|row| (&row.id, row.state(), row.work_order));
    let model = state.devices().values().map(|facts| (&facts.id, facts.state(), facts.work_order));
    assert!(rows.eq(model), "round {round}: the projection is not that of a replay");
    let order = store.work_order(WorkOrderId(1)).await.unwrap().unwrap();
    assert_eq!(order.counts.issued, state.devices().len() as u64);
    let last = acked.iter().map(|(number, _)| *number).max().unwrap_or_default();
    let found = Found { torn: store.torn_tail().is_some(), unheard: store.head().0 > last };
    if round.is_multiple_of(2) {
        store.close().await.unwrap();
    }
    found
}

async fn write_until_the_end(directory: &Path, acks: &Path, preallocate: bool) {
    let settings = settings(directory, preallocate);
    let clock = Arc::new(SystemClock);
    let store = if directory.join("ledger").is_dir() {
        LogStore::open(&settings, clock).unwrap()
    } else {
        let store = LogStore::create(&settings, clock).unwrap();
        let command = tests::order_command(1_000_000, "SN{000000001..999999999}");
        store.commit(vec![command]).await.unwrap().remove(0).unwrap();
        store
    };
    let store = Arc::new(store);
    let next = Arc::new(AtomicU64::new(store.head().0 * 10));
    let acks = Arc::new(Mutex::new(OpenOptions::new().append(true).open(acks).unwrap()));
    let workers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let (store, next, acks) = (Arc::clone(&store), Arc::clone(&next), Arc::clone(&acks));
            tokio::spawn(async move {
                loop {
                    let unit = next.fetch_add(1, Ordering::Relaxed) + 1;
                    let mut parent = None;
                    for generation in 0..GENERATIONS {
                        let (issue, used) = match parent {
                            None => (birth(unit), None),
                            Some(parent) => renewal(unit, generation, parent),
                        };
                        let Ok(mut verdicts) = store.commit(vec![issue]).await else { return };
                        let released = verdicts.remove(0).unwrap().released().unwrap();
                        let line = format!("{} {}\n", released.entry_number(), released.serial_number());
                        acks.lock().unwrap().write_all(line.as_bytes()).unwrap();
                        parent = Some(released.serial_number());
                        if let Some(used) = used {
                            let Ok(mut verdicts) = store.commit(vec![used]).await else { return };
                            verdicts.remove(0).unwrap();
                        }
                    }
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
}

/// Bytes that look random, for a unit's generation.
fn spread(unit: u64, generation: u64) -> [u8; 8] {
    (unit * GENERATIONS + generation).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()
}

fn certificate(
    unit: u64,
    generation: u64,
    issuer: IssuerName,
    profile: ProfileName,
    ends: SystemTime,
) -> SignedCertificate {
    let spread = spread(unit, generation);
    let (mut octets, mut key) = ([0x41; 16], [0x17; 32]);
    octets[8..].copy_from_slice(&spread);
    key[..8].copy_from_slice(&spread);
    SignedCertificate {
        issuer,
        profile,
        serial_number: SerialNumber::try_from(octets.as_slice()).unwrap(),
        key: KeyFingerprint::from(key),
        validity: Validity::new(SystemClock.now(), ends).unwrap(),
        shard: None,
        der: spread.repeat(72).into(),
    }
}

/// The unit's next operational certificate, and that it is used.
fn renewal(unit: u64, generation: u64, parent: SerialNumber) -> (Command, Option<Command>) {
    let device: DeviceId = format!("cam-2/SN{unit:09}").parse().unwrap();
    let ends = SystemClock.now() + Duration::from_secs(86_400);
    let certificate = certificate(unit, generation, IssuerName::Operational, ProfileName::Ldevid, ends);
    let serial_number = certificate.serial_number;
    let mut request = [1; 16];
    request[..8].copy_from_slice(&spread(unit, generation));
    let by = |request, action| Command {
        principal: Some(Principal::Device(device.clone())),
        credential: None,
        request,
        content: [3; 32],
        remark: String::new(),
        action,
    };
    let subject = IssuanceSubject::Operational { device: device.clone(), parent, hold_on_fork: false };
    let issue = by(Some(RequestId::from(request)), Action::Issue { subject, certificate });
    let after_renewal = AfterRenewal::Expire;
    let used = Action::ConfirmInstalled { device: device.clone(), serial_number, after_renewal };
    (issue, Some(by(None, used)))
}

fn birth(number: u64) -> Command {
    let spread = spread(number, 0);
    let certificate =
        certificate(number, 0, IssuerName::Factory, ProfileName::Idevid, no_well_defined_expiration());
    let key = *certificate.key.as_bytes();
    let mut request = [0; 16];
    request[..8].copy_from_slice(&spread);
    let device = format!("cam-2/SN{number:09}").parse().unwrap();
    let station = Principal::named(Role::Station, "line-3".parse().unwrap());
    let key_ends = KeyEnds { start: spread, end: spread };
    let traces = GeneratorTraces { nonce: Some(key), key_ends: Some(key_ends) };
    let subject = IssuanceSubject::Birth {
        work_order: WorkOrderId(1),
        device,
        made_at: None,
        shift: String::new(),
        operator: String::new(),
        traces,
    };
    let action = Action::Issue { subject, certificate };
    Command {
        principal: Some(station),
        credential: None,
        request: Some(RequestId::from(request)),
        content: [3; 32],
        remark: String::new(),
        action,
    }
}

fn settings(directory: &Path, preallocate: bool) -> StoreSettings {
    let log = LogSettings::Files { segment_bytes: 1 << 20, preallocate, archive_dir: None };
    StoreSettings { log, checkpoint_entries: 50, ..StoreSettings::new(directory.to_owned()) }
}

/// The whole lines of the file: entry and serial number.
fn acknowledged(acks: &Path) -> Vec<(u64, SerialNumber)> {
    let text = fs::read_to_string(acks).unwrap();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let line = |line: &str| {
        let (number, serial_number) = line.split_once(' ').unwrap();
        (number.parse().unwrap(), serial_number.parse().unwrap())
    };
    whole.lines().map(line).collect()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// ext4 on a loop device, mounted and unmounted by hand.
struct Disk {
    directory: tempfile::TempDir,
}

impl Disk {
    /// `None`, said on standard error, where it cannot be; in CI that is a failed test.
    fn new() -> Option<Self> {
        let disk = Self { directory: tempfile::tempdir().unwrap() };
        File::create(disk.image()).unwrap().set_len(512 << 20).unwrap();
        fs::create_dir(disk.mount_point()).unwrap();
        let made = Process::new("mkfs.ext4").args(["-q", "-m", "0"]).arg(disk.image()).status();
        let able = made.is_ok_and(|status| status.success()) && disk.try_mount();
        if able {
            disk.unmount();
            return Some(disk);
        }
        let why = "NOT RUN: cutting the power needs root, loop devices and mkfs.ext4";
        assert!(std::env::var_os("CI").is_none(), "{why}");
        eprintln!("{why}");
        None
    }

    fn start_writer(&self, acks: &Path, preallocate: bool) -> Child {
        let mut writer = Process::new(std::env::current_exe().unwrap());
        writer.args(["--exact", "the_writer"]).env(STORE_VARIABLE, self.store()).env(ACKS_VARIABLE, acks);
        if preallocate {
            writer.env(PREALLOCATE_VARIABLE, "1");
        }
        writer.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// From here on nothing reaches the disk, and the writer acknowledges nothing.
    fn cut_the_power_of(&self, writer: &Child) {
        let mut cut = Process::new("python3");
        cut.args(["-c", include_str!("../fixtures/cut_the_power.py")]).arg(self.mount_point());
        let cut = cut.arg(writer.id().to_string()).output().unwrap();
        assert!(cut.status.success(), "the power cannot be cut: {}", String::from_utf8_lossy(&cut.stderr));
    }

    fn mount(&self) {
        assert!(self.try_mount(), "mount");
    }

    fn try_mount(&self) -> bool {
        let mut mount = Process::new("mount");
        mount.args(["-o", "loop"]).arg(self.image()).arg(self.mount_point()).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success())
    }

    /// The projector of a store that was dropped lets go within a moment.
    fn unmount(&self) {
        let patience = Instant::now() + Duration::from_secs(20);
        while !Process::new("umount")
            .arg(self.mount_point())
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
        {
            assert!(Instant::now() < patience, "umount");
            std::thread::sleep(Duration::from_millis(20));
        }
        // A mount namespace made in the meantime has a copy of the mount and keeps the file system alive:
        // mounted again it would show the file system from memory, not from the disk.
        let patience = Instant::now() + Duration::from_secs(120);
        while !self.loop_devices().is_empty() {
            assert!(Instant::now() < patience, "another mount namespace keeps {}", self.image().display());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The loop devices of the image, a line each.
    fn loop_devices(&self) -> Vec<u8> {
        Process::new("losetup").arg("--associated").arg(self.image()).output().unwrap().stdout
    }

    fn store(&self) -> PathBuf {
        self.mount_point().join("store")
    }

    fn mount_point(&self) -> PathBuf {
        self.directory.path().join("mount")
    }

    fn image(&self) -> PathBuf {
        self.directory.path().join("image")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        Process::new("umount").args(["-l", "-q"]).arg(self.mount_point()).stderr(Stdio::null()).status().ok();
    }
}

/// Commits in flight at a time.
/// Certificates of a unit: its birth, its first operational one, and renewals.
const GENERATIONS: u64 = 4;

const WRITERS: usize = 32;

const STORE_VARIABLE: &str = "TOUCHMARK_TEST_STORE";
const ACKS_VARIABLE: &str = "TOUCHMARK_TEST_ACKS";
const PREALLOCATE_VARIABLE: &str = "TOUCHMARK_TEST_PREALLOCATE";

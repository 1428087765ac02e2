//! What the log costs: appends without a disk's wait, an open, reads one by one and in order.
//! `cargo run --release -p ledger-log --example cost -- DIRECTORY [ENTRIES [BATCH]]`
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement that cannot go on ends")]

use std::path::PathBuf;
use std::time::Instant;

use ledger::{Entry, EntryNumber};
use ledger_log::{Batch, FileLog, FileSettings, Log, suite};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory =
        PathBuf::from(arguments.next().unwrap_or_else(|| "/dev/shm/touchmark-log-cost".to_owned()));
    let entries: u64 = arguments.next().map_or(500_000, |text| text.parse().unwrap());
    let batch_entries: u64 = arguments.next().map_or(256, |text| text.parse().unwrap());
    std::fs::remove_dir_all(&directory).ok();
    let settings = FileSettings::new(directory.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();

    let log = FileLog::create(&settings).unwrap();
    let (mut pushing, mut appending) = (0, 0);
    for behind in (0..entries).step_by(batch_entries as usize) {
        let batch: Vec<_> = (behind + 1..=behind + batch_entries).map(like_a_certificate).collect();
        let start = Instant::now();
        let mut frames = Batch::behind(EntryNumber(behind), batch.len());
        batch.iter().for_each(|entry| frames.push(entry));
        pushing += start.elapsed().as_nanos();
        let start = Instant::now();
        runtime.block_on(log.append(&frames)).unwrap();
        appending += start.elapsed().as_nanos();
    }
    let last = log.follow().borrow().0;
    let each = |nanoseconds: u128| nanoseconds / u128::from(last);
    println!("encode {} ns/entry, append {} ns/entry, {last} entries", each(pushing), each(appending));
    runtime.block_on(log.close()).unwrap();
    drop(log);

    let start = Instant::now();
    let log = FileLog::open(&settings).unwrap();
    println!("open {:?}", start.elapsed());

    let (mut state, rounds) = (88_172_645_463_325_252_u64, 1_000_000);
    let start = Instant::now();
    for _ in 0..rounds {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        assert_eq!(log.read(EntryNumber(state % last + 1), 1).unwrap().len(), 1);
    }
    println!("read at random {} ns", start.elapsed().as_nanos() / rounds);

    let (start, mut next) = (Instant::now(), 1);
    while next <= last {
        next += log.read(EntryNumber(next), last).unwrap().len() as u64;
    }
    println!("read in order {} ns/entry", each(start.elapsed().as_nanos()));
    drop(log);
    std::fs::remove_dir_all(&directory).unwrap();
}

/// About as long as the entries of a ledger are: births and renewals of a kilobyte, short ones between.
fn like_a_certificate(number: u64) -> Entry {
    suite::entry(number, &"x".repeat(if number.is_multiple_of(2) { 800 } else { 80 }))
}

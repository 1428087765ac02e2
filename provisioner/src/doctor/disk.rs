//! The disk of the journal: room, and how long a sync takes. Each step of a unit waits for one.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use cli::Finding;
use humantime::format_duration;
use rustix::fs::statvfs;

use super::DISK;

/// Examines the directory, or the one that it will be made in.
pub(super) fn examine(journal: &Path) -> Vec<Finding> {
    let directory = if journal.is_dir() { journal } else { files::parent(journal) };
    vec![room(directory), syncs(directory)]
}

fn room(directory: &Path) -> Finding {
    let place = directory.display();
    match statvfs(directory) {
        Ok(disk) => judge_room(&place.to_string(), disk.f_bavail.saturating_mul(disk.f_frsize)),
        Err(error) => {
            Finding::bad(DISK, format!("{place} cannot be looked at: {}", io::Error::from(error)), WHERE)
        }
    }
}

fn judge_room(place: &str, free: u64) -> Finding {
    let says = format!("{} MiB are free in {place}, for about {} units", free / MIB, free / UNIT_BYTES);
    match free {
        ..FREE_BAD => Finding::bad(DISK, says, ROOM),
        FREE_BAD..FREE_LITTLE => Finding::note(DISK, says, ROOM),
        _ => Finding::good(DISK, says),
    }
}

fn syncs(directory: &Path) -> Finding {
    match time_syncs(directory) {
        Ok(mut times) => {
            times.sort();
            let median = times.get(times.len() / 2).copied().unwrap_or_default();
            judge_syncs(median, times.last().copied().unwrap_or_default())
        }
        Err(error) => {
            let says = format!("nothing can be written in {}: {error}", directory.display());
            Finding::bad(DISK, says, WHERE)
        }
    }
}

/// Writes as the journal does, to a file that is removed again.
fn time_syncs(directory: &Path) -> io::Result<Vec<Duration>> {
    let path = directory.join(format!(".doctor-{}.unfinished", std::process::id()));
    let mut file = File::create(&path)?;
    let times = (0..SYNCS).map(|_| {
        file.write_all(&[b'x'; RECORD_BYTES])?;
        let begun = Instant::now();
        file.sync_data()?;
        Ok(begun.elapsed())
    });
    let times = times.collect();
    std::fs::remove_file(&path)?;
    times
}

fn judge_syncs(median: Duration, longest: Duration) -> Finding {
    let round = |time: Duration| {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        format_duration(Duration::from_micros(micros)).to_string()
    };
    let says = format!("a record is on the disk in {}, at most {}", round(median), round(longest));
    if median > SYNC_SLOW {
        Finding::note(
            DISK,
            says,
            format!(
                "each unit waits for {RECORDS_OF_A_UNIT} of them: keep the journal on a disk of this machine, not on a network or an SD card"
            ),
        )
    } else {
        Finding::good(DISK, says)
    }
}

const WHERE: &str = "run it as the user of the station; `journal` in station.toml says where the journal is";
const ROOM: &str = "make room: a station whose journal cannot be written stops";

const MIB: u64 = 1024 * 1024;

/// The journal has a request, a certificate and some lines for each unit.
const UNIT_BYTES: u64 = 4 * 1024;

/// For some 4,000 units: less than a shift.
const FREE_BAD: u64 = 16 * MIB;

const FREE_LITTLE: u64 = 256 * MIB;

const SYNCS: usize = 16;
const RECORD_BYTES: usize = 1024;
const RECORDS_OF_A_UNIT: u32 = 6;

/// Six of them take longer than a unit's key.
const SYNC_SLOW: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use cli::Verdict;

    use super::*;

    #[test]
    fn a_disk_is_full_before_the_line_stops() {
        for (mib, verdict) in
            [(0, Verdict::Bad), (15, Verdict::Bad), (16, Verdict::Note), (256, Verdict::Good)]
        {
            assert_eq!(judge_room("x", mib * MIB).verdict, verdict, "{mib}");
        }
    }

    #[test]
    fn a_slow_disk_is_told_and_nothing_stays_behind() {
        assert_eq!(judge_syncs(Duration::from_millis(80), Duration::from_secs(1)).verdict, Verdict::Note);
        let home = tempfile::tempdir().unwrap();
        let findings = examine(&home.path().join("journal"));
        assert!(findings.iter().all(|finding| finding.verdict != Verdict::Bad), "{findings:?}");
        assert_eq!(home.path().read_dir().unwrap().count(), 0);
        let nowhere = examine(Path::new("/proc/self/none"));
        assert!(nowhere.iter().any(|finding| finding.verdict == Verdict::Bad), "{nowhere:?}");
    }
}

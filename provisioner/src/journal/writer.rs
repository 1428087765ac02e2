//! One thread that writes a journal, so that records of many slots share one sync.

use std::fs::{File, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use prometheus_client::metrics::histogram::Histogram;
use tokio::sync::{mpsc, oneshot};

use super::file::line;
use super::record::{Header, to_json};
use super::{JournalError, Record, VERSION};

/// Appends to a journal. Cheap to clone; the file is closed with the last clone.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Append>,
}

#[derive(Debug)]
struct Append {
    line: Vec<u8>,
    done: oneshot::Sender<Result<(), JournalError>>,
}

impl Writer {
    /// Opens a file with `length` bytes of whole lines and cuts what follows, or creates it.
    pub(super) fn open(
        path: &Path,
        work_order: &str,
        length: u64,
        syncs: Option<Histogram>,
    ) -> Result<Self, JournalError> {
        let refused = |source| JournalError::Io { path: path.to_owned(), source };
        let mut file =
            File::options().create(true).truncate(false).write(true).open(path).map_err(refused)?;
        lock(&file, path)?;
        file.set_len(length).map_err(refused)?;
        file.seek(SeekFrom::Start(length)).map_err(refused)?;
        if length == 0 {
            let header = Header { touchmark_station_journal: VERSION, work_order: work_order.to_owned() };
            let json = serde_json::to_vec(&header).map_err(|source| refused(source.into()))?;
            file.write_all(&line(&json)).map_err(refused)?;
        }
        file.sync_all().map_err(refused)?;
        files::sync_directory(files::parent(path)).map_err(refused)?;
        let (queue, appends) = mpsc::channel(QUEUE_MAX);
        let path = path.to_owned();
        std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || write(&mut file, &path, appends, syncs.as_ref()))
            .map_err(|source| JournalError::Io { path: PathBuf::from("journal thread"), source })?;
        Ok(Self { queue })
    }

    /// Appends a record. When this returns `Ok`, it survives a power cut. After an error nothing is written
    /// to this journal any more, because what is on disk is unknown.
    pub(crate) async fn record(&self, record: &Record) -> Result<(), JournalError> {
        let closed = || JournalError::Closed { why: "its writer has ended".into() };
        let json = to_json(record).map_err(|error| JournalError::Closed { why: error.to_string() })?;
        let (done, result) = oneshot::channel();
        self.queue.send(Append { line: line(&json), done }).await.map_err(|_| closed())?;
        result.await.map_err(|_| closed())?
    }
}

fn write(file: &mut File, path: &Path, mut appends: mpsc::Receiver<Append>, syncs: Option<&Histogram>) {
    let mut failure: Option<String> = None;
    while let Some(first) = appends.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < QUEUE_MAX
            && let Ok(next) = appends.try_recv()
        {
            batch.push(next);
        }
        let result = match &failure {
            Some(why) => Err(why.clone()),
            None => {
                let lines: Vec<u8> = batch.iter().flat_map(|append| append.line.iter().copied()).collect();
                let begun = Instant::now();
                // After a failed sync the content of the disk is unknown, and a second sync may lie.
                let written = file.write_all(&lines).and_then(|()| file.sync_data());
                if let Some(syncs) = syncs {
                    syncs.observe(begun.elapsed().as_secs_f64());
                }
                written.map_err(|error| format!("{}: {error}", path.display()))
            }
        };
        failure = result.as_ref().err().cloned();
        for append in batch {
            let result = result.clone().map_err(|why| JournalError::Closed { why });
            // An aborted slot does not wait any more.
            append.done.send(result).ok();
        }
    }
    // Also while a child that was just forked still has the file open.
    file.unlock().ok();
}

/// Locks the file itself: somebody may have removed the lock of its directory.
fn lock(file: &File, path: &Path) -> Result<(), JournalError> {
    let until = Instant::now() + CLOSING_MAX;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(CLOSING_MAX / 100),
            Err(TryLockError::WouldBlock) => return Err(JournalError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => {
                return Err(JournalError::Io { path: path.to_owned(), source });
            }
        }
    }
}

/// A writer of this process that has just been dropped ends within this time.
const CLOSING_MAX: Duration = Duration::from_secs(1);

/// Records that share one sync: each of 64 slots waits for its own.
const QUEUE_MAX: usize = 64;

//! The directory of the lists. Each file is replaced, never changed; beside them an index says what each one is, with its SHA-256. Nothing
//! here is synced: after a crash, what does not have its digest is made again.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use identity::IssuerName;
use issuance::{CrlNumber, SealedCrl};
use ledger::EntryNumber;
use serde::{Deserialize, Serialize};

use super::crl::{Crl, CrlBytes, CrlId};
use super::reserve::Reserve;

/// The directory.
pub(super) struct CrlDirectory {
    dir: PathBuf,
    lines: HashMap<CrlId, IndexEntry>,
    /// For the next lists, when the disk is full.
    reserve: Reserve,
}

/// What a list says of itself, before it has bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct CrlMeta {
    pub(super) name: CrlId,
    /// Epoch and counter are in it.
    pub(super) number: CrlNumber,
    pub(super) this_update: SystemTime,
    pub(super) next_update: SystemTime,
    pub(super) as_of: EntryNumber,
    pub(super) count: u64,
}

/// A list in the index.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct IndexEntry {
    issuer: String,
    shard: Option<u32>,
    number: String,
    this_update: u64,
    next_update: u64,
    as_of: u64,
    count: u64,
    entries_at: u64,
    entries_bytes: u64,
    length: u64,
    sha256: String,
}

impl CrlDirectory {
    /// Opens the directory, makes it if it is not there. Also returns the lists in it that are whole.
    pub(super) fn open(dir: &Path) -> io::Result<(Self, Vec<Crl>)> {
        for issuer in IssuerName::ALL {
            fs::create_dir_all(dir.join(issuer.to_string()))?;
        }
        let index = fs::read(dir.join(INDEX)).unwrap_or_default();
        let lines: Vec<IndexEntry> = serde_json::from_slice(&index).unwrap_or_default();
        let reserve = Reserve::new(dir.join(RESERVE));
        let mut crl_directory = Self { dir: dir.to_owned(), lines: HashMap::new(), reserve };
        let mut lists = Vec::new();
        for entry in lines {
            if let Some(crl) = crl_directory.read(&entry) {
                crl_directory.lines.insert(crl.name, entry);
                lists.push(crl);
            }
        }
        crl_directory.keep_room();
        Ok((crl_directory, lists))
    }

    /// Writes a list and puts it in the place of the one before. `entries` writes those bytes that stand between head and tail.
    pub(super) fn put(
        &mut self,
        meta: &CrlMeta,
        sealed: &SealedCrl,
        entries_bytes: u64,
        entries: impl Fn(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<Crl> {
        let path = self.path(meta.name);
        let written = path.with_extension("new");
        let write = || {
            let file = File::options().read(true).write(true).create(true).truncate(true).open(&written)?;
            let mut writer = HashingWriter::new(file);
            writer.write_all(&sealed.head)?;
            entries(&mut writer)?;
            writer.write_all(&sealed.tail)?;
            writer.finish()
        };
        let (file, length, sha256) = self.reserve.spent_on(self.room(), write)?;
        let entries_at = match entries_bytes {
            0 => 0,
            _ => sealed.head.len() as u64,
        };
        fs::rename(&written, &path)?;
        self.keep_room();
        let content = content(file, length)?;
        self.lines.insert(meta.name, entry(meta, entries_at, entries_bytes, length, sha256));
        Ok(crl(meta, entries_at, entries_bytes, content))
    }

    /// Writes the index.
    pub(super) fn save(&self) -> io::Result<()> {
        let mut lines: Vec<(&CrlId, &IndexEntry)> = self.lines.iter().collect();
        lines.sort_unstable_by_key(|(name, _)| **name);
        let lines: Vec<&IndexEntry> = lines.into_iter().map(|(_, entry)| entry).collect();
        let (written, bytes) = (self.dir.join(INDEX).with_extension("new"), serde_json::to_vec(&lines)?);
        self.reserve.spent_on(self.room(), || fs::write(&written, &bytes))?;
        fs::rename(written, self.dir.join(INDEX))?;
        // What was replaced has left its room: to be kept before others find it.
        self.keep_room();
        Ok(())
    }

    /// Keeps room for the next lists, so that a full disk keeps no revocation from them.
    fn keep_room(&self) {
        self.reserve.keep(self.room());
    }

    /// Bytes for the longest list that there is and the one that follows it.
    fn room(&self) -> u64 {
        let longest = self.lines.values().map(|entry| entry.length).max().unwrap_or_default();
        longest.saturating_mul(2).saturating_add(RESERVE_BYTES_MIN)
    }

    fn path(&self, name: CrlId) -> PathBuf {
        let file = name.shard.map_or_else(|| "full.crl".to_owned(), |shard| format!("{shard}.crl"));
        self.dir.join(name.issuer.to_string()).join(file)
    }

    /// The list of a line, if its file is what the line says.
    fn read(&self, entry: &IndexEntry) -> Option<Crl> {
        let issuer = entry.issuer.parse::<IssuerName>().ok()?;
        let (epoch, counter) = entry.number.split_once('.')?;
        let at = |seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        let meta = CrlMeta {
            name: CrlId { issuer, shard: entry.shard },
            number: CrlNumber::new(epoch.parse().ok()?, counter.parse().ok()?),
            this_update: at(entry.this_update)?,
            next_update: at(entry.next_update)?,
            as_of: EntryNumber(entry.as_of),
            count: entry.count,
        };
        let mut file = File::open(self.path(meta.name)).ok()?;
        let (length, sha256) = digest(&mut file).ok()?;
        let inside = entry.entries_at.checked_add(entry.entries_bytes)? <= length;
        if length != entry.length || sha256 != entry.sha256 || !inside {
            return None;
        }
        Some(crl(&meta, entry.entries_at, entry.entries_bytes, content(file, length).ok()?))
    }
}

fn entry(meta: &CrlMeta, entries_at: u64, entries_bytes: u64, length: u64, sha256: String) -> IndexEntry {
    let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (epoch, counter) = meta.number.parts();
    IndexEntry {
        issuer: meta.name.issuer.to_string(),
        shard: meta.name.shard,
        number: format!("{epoch}.{counter}"),
        this_update: seconds(meta.this_update),
        next_update: seconds(meta.next_update),
        as_of: meta.as_of.0,
        count: meta.count,
        entries_at,
        entries_bytes,
        length,
        sha256,
    }
}

fn crl(meta: &CrlMeta, entries_at: u64, entries_bytes: u64, content: CrlBytes) -> Crl {
    Crl {
        name: meta.name,
        number: meta.number,
        this_update: meta.this_update,
        next_update: meta.next_update,
        as_of: meta.as_of,
        count: meta.count,
        shares_second: false,
        entries_at,
        entries_bytes,
        content,
    }
}

fn content(file: File, length: u64) -> io::Result<CrlBytes> {
    if length > MEMORY_BYTES_MAX {
        return Ok(CrlBytes::File(Arc::new(file), length));
    }
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(CrlBytes::Memory(Bytes::from(bytes)))
}

fn digest(file: &mut File) -> io::Result<(u64, String)> {
    let mut context = Context::new(&SHA256);
    let mut piece = vec![0; PIECE_BYTES];
    let mut length = 0;
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok((length, hex::encode(context.finish())));
        }
        context.update(piece.get(..read).unwrap_or_default());
        length += read as u64;
    }
}

/// Writes, and knows the digest of what it wrote.
struct HashingWriter {
    file: io::BufWriter<File>,
    context: Context,
    length: u64,
}

impl HashingWriter {
    fn new(file: File) -> Self {
        Self {
            file: io::BufWriter::with_capacity(PIECE_BYTES, file),
            context: Context::new(&SHA256),
            length: 0,
        }
    }

    fn finish(self) -> io::Result<(File, u64, String)> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok((file, self.length, hex::encode(self.context.finish())))
    }
}

impl Write for HashingWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.context.update(bytes.get(..written).unwrap_or_default());
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

const INDEX: &str = "index.json";

const RESERVE: &str = "reserve";

/// For the index and for short lists.
const RESERVE_BYTES_MIN: u64 = 64 * 1024;

/// A list up to this size stays in memory: most shards list nobody, and have 400 bytes. A thousand shards are 16 MiB.
const MEMORY_BYTES_MAX: u64 = 16 * 1024;

/// What is read and written at a time.
const PIECE_BYTES: usize = 64 * 1024;

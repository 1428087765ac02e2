//! CRLs in a local directory. Each file is replaced, never changed; an index beside them has the metadata and
//! the SHA-256 of each. Nothing is synced: after a crash, a CRL without its digest is made again.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use identity::IssuerName;
use issuance::{CrlNumber, SealedCrl};
use ledger::EntryNumber;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::crl::{Crl, CrlBytes, CrlId, CrlMeta};
use super::crl_storage::{CrlEntries, CrlStorage};
use super::reserve::Reserve;

/// The directory of CRLs, `ISSUER/SHARD.crl` and `ISSUER/full.crl`.
pub struct CrlDirectory(Arc<Mutex<Directory>>);

impl CrlDirectory {
    /// A directory, which is created when it is missing.
    pub fn new(dir: &Path) -> Self {
        let reserve = Reserve::new(dir.join(RESERVE));
        Self(Arc::new(Mutex::new(Directory { dir: dir.to_owned(), index: HashMap::new(), reserve })))
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Directory) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let directory = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || work(&mut directory.lock()));
        done.await.unwrap_or_else(|_| Err(io::Error::other("a thread that used the CRLs panicked")))
    }
}

#[async_trait]
impl CrlStorage for CrlDirectory {
    async fn load(&self) -> io::Result<Vec<Crl>> {
        self.blocking(Directory::load).await
    }

    async fn put(&self, meta: CrlMeta, sealed: SealedCrl, entries: CrlEntries) -> io::Result<Crl> {
        self.blocking(move |directory| directory.put(&meta, &sealed, &entries)).await
    }

    async fn commit(&self) -> io::Result<()> {
        self.blocking(|directory| directory.save_index()).await
    }
}

struct Directory {
    dir: PathBuf,
    index: HashMap<CrlId, IndexEntry>,
    reserve: Reserve,
}

/// A CRL in the index. Times are in seconds since 1970.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct IndexEntry {
    issuer: String,
    shard: Option<u32>,
    /// `EPOCH.COUNTER`.
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

impl Directory {
    fn load(&mut self) -> io::Result<Vec<Crl>> {
        for issuer in IssuerName::ALL {
            fs::create_dir_all(self.dir.join(issuer.to_string()))?;
        }
        let index = fs::read(self.dir.join(INDEX)).unwrap_or_default();
        let entries: Vec<IndexEntry> = serde_json::from_slice(&index).unwrap_or_default();
        let mut crls = Vec::new();
        for entry in entries {
            if let Some(crl) = self.read(&entry) {
                self.index.insert(crl.meta.id, entry);
                crls.push(crl);
            }
        }
        self.reserve_space();
        Ok(crls)
    }

    fn put(&mut self, meta: &CrlMeta, sealed: &SealedCrl, entries: &CrlEntries) -> io::Result<Crl> {
        let path = self.path(meta.id);
        let written = path.with_extension("new");
        let write = || {
            let file = File::options().read(true).write(true).create(true).truncate(true).open(&written)?;
            let mut writer = HashingWriter::over(io::BufWriter::with_capacity(PIECE_BYTES, file));
            writer.write_all(&sealed.head)?;
            entries.write(&mut writer)?;
            writer.write_all(&sealed.tail)?;
            let HashingWriter { to, context, length } = writer;
            let file = to.into_inner().map_err(io::IntoInnerError::into_error)?;
            Ok((file, length, hex::encode(context.finish())))
        };
        let (file, length, sha256) = self.reserve.spent_on(self.space_needed(), write)?;
        let entries_bytes = entries.length();
        let entries_at = if entries_bytes == 0 { 0 } else { sealed.head.len() as u64 };
        fs::rename(&written, &path)?;
        self.reserve_space();
        let crl = Crl::new(*meta, entries_at, entries_bytes, content(file, length)?);
        self.index.insert(meta.id, index_entry(&crl, length, sha256));
        Ok(crl)
    }

    fn save_index(&self) -> io::Result<()> {
        let mut entries: Vec<(&CrlId, &IndexEntry)> = self.index.iter().collect();
        entries.sort_unstable_by_key(|(id, _)| **id);
        let entries: Vec<&IndexEntry> = entries.into_iter().map(|(_, entry)| entry).collect();
        let (written, bytes) = (self.dir.join(INDEX).with_extension("new"), serde_json::to_vec(&entries)?);
        self.reserve.spent_on(self.space_needed(), || fs::write(&written, &bytes))?;
        fs::rename(written, self.dir.join(INDEX))?;
        // The replaced file has freed its space: reserve it before others take it.
        self.reserve_space();
        Ok(())
    }

    /// Reserves disk space, so that a full disk does not keep a revocation from its CRL.
    fn reserve_space(&self) {
        self.reserve.keep(self.space_needed());
    }

    fn space_needed(&self) -> u64 {
        let longest = self.index.values().map(|entry| entry.length).max().unwrap_or_default();
        longest.saturating_mul(2).saturating_add(RESERVE_BYTES_MIN)
    }

    fn path(&self, id: CrlId) -> PathBuf {
        let file = id.shard.map_or_else(|| "full.crl".to_owned(), |shard| format!("{shard}.crl"));
        self.dir.join(id.issuer.to_string()).join(file)
    }

    /// The CRL of an entry, if its file has the entry's digest.
    fn read(&self, entry: &IndexEntry) -> Option<Crl> {
        let issuer = entry.issuer.parse::<IssuerName>().ok()?;
        let (epoch, counter) = entry.number.split_once('.')?;
        let at = |seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        let meta = CrlMeta {
            id: CrlId { issuer, shard: entry.shard },
            number: CrlNumber::new(epoch.parse().ok()?, counter.parse().ok()?),
            this_update: at(entry.this_update)?,
            next_update: at(entry.next_update)?,
            as_of: EntryNumber(entry.as_of),
            count: entry.count,
        };
        let mut file = File::open(self.path(meta.id)).ok()?;
        let (length, sha256) = digest(&mut file).ok()?;
        let inside = entry.entries_at.checked_add(entry.entries_bytes)? <= length;
        if length != entry.length || sha256 != entry.sha256 || !inside {
            return None;
        }
        Some(Crl::new(meta, entry.entries_at, entry.entries_bytes, content(file, length).ok()?))
    }
}

fn index_entry(crl: &Crl, length: u64, sha256: String) -> IndexEntry {
    let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (epoch, counter) = crl.meta.number.parts();
    IndexEntry {
        issuer: crl.meta.id.issuer.to_string(),
        shard: crl.meta.id.shard,
        number: format!("{epoch}.{counter}"),
        this_update: seconds(crl.meta.this_update),
        next_update: seconds(crl.meta.next_update),
        as_of: crl.meta.as_of.0,
        count: crl.meta.count,
        entries_at: crl.entries_at,
        entries_bytes: crl.entries_bytes,
        length,
        sha256,
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
    let mut writer = HashingWriter::over(io::sink());
    io::copy(file, &mut writer)?;
    Ok((writer.length, hex::encode(writer.context.finish())))
}

/// Writes, and computes the digest of what was written.
struct HashingWriter<W> {
    to: W,
    context: Context,
    length: u64,
}

impl<W> HashingWriter<W> {
    fn over(to: W) -> Self {
        Self { to, context: Context::new(&SHA256), length: 0 }
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.context.update(bytes.get(..written).unwrap_or_default());
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

const INDEX: &str = "index.json";

const RESERVE: &str = "reserve";

/// For the index and for short CRLs.
const RESERVE_BYTES_MIN: u64 = 64 * 1024;

/// A CRL up to this size stays in memory: most shards have no revoked certificates and 400 bytes. A thousand
/// shards are at most 16 MiB.
const MEMORY_BYTES_MAX: u64 = 16 * 1024;

const PIECE_BYTES: usize = 64 * 1024;

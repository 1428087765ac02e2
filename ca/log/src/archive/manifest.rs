//! What is archived: a JSON file in the ledger's directory, which counts, and a copy beside the archives,
//! with which they are verified elsewhere.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ::files::OWNER_ONLY;
use aws_lc_rs::digest::Context;
use ledger::EntryNumber;
use serde::{Deserialize, Serialize};

use super::segment::io_error;
use crate::LogError;
use crate::tree::Frontier;

/// An archive and the segment that it was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveRecord {
    /// The archive's name.
    pub file: String,
    /// The directory that it was put into.
    pub directory: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// The number of its first entry.
    pub first_entry: u64,
    /// The number of entries.
    pub entries: u64,
    /// When its first entry was recorded (RFC 3339).
    pub first_at: Option<String>,
    /// When its last entry was recorded (RFC 3339).
    pub last_at: Option<String>,
    /// The name of the segment.
    pub segment: String,
    /// The length of the segment.
    pub segment_bytes: u64,
    /// The SHA-256 of the segment's bytes, which the archive gives back, in hexadecimal.
    pub segment_sha256: String,
    /// The Merkle tree of all entries up to the last one of this archive: the roots of the perfect subtrees
    /// that it consists of, the largest first, in hexadecimal.
    pub tree: Vec<String>,
}

impl ArchiveRecord {
    /// The tree of all entries up to the last one of this archive; `None`: it is not what such a tree has.
    pub(crate) fn tree_behind(&self) -> Option<Frontier> {
        let peak = |hex: &String| hex::decode(hex).ok()?.try_into().ok();
        Frontier::of(self.next().checked_sub(1)?, self.tree.iter().map(peak).collect::<Option<Vec<_>>>()?)
    }

    /// The number of its first entry.
    pub fn first(&self) -> EntryNumber {
        EntryNumber(self.first_entry)
    }

    /// The number behind its last entry.
    pub fn next(&self) -> u64 {
        self.first_entry.saturating_add(self.entries)
    }
}

/// All archives of a ledger, in the order of their entries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    version: u32,
    archives: Vec<ArchiveRecord>,
}

impl Manifest {
    /// Reads the manifest of a ledger or of a directory of archives; `None`: there is none.
    ///
    /// # Errors
    /// When it cannot be read, or is no manifest: a file that was written by hand, or by a later version.
    pub fn read(path: &Path) -> Result<Option<Self>, LogError> {
        let bytes = match ::files::read_limited(path, MANIFEST_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("read", path, error)),
        };
        let wrong = |why: String| io_error("read", path, io::Error::new(io::ErrorKind::InvalidData, why));
        let manifest: Self = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        if manifest.version > VERSION {
            return Err(wrong(format!("it was written by a later version ({})", manifest.version)));
        }
        for record in &manifest.archives {
            // A name that leads elsewhere would have another file read, or written over.
            if record.file != file_name(record.first_entry) || record.entries == 0 {
                return Err(wrong(format!("{} is not the name of an archive", record.file)));
            }
        }
        if manifest.archives.iter().any(|record| record.tree_behind().is_none()) {
            return Err(wrong("it has a tree of another size".to_owned()));
        }
        if !manifest.archives.is_sorted_by(|one, later| one.next() <= later.first_entry) {
            return Err(wrong("its archives are not in order".to_owned()));
        }
        Ok(Some(manifest))
    }

    /// Puts it in place, durably.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, path: &Path) -> Result<(), LogError> {
        let written = serde_json::to_vec_pretty(&Self { version: VERSION, archives: self.archives.clone() })
            .map_err(io::Error::from)
            .and_then(|text| ::files::replace(path, OWNER_ONLY, &text));
        written.map_err(|error| io_error("write", path, error))
    }

    pub(super) fn written(self, path: &Path) -> Result<Self, LogError> {
        self.write(path).map(|()| self)
    }

    /// The archives, in the order of their entries.
    pub fn archives(&self) -> &[ArchiveRecord] {
        &self.archives
    }

    /// The archive that has the entry.
    pub fn archive_of(&self, entry: EntryNumber) -> Option<&ArchiveRecord> {
        let behind = self.archives.partition_point(|record| record.first() <= entry);
        self.archives.get(behind.checked_sub(1)?).filter(|record| entry.0 < record.next())
    }

    /// Adds an archive, in the place of one of the same segment.
    pub(super) fn put(&mut self, record: ArchiveRecord) {
        self.archives.retain(|other| other.first_entry != record.first_entry);
        let at = self.archives.partition_point(|other| other.first_entry < record.first_entry);
        self.archives.insert(at, record);
    }
}

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Sha256([u8; 32]);

impl Sha256 {
    pub(super) fn of(hash: Context) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(hash.finish().as_ref());
        Self(bytes)
    }

    pub(super) fn hex(self) -> String {
        hex::encode(self.0)
    }
}

/// An archive's name: its first entry, so that names sort as entries do.
pub(super) fn file_name(first: u64) -> String {
    format!("{first:020}.archive")
}

pub(super) fn text(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

/// The manifest of a directory of archives.
pub(super) const MANIFEST_FILE: &str = "manifest.json";

/// The manifest in the directory of a ledger.
pub(crate) const ARCHIVED_FILE: &str = "archived.json";

const VERSION: u32 = 1;

/// Of about 600 bytes an archive: the archives of a hundred thousand segments.
const MANIFEST_BYTES_MAX: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn record(first_entry: u64, entries: u64) -> ArchiveRecord {
        ArchiveRecord {
            file: file_name(first_entry),
            directory: "/archive".into(),
            bytes: 10,
            sha256: "00".to_owned(),
            first_entry,
            entries,
            first_at: None,
            last_at: None,
            segment: format!("{first_entry:020}.ledger"),
            segment_bytes: 30,
            segment_sha256: "11".to_owned(),
            tree: vec!["22".repeat(32); (first_entry + entries - 1).count_ones() as usize],
        }
    }

    fn manifest(archives: &[(u64, u64)]) -> Manifest {
        let archives = archives.iter().map(|(first, entries)| record(*first, *entries)).collect();
        Manifest { version: VERSION, archives }
    }

    fn read_back(manifest: &Manifest) -> Result<Option<Manifest>, LogError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(MANIFEST_FILE);
        manifest.write(&path).unwrap();
        Manifest::read(&path)
    }

    #[test]
    fn a_manifest_is_read_back() {
        let written = manifest(&[(1, 5), (6, 4)]);
        assert_eq!(read_back(&written).unwrap(), Some(written));
    }

    #[test]
    fn an_archive_is_found_by_each_of_its_entries_and_by_no_other() {
        let manifest = manifest(&[(3, 2), (9, 1)]);
        let found = |entry| manifest.archive_of(EntryNumber(entry)).map(|record| record.first_entry);
        let found: Vec<_> = (1..=10).map(found).collect();
        assert_eq!(found, [None, None, Some(3), Some(3), None, None, None, None, Some(9), None]);
    }

    #[test]
    fn archives_that_overlap_or_are_out_of_order_are_refused() {
        read_back(&manifest(&[(1, 6), (6, 4)])).unwrap_err();
        read_back(&manifest(&[(6, 4), (1, 5)])).unwrap_err();
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_refused() {
        let mut wrong = manifest(&[(1, 5)]);
        wrong.archives[0].file = "../../etc/passwd".to_owned();
        read_back(&wrong).unwrap_err();
    }

    #[test]
    fn a_manifest_of_a_later_version_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(MANIFEST_FILE);
        std::fs::write(&path, r#"{"version": 2, "archives": []}"#).unwrap();
        let refused = Manifest::read(&path).unwrap_err();
        assert!(format!("{refused:?}").contains("later version"), "{refused:?}");
    }

    #[test]
    fn an_archive_of_a_segment_takes_the_place_of_an_earlier_one() {
        let mut all = manifest(&[(1, 5), (9, 2)]);
        all.put(record(6, 3));
        all.put(ArchiveRecord { bytes: 77, ..record(6, 3) });
        let numbers: Vec<_> = all.archives().iter().map(|it| (it.first_entry, it.bytes)).collect();
        assert_eq!(numbers, [(1, 10), (6, 77), (9, 10)]);
    }
}

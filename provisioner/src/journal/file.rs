//! Reads a journal file.

use std::path::Path;

use super::record::{Header, Record, from_json};
use super::{JournalError, VERSION};

#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) records: Vec<Record>,
    /// The length of a last line that was not written to its end, so that it was never acknowledged.
    pub(crate) torn_bytes: usize,
    /// The length of its whole lines in bytes: where the next line goes.
    pub(crate) length: u64,
}

/// Reads the journal of a work order. An error if it is of another order or version, or damaged before its
/// last line.
pub(crate) fn read(path: &Path, work_order: &str) -> Result<Read, JournalError> {
    let content = std::fs::read(path).map_err(|source| JournalError::Io { path: path.to_owned(), source })?;
    let whole = content.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    let (lines, tail) = content.split_at_checked(whole).unwrap_or((&content, &[]));
    let mut records = Vec::new();
    let mut offset = 0;
    for (index, line) in lines.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let damaged = |what| JournalError::Damaged { path: path.to_owned(), line: index + 1, offset, what };
        let json = checked(line).map_err(damaged)?;
        if index == 0 {
            let header: Header =
                serde_json::from_slice(json).map_err(|_| damaged("it does not say what it is"))?;
            if header.touchmark_station_journal != VERSION {
                let version = header.touchmark_station_journal;
                return Err(JournalError::Version { path: path.to_owned(), version });
            }
            if header.work_order != work_order {
                return Err(JournalError::OtherOrder { path: path.to_owned(), of: header.work_order });
            }
        } else {
            records.push(from_json(json).ok_or_else(|| damaged("it is not a record that is known here"))?);
        }
        offset += line.len();
    }
    Ok(Read { records, torn_bytes: tail.len(), length: u64::try_from(whole).unwrap_or(u64::MAX) })
}

pub(super) fn line(json: &[u8]) -> Vec<u8> {
    let mut line = format!("{:08x} ", crc32c::crc32c(json)).into_bytes();
    line.extend_from_slice(json);
    line.push(b'\n');
    line
}

fn checked(line: &[u8]) -> Result<&[u8], &'static str> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let (checksum, rest) = line.split_at_checked(8).ok_or("it is too short")?;
    let json = rest.strip_prefix(b" ").ok_or("it has no checksum")?;
    let right = format!("{:08x}", crc32c::crc32c(json));
    if right.as_bytes() == checksum { Ok(json) } else { Err("its checksum is wrong") }
}

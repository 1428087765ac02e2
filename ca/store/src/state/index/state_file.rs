//! The file of what changes: devices, rows of certificates that changed since their files were written, what
//! is to be revoked. Each checkpoint writes it anew.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use super::certificates::CertificateRow;
use super::devices::{DeviceRow, Devices};
use super::disk::{BlockWriter, Blocks, IndexDirectory, Kind, numbers};
use super::snapshot::Snapshot;
use crate::Result;

/// What the file holds.
pub(super) struct State {
    pub(super) devices: Devices,
    pub(super) changed: HashMap<u32, CertificateRow>,
    /// Milliseconds since 1970, and the row.
    pub(super) due: Vec<(u64, u32)>,
}

/// Writes what was set aside; `changed`: in rising order.
pub(super) fn write(
    directory: &Arc<IndexDirectory>,
    snapshot: &Snapshot,
    changed: &[(u32, CertificateRow)],
) -> io::Result<Blocks> {
    let mut writer = BlockWriter::create(directory, Kind::State)?;
    let mut block = Vec::new();
    for chunk in &snapshot.devices {
        block.clear();
        chunk.iter().for_each(|row| row.write(&mut block));
        writer.push(&block)?;
    }
    let many = snapshot.many.iter().flat_map(|(device, rows)| rows.iter().map(|row| [*device, *row]));
    let many = section::<2, 0>(&mut writer, many.collect())?;
    let changed = changed.iter().map(|(number, row)| {
        let [check, entry, previous, changed, word] = row.fields();
        [check, *number, entry, previous, changed, word]
    });
    let changed = section::<6, 1>(&mut writer, changed.collect())?;
    let due = snapshot.due.iter().map(|(ms, row)| [(ms >> 32) as u32, *ms as u32, *row]);
    let due = section::<3, 0>(&mut writer, due.collect())?;
    let sections = [snapshot.devices.len() as u32, many, changed, due];
    writer.finish(&sections.map(u32::to_le_bytes).concat())
}

/// Writes records and returns the number of their blocks.
fn section<const N: usize, const RAW: usize>(
    writer: &mut BlockWriter,
    records: Vec<[u32; N]>,
) -> io::Result<u32> {
    let chunks = records.chunks(BLOCK_RECORDS);
    let count = chunks.len() as u32;
    let mut block = Vec::new();
    for records in chunks {
        block.clear();
        numbers::pack::<N, RAW>(records.iter().copied(), &mut block);
        writer.push(&block)?;
    }
    Ok(count)
}

impl State {
    /// Reads what [`write`] wrote.
    pub(super) fn read(blocks: &Blocks) -> Result<Self> {
        let damaged = || blocks.damage("what it holds cannot be read");
        let sections = blocks.meta().as_chunks::<4>().0.iter().map(|count| u32::from_le_bytes(*count));
        let sections: Vec<_> = sections.collect();
        let [devices, many, changed, due] = <[u32; 4]>::try_from(sections).map_err(|_| damaged())?;
        let mut rows = Vec::new();
        for block in 0..devices as usize {
            for row in blocks.read(block)?.chunks(DeviceRow::BYTES) {
                rows.push(DeviceRow::read(row).ok_or_else(damaged)?);
            }
        }
        let mut next = devices as usize;
        let mut rows_of = HashMap::<u32, Vec<u32>>::new();
        for [device, row] in records::<2, 0>(blocks, &mut next, many)? {
            rows_of.entry(device).or_default().push(row);
        }
        let changed = records::<6, 1>(blocks, &mut next, changed)?.into_iter();
        let changed = changed.map(|[check, number, entry, previous, changed, word]| {
            (number, CertificateRow::of([check, entry, previous, changed, word]))
        });
        let changed = changed.collect();
        let due = records::<3, 0>(blocks, &mut next, due)?.into_iter();
        let due = due.map(|[high, low, row]| ((u64::from(high) << 32) | u64::from(low), row)).collect();
        Ok(Self { devices: Devices::of(rows, rows_of), changed, due })
    }
}

fn records<const N: usize, const RAW: usize>(
    blocks: &Blocks,
    next: &mut usize,
    count: u32,
) -> Result<Vec<[u32; N]>> {
    let mut records = Vec::new();
    for _ in 0..count {
        for record in numbers::unpack::<N, RAW>(&blocks.read(*next)?) {
            records.push(record.ok_or_else(|| blocks.damage("a record is cut off"))?);
        }
        *next += 1;
    }
    Ok(records)
}

/// Records in a block.
const BLOCK_RECORDS: usize = 4096;

//! Devices: a row each, in the order of their first births, all in memory; and the chain of their
//! certificates.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use hashbrown::HashTable;
use identity::{DeviceId, SerialNumber};
use ledger::{DeviceChange, DeviceFlags, DeviceState, WorkOrderId};
use ledger_log::format::{CertificateSummary, DeviceName};

use super::certificates::{CertificateRow, NONE};
use super::disk::Hash;
use super::{Birth, Index, small_order};
use crate::Result;

/// The rows of all devices.
#[derive(Default)]
pub(super) struct Devices {
    /// Positions, by hash.
    table: HashTable<u32>,
    /// Rows by position, [`CHUNK_ROWS`] in a chunk. A chunk that a checkpoint reads is copied when it
    /// changes.
    chunks: Vec<Chunk>,
    len: u32,
    /// Live certificates of devices that have more than their rows have room for.
    many: HashMap<u32, Vec<u32>>,
}

/// Rows that are copied together.
pub(super) type Chunk = Arc<Vec<DeviceRow>>;

#[derive(Debug)]
pub(super) struct DeviceRow {
    pub(super) hash: u64,
    /// Its newest certificate; the others follow through `previous`.
    pub(super) newest: u32,
    /// Its first birth certificate.
    pub(super) first: u32,
    /// Its birth certificate: the last one, if it was reworked.
    pub(super) birth: u32,
    /// What is asked of that for every command of the device: its serial number, its order, who asked for it
    /// (a place in [`Callers`]), and when, milliseconds since 1970.
    pub(super) serial_number: SerialNumber,
    pub(super) work_order: u32,
    pub(super) station: u32,
    pub(super) born_at_ms: u64,
    /// The entry that last changed the flags; 0: none did.
    pub(super) changed: u32,
    /// When it was last seen, seconds since 1970. Readers move it forward.
    pub(super) seen: AtomicU32,
    /// Certificates that are issued or in use, on hold or not, oldest first, and some that no longer are.
    /// [`NONE`]: no more.
    pub(super) live: [u32; LIVE_ROWS],
    pub(super) flags: DeviceFlags,
}

impl Clone for DeviceRow {
    fn clone(&self) -> Self {
        Self { seen: AtomicU32::new(self.seen.load(Ordering::Relaxed)), ..*self }
    }
}

impl Devices {
    /// Those of a checkpoint.
    pub(super) fn of(rows: Vec<DeviceRow>, many: HashMap<u32, Vec<u32>>) -> Self {
        let mut devices = Self { many, ..Self::default() };
        for row in rows {
            devices.push(row);
        }
        devices
    }

    /// What a checkpoint keeps.
    pub(super) fn freeze(&self) -> (Vec<Chunk>, HashMap<u32, Vec<u32>>) {
        (self.chunks.clone(), self.many.clone())
    }

    fn find(&self, hash: Hash) -> Option<u32> {
        let is_it = |position: &u32| self.row(*position).is_some_and(|row| row.hash == hash.0);
        self.table.find(hash.0, is_it).copied()
    }

    fn push(&mut self, row: DeviceRow) -> u32 {
        let (position, hash) = (self.len, row.hash);
        match self.chunks.last_mut().filter(|chunk| chunk.len() < CHUNK_ROWS) {
            Some(chunk) => Arc::make_mut(chunk).push(row),
            None => {
                let mut chunk = Vec::with_capacity(CHUNK_ROWS);
                chunk.push(row);
                self.chunks.push(Arc::new(chunk));
            }
        }
        self.len += 1;
        let chunks = &self.chunks;
        let hash_of = |position: &u32| row_of(chunks, *position).map_or(0, |row| row.hash);
        self.table.insert_unique(hash, position, hash_of);
        position
    }

    pub(super) fn row(&self, position: u32) -> Option<&DeviceRow> {
        row_of(&self.chunks, position)
    }

    pub(super) fn row_mut(&mut self, position: Option<u32>) -> Option<&mut DeviceRow> {
        let position = position? as usize;
        Arc::make_mut(self.chunks.get_mut(position / CHUNK_ROWS)?).get_mut(position % CHUNK_ROWS)
    }

    /// The certificates that are issued or in use, on hold or not, oldest first, and some that no longer are.
    pub(super) fn live(&self, position: u32) -> Vec<u32> {
        if let Some(many) = self.many.get(&position) {
            return many.clone();
        }
        let live = self.row(position).map_or([NONE; LIVE_ROWS], |row| row.live);
        live.into_iter().take_while(|row| *row != NONE).collect()
    }

    fn set_live(&mut self, position: u32, live: Vec<u32>) {
        let Some(row) = self.row_mut(Some(position)) else { return };
        row.live = [NONE; LIVE_ROWS];
        if live.len() <= LIVE_ROWS {
            row.live.iter_mut().zip(&live).for_each(|(slot, row)| *slot = *row);
            if !self.many.is_empty() {
                self.many.remove(&position);
            }
        } else {
            self.many.insert(position, live);
        }
    }

    fn rows_from(&self, position: usize) -> impl Iterator<Item = (u32, &DeviceRow)> {
        let chunks = self.chunks.iter().skip(position / CHUNK_ROWS);
        let rows = chunks.flat_map(|chunk| chunk.iter()).skip(position % CHUNK_ROWS);
        (position as u32..).zip(rows)
    }
}

fn row_of(chunks: &[Chunk], position: u32) -> Option<&DeviceRow> {
    let position = position as usize;
    chunks.get(position / CHUNK_ROWS)?.get(position % CHUNK_ROWS)
}

impl Index {
    /// The device that owns the certificate entered last has a birth certificate: its first, or, if it has a
    /// position, that of a rework. Returns its position.
    pub(super) fn bear(&mut self, hash: Hash, position: Option<u32>, born: &Birth<'_>, number: u32) -> u32 {
        let birth = self.certificates.last();
        let station = self.callers.place(born.caller);
        let work_order = small_order(born.work_order);
        let was_confirmed = self.devices.row_mut(position).map(|row| {
            let was_confirmed = row.flags.confirmed;
            row.flags.reborn();
            (row.changed, row.birth, row.work_order) = (number, birth, work_order);
            (row.serial_number, row.station, row.born_at_ms) = (born.serial_number, station, born.at_ms);
            was_confirmed
        });
        let position = position.unwrap_or_else(|| {
            let mut live = [NONE; LIVE_ROWS];
            live[0] = birth;
            self.devices.push(DeviceRow {
                hash: hash.0,
                newest: birth,
                first: birth,
                birth,
                serial_number: born.serial_number,
                work_order,
                station,
                born_at_ms: born.at_ms,
                changed: 0,
                seen: AtomicU32::new(0),
                live,
                flags: DeviceFlags::default(),
            })
        });
        self.administration.count(born.work_order, |counts| counts.count_birth(was_confirmed));
        position
    }

    pub(super) fn change(&mut self, position: Option<u32>, change: DeviceChange, number: u32) {
        if let Some(row) = self.devices.row_mut(position) {
            row.flags.change(change);
            row.changed = number;
        }
    }

    pub(super) fn supersede(
        &mut self,
        position: Option<u32>,
        but: Option<u32>,
        number: u32,
        in_use_ends: Option<u64>,
    ) -> Result<()> {
        let Some(position) = position else { return Ok(()) };
        let live = self.devices.live(position);
        self.certificates.supersede(live.iter().copied(), but, number, in_use_ends)?;
        let kept = self.live_among(&live)?;
        if kept.len() != live.len() {
            self.devices.set_live(position, kept.into_iter().map(|(number, _)| number).collect());
        }
        Ok(())
    }

    /// The certificates of a device that are issued or in use, on hold or not, oldest first.
    pub(super) fn live_certificates(&self, position: u32) -> Result<Vec<(u32, CertificateRow)>> {
        self.live_among(&self.devices.live(position))
    }

    fn live_among(&self, certificates: &[u32]) -> Result<Vec<(u32, CertificateRow)>> {
        let mut live = Vec::with_capacity(certificates.len());
        for number in certificates {
            let row = self.certificates.get(*number)?.filter(|row| row.is_live());
            live.extend(row.map(|row| (*number, row)));
        }
        Ok(live)
    }

    pub(in crate::state) fn first_entry_of(&self, device: DeviceName<'_>) -> Result<Option<u32>> {
        let row = self.device_row(device).and_then(|position| self.devices.row(position));
        let first = row.map_or(Ok(None), |row| self.certificates.get(row.first))?;
        Ok(first.map(|row| row.entry))
    }

    /// How many devices were born.
    pub(in crate::state) fn born(&self) -> u64 {
        self.devices.len.into()
    }

    /// The positions of devices from one on, and the entries that first bore them: at most so many.
    pub(in crate::state) fn born_from(&self, position: u64, limit: usize) -> Result<Vec<(u32, u32)>> {
        let position = usize::try_from(position).unwrap_or(usize::MAX);
        let mut born = Vec::new();
        for (position, row) in self.devices.rows_from(position).take(limit) {
            born.extend(self.certificates.get(row.first)?.map(|first| (position, first.entry)));
        }
        Ok(born)
    }

    /// Enters a certificate of the device at this position; `None`: it is not born yet.
    pub(super) fn enter_certificate_of(
        &mut self,
        position: Option<u32>,
        certificate: &CertificateSummary,
        number: u32,
    ) -> Result<()> {
        let previous =
            position.and_then(|position| self.devices.row(position)).map_or(NONE, |row| row.newest);
        let newest = self.enter_certificate(certificate, previous, number);
        let Some(position) = position else { return Ok(()) };
        if let Some(row) = self.devices.row_mut(Some(position)) {
            row.newest = newest;
        }
        let mut live = self.devices.live(position);
        live.push(newest);
        if live.len() > LIVE_ROWS {
            live = self.live_among(&live)?.into_iter().map(|(number, _)| number).collect();
        }
        self.devices.set_live(position, live);
        Ok(())
    }

    pub(super) fn device_row(&self, device: DeviceName<'_>) -> Option<u32> {
        self.device_at(self.key.device(device))
    }

    pub(super) fn device_at(&self, hash: Hash) -> Option<u32> {
        self.devices.find(hash)
    }

    /// Whether a device was born; from memory alone: 64 keyed bits take another device for it.
    pub(super) fn is_born(&self, device: DeviceName<'_>) -> bool {
        self.device_row(device).is_some()
    }

    /// The entries of all certificates of a device, newest first.
    pub(in crate::state) fn entries_of(&self, device: &DeviceId) -> Result<Vec<u32>> {
        let newest = self.device(device).map_or(NONE, |(_, row)| row.newest);
        self.certificates.of_device(newest).map(|row| row.map(|(_, row)| row.entry)).collect()
    }

    /// A device's position in the order of first births, and when it was last seen.
    pub(in crate::state) fn position_of(&self, device: &DeviceId) -> Option<(u32, u32)> {
        self.device(device).map(|(position, row)| (position, row.seen.load(Ordering::Relaxed)))
    }

    pub(in crate::state) fn see(&self, device: &DeviceId, second: u32) {
        if let Some((_, row)) = self.device(device) {
            row.see(second);
        }
    }

    /// The newest certificates' entries of living devices that were last seen before a second, and where the
    /// next page starts.
    pub(in crate::state) fn silent(
        &self,
        from: u64,
        before: u64,
        limit: usize,
    ) -> Result<(Vec<u32>, Option<u64>)> {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let mut entries = Vec::new();
        for (position, row) in self.devices.rows_from(from) {
            let silent = u64::from(row.seen.load(Ordering::Relaxed)) < before;
            if !silent || row.flags.scrapped || row.flags.retired || !self.has_live_certificate(position)? {
                continue;
            }
            if entries.len() >= limit {
                return Ok((entries, Some(u64::from(position))));
            }
            entries.extend(self.certificates.get(row.newest)?.map(|newest| newest.entry));
        }
        Ok((entries, None))
    }

    /// Whether the device has a certificate that is issued or in use, on hold or not; without one it is
    /// revoked.
    fn has_live_certificate(&self, position: u32) -> Result<bool> {
        for row in self.devices.live(position) {
            if self.certificates.get(row)?.is_some_and(CertificateRow::is_live) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Where a device is in its life, the order that it was born under last, and whether its station
    /// accounted for it; without a look at the ledger.
    pub(in crate::state) fn shown(
        &self,
        device: DeviceName<'_>,
    ) -> Result<Option<(DeviceState, WorkOrderId, bool)>> {
        let Some(position) = self.device_row(device) else { return Ok(None) };
        let Some(row) = self.devices.row(position) else { return Ok(None) };
        let live = self.live_certificates(position)?;
        let enrolled = live.iter().any(|(_, certificate)| certificate.is_operational_in_use());
        let state = DeviceState::of(row.flags, !live.is_empty(), enrolled);
        let accounted = row.flags.confirmed || row.flags.scrapped;
        Ok(Some((state, WorkOrderId(row.work_order.into()), accounted)))
    }

    pub(in crate::state) fn seen(&self) -> Vec<u32> {
        self.devices.rows_from(0).map(|(_, row)| row.seen.load(Ordering::Relaxed)).collect()
    }

    /// What was written down of that; what is on record since is never moved back.
    pub(in crate::state) fn restore_seen(&self, seconds: &[u32]) {
        for ((_, row), second) in self.devices.rows_from(0).zip(seconds) {
            row.see(*second);
        }
    }

    fn device(&self, device: &DeviceId) -> Option<(u32, &DeviceRow)> {
        let position = self.device_row(device.into())?;
        Some((position, self.devices.row(position)?))
    }
}

impl DeviceRow {
    pub(super) fn see(&self, second: u32) {
        self.seen.fetch_max(second, Ordering::Relaxed);
    }

    pub(super) fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.hash.to_le_bytes());
        to.extend_from_slice(&self.born_at_ms.to_le_bytes());
        to.extend_from_slice(self.serial_number.as_bytes());
        let seen = self.seen.load(Ordering::Relaxed);
        let fields = [self.newest, self.first, self.birth, self.work_order, self.station, self.changed, seen];
        to.extend(fields.iter().chain(&self.live).flat_map(|field| field.to_le_bytes()));
        let DeviceFlags { confirmed, scrapped, retired, held, rework } = self.flags;
        let flags = [confirmed, scrapped, retired, held, rework];
        to.push(flags.iter().rev().fold(0, |bits, flag| (bits << 1) | u8::from(*flag)));
    }

    /// Reads what [`Self::write`] wrote.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (hash, rest) = bytes.split_first_chunk::<8>()?;
        let (born_at_ms, rest) = rest.split_first_chunk::<8>()?;
        let (serial_number, rest) = rest.split_first_chunk::<16>()?;
        let (fields, flags) = rest.as_chunks::<4>();
        let fields: Vec<u32> = fields.iter().map(|field| u32::from_le_bytes(*field)).collect();
        let ([newest, first, birth, work_order, station, changed, seen, live @ ..], [flags]) =
            (fields.as_slice(), flags)
        else {
            return None;
        };
        let flag = |place: u8| flags & (1 << place) != 0;
        Some(Self {
            hash: u64::from_le_bytes(*hash),
            newest: *newest,
            first: *first,
            birth: *birth,
            serial_number: SerialNumber::try_from(serial_number.as_slice()).ok()?,
            work_order: *work_order,
            station: *station,
            born_at_ms: u64::from_le_bytes(*born_at_ms),
            changed: *changed,
            seen: AtomicU32::new(*seen),
            live: live.try_into().ok()?,
            flags: DeviceFlags {
                confirmed: flag(0),
                scrapped: flag(1),
                retired: flag(2),
                held: flag(3),
                rework: flag(4),
            },
        })
    }

    /// Bytes of a row on disk.
    pub(super) const BYTES: usize = 8 + 8 + 16 + 4 * (7 + LIVE_ROWS) + 1;
}

/// Of a chunk.
const CHUNK_ROWS: usize = 1024;

/// A birth certificate, one in use, its successor, and one more.
pub(super) const LIVE_ROWS: usize = 4;

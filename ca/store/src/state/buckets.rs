//! How the projection keeps the devices of an order: serials that differ in the last character only share a
//! row, a bucket. sled copies a page for every row that it writes and keeps some hundred bytes for each page:
//! of a run of serials, a bucket makes one row in ten.

use std::collections::BTreeMap;

use identity::DeviceSerial;
use ledger::{DeviceState, WorkOrderId};

use super::projection::DeviceRow;

/// What is in a bucket, by last character.
pub(super) type DeviceBucket = BTreeMap<u8, DeviceRow>;

/// A row that must be in sled is missing or damaged.
#[derive(Debug)]
pub(super) struct Broken;

impl From<sled::Error> for Broken {
    fn from(_: sled::Error) -> Self {
        Self
    }
}

/// The key of a device's bucket, and its position there. Together they are the same for no two devices.
pub(super) fn position(work_order: WorkOrderId, serial: &str) -> (Vec<u8>, u8) {
    // A serial is ASCII and never empty.
    let (last, head) = serial.as_bytes().split_last().unwrap_or((&b' ', b""));
    (bucket_key(work_order, head), *last)
}

/// What lies in a bucket; `None`: the row is none.
pub(super) fn read(value: &[u8]) -> Option<DeviceBucket> {
    match value.as_chunks::<2>() {
        (positions, []) => positions.iter().map(|[last, row]| Some((*last, row_of(*row)?))).collect(),
        _ => None,
    }
}

pub(super) fn write(bucket: &DeviceBucket) -> Vec<u8> {
    bucket.iter().flat_map(|(last, row)| [*last, byte_of(*row)]).collect()
}

pub(super) fn is_bucket(key: &[u8]) -> bool {
    key.first() == Some(&BUCKET_PREFIX)
}

/// The devices of an order, by serial.
pub(super) struct Devices {
    buckets: sled::Iter,
    /// The next bucket, already read: its head and what is on it.
    ahead: Option<(Vec<u8>, DeviceBucket)>,
    started: bool,
    /// Devices of buckets already read, by serial.
    pending: BTreeMap<Vec<u8>, DeviceRow>,
}

impl Devices {
    pub(super) fn of(
        tree: &sled::Db,
        work_order: WorkOrderId,
        after: Option<&DeviceSerial>,
    ) -> Result<Self, Broken> {
        let after = after.map_or(&b""[..], |serial| serial.as_str().as_bytes());
        let mut pending = BTreeMap::new();
        // What follows a serial is on the buckets of its beginnings, and on those whose heads follow it.
        for (length, _) in after.iter().enumerate() {
            let head = after.get(..length).unwrap_or_default();
            if let Some(value) = tree.get(bucket_key(work_order, head))? {
                let devices = serials(head, read(&value).ok_or(Broken)?);
                pending.extend(devices.filter(|(serial, _)| serial.as_slice() > after));
            }
        }
        let buckets =
            tree.range(bucket_key(work_order, after)..bucket_key(WorkOrderId(work_order.0 + 1), b""));
        Ok(Self { buckets, ahead: None, started: false, pending })
    }

    fn advance(&mut self) -> Result<Option<(DeviceSerial, DeviceRow)>, Broken> {
        if !std::mem::replace(&mut self.started, true) {
            self.look_ahead()?;
        }
        loop {
            // Everything in a bucket, and in those behind it, follows the bucket's head.
            let first = self.pending.first_entry();
            match (first, &self.ahead) {
                (Some(first), Some((head, _))) if first.key() <= head => return device(first.remove_entry()),
                (Some(first), None) => return device(first.remove_entry()),
                (None, None) => return Ok(None),
                (_, Some(_)) => {
                    if let Some((head, bucket)) = self.ahead.take() {
                        self.pending.extend(serials(&head, bucket));
                    }
                    self.look_ahead()?;
                }
            }
        }
    }

    fn look_ahead(&mut self) -> Result<(), Broken> {
        self.ahead = match self.buckets.next() {
            Some(row) => {
                let (key, value) = row?;
                let head = key.get(HEAD_OFFSET..).ok_or(Broken)?;
                Some((head.to_vec(), read(&value).ok_or(Broken)?))
            }
            None => None,
        };
        Ok(())
    }
}

impl Iterator for Devices {
    type Item = Result<(DeviceSerial, DeviceRow), Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

fn serials(head: &[u8], bucket: DeviceBucket) -> impl Iterator<Item = (Vec<u8>, DeviceRow)> {
    bucket.into_iter().map(move |(last, row)| ([head, &[last]].concat(), row))
}

fn device((serial, row): (Vec<u8>, DeviceRow)) -> Result<Option<(DeviceSerial, DeviceRow)>, Broken> {
    let serial = str::from_utf8(&serial).ok().and_then(|serial| serial.parse().ok());
    serial.map(|serial| Some((serial, row))).ok_or(Broken)
}

fn bucket_key(work_order: WorkOrderId, head: &[u8]) -> Vec<u8> {
    [&[BUCKET_PREFIX][..], &work_order.0.to_be_bytes(), head].concat()
}

fn byte_of(row: DeviceRow) -> u8 {
    let state = match row.state {
        DeviceState::Issued => 1,
        DeviceState::Provisioned => 2,
        DeviceState::Enrolled => 3,
        DeviceState::Scrapped => 4,
        DeviceState::Held => 5,
        DeviceState::Retired => 6,
        DeviceState::Revoked => 7,
    };
    if row.accounted { state | ACCOUNTED } else { state }
}

fn row_of(byte: u8) -> Option<DeviceRow> {
    let state = match byte & !ACCOUNTED {
        1 => DeviceState::Issued,
        2 => DeviceState::Provisioned,
        3 => DeviceState::Enrolled,
        4 => DeviceState::Scrapped,
        5 => DeviceState::Held,
        6 => DeviceState::Retired,
        7 => DeviceState::Revoked,
        _ => return None,
    };
    Some(DeviceRow { state, accounted: byte & ACCOUNTED != 0 })
}

const BUCKET_PREFIX: u8 = b'd';

/// Of a bucket's key, before the head: the letter and the work order.
const HEAD_OFFSET: usize = 9;

const ACCOUNTED: u8 = 0x80;

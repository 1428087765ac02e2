//! What is read from the projection, and from the entries themselves. Everything here may block, and
//! everything that sled does is caught.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use identity::{DeviceId, DeviceSerial, Principal, Product};
use ledger::{DeviceFacts, EntryNumber, View, WorkOrderId};

use super::Shared;
use super::buckets::{Broken, Devices};
use super::projection::DeviceRow;
use crate::{CertificateRecord, Cursor, DeviceFilter, Page, Result, Unaccounted, page};

impl Shared {
    pub(super) fn list_devices(
        &self,
        filter: &DeviceFilter,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<DeviceFacts>> {
        let after = cursor.map(page::device_of).transpose()?;
        let orders = self.orders_of(filter)?;
        let found = self.read(|tree| {
            let mut ids: Vec<DeviceId> = Vec::new();
            let mut scanned = 0;
            for (product, orders) in &orders {
                if after.as_ref().is_some_and(|after| *product < after.product) {
                    continue;
                }
                let from =
                    after.as_ref().filter(|after| after.product == *product).map(|after| &after.serial);
                for row in merge(tree, orders, from) {
                    let (serial, row) = row?;
                    scanned += 1;
                    let id = DeviceId { product: product.clone(), serial };
                    if filter.state.is_none_or(|state| state == row.state) && filter.matches_text(&id) {
                        if ids.len() == limit {
                            let next = ids.last().map(page::after_device);
                            return Ok((ids, next));
                        }
                        ids.push(id);
                    } else if scanned >= SCANNED_ROWS_MAX {
                        return Ok((ids, Some(page::after_device(&id))));
                    }
                }
            }
            Ok((ids, None))
        })?;
        let (rows, next) = found;
        // A row may have been overtaken since it was projected.
        self.view(|index| {
            let now = |id| Ok(index.device(&id)?.filter(|device| filter.matches(device)));
            Page { rows, next }.try_map(now)
        })
    }

    pub(super) fn certificates_of(
        &self,
        holder: &Principal,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<CertificateRecord>> {
        // The entries of a device are in memory; only those of the page are read.
        let serial_numbers = match holder {
            Principal::Device(device) => {
                let mut entries = self.view(|rows| rows.index.entries_of(device))?;
                entries.reverse();
                page::of_list(&entries, cursor, limit)?.try_map(|number| {
                    let entry = self.entries.at(number)?;
                    Ok(entry.event.certificate().map(|certificate| certificate.serial_number))
                })?
            }
            Principal::Named { role, name } => {
                let known = self.view(|rows| rows.principal(*role, name))?;
                let all = known.map(|facts| facts.certificates).unwrap_or_default();
                page::of_list(&all, cursor, limit)?
            }
        };
        serial_numbers.try_map(|serial_number| self.certificate_record(&serial_number))
    }

    pub(super) fn list_expiring(
        &self,
        before: SystemTime,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<CertificateRecord>> {
        let from = match cursor {
            Some(cursor) => {
                let (second, entry) = page::expiry_of(cursor)?;
                (second, u32::try_from(entry.0).unwrap_or(u32::MAX).saturating_add(1))
            }
            None => (0, 0),
        };
        let since_epoch = before.duration_since(UNIX_EPOCH).unwrap_or_default();
        // A last second counts as before the moment if any of it is.
        let seconds = since_epoch.as_secs() + u64::from(since_epoch.subsec_nanos() > 0);
        let found =
            self.certificates(|certificates| certificates.expiring(from, seconds, limit.saturating_add(1)))?;
        let found: Vec<_> =
            found.into_iter().map(|(second, entry)| (second, EntryNumber(entry.into()))).collect();
        let more = found.len() > limit;
        let rows: Vec<_> = found.into_iter().take(limit).collect();
        let next = rows.last().filter(|_| more).map(|(second, entry)| page::after(*second, *entry));
        Page { rows, next }.try_map(|(_, number)| {
            let entry = self.entries.get(number)?;
            let certificate = entry.event.certificate();
            certificate.map_or(Ok(None), |certificate| self.certificate_record(&certificate.serial_number))
        })
    }

    pub(super) fn list_unaccounted(&self, work_order: WorkOrderId, limit: usize) -> Result<Unaccounted> {
        let order = self.view(|rows| rows.work_order(work_order))?;
        let Some(order) = order else { return Ok(Unaccounted { count: 0, devices: Vec::new() }) };
        let count = order.counts.issued.saturating_sub(order.counts.confirmed + order.counts.scrapped);
        let devices = self.read(|tree| {
            let mut devices = Vec::new();
            for row in Devices::of(tree, work_order, None)? {
                let (serial, row) = row?;
                if devices.len() as u64 >= count.min(limit as u64) {
                    break;
                }
                if !row.accounted {
                    devices.push(DeviceId { product: order.terms.product.clone(), serial });
                }
            }
            Ok(devices)
        })?;
        Ok(Unaccounted { count, devices })
    }

    /// Reads sled once it shows all that is on record. An error or a panic of sled causes a rebuild.
    fn read<T>(&self, read: impl Fn(&sled::Db) -> Result<T, Broken>) -> Result<T> {
        let tree = self.projection.wait_for(self.head().0, PATIENCE)?;
        match catch_unwind(AssertUnwindSafe(|| read(&tree))) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(Broken)) | Err(_) => Err(self.projection.suspect()),
        }
    }

    fn orders_of(&self, filter: &DeviceFilter) -> Result<Vec<(Product, Vec<WorkOrderId>)>> {
        let index = self.index.read();
        let rows = self.rows(&index);
        let mut products = std::collections::BTreeMap::<Product, Vec<WorkOrderId>>::new();
        for id in (1..=rows.work_orders()?).map(WorkOrderId) {
            let Some(order) = rows.work_order(id)? else { continue };
            let wanted = filter.work_order.is_none_or(|work_order| work_order == id)
                && filter.product.as_ref().is_none_or(|product| *product == order.terms.product);
            if wanted && order.counts.issued > 0 {
                products.entry(order.terms.product.clone()).or_default().push(id);
            }
        }
        Ok(products.into_iter().collect())
    }
}

/// The devices of several orders of one product, by serial.
fn merge(
    tree: &sled::Db,
    orders: &[WorkOrderId],
    after: Option<&DeviceSerial>,
) -> impl Iterator<Item = Result<(DeviceSerial, DeviceRow), Broken>> {
    let mut sources = Vec::new();
    let mut heap = BinaryHeap::new();
    let mut broken = false;
    let pull = move |source: &mut Devices, position: usize, heap: &mut BinaryHeap<_>| {
        source.next().transpose().map(|row| {
            heap.extend(row.map(|(serial, row)| Reverse((serial, position, row.state, row.accounted))));
        })
    };
    for id in orders {
        let Ok(mut source) = Devices::of(tree, *id, after) else {
            broken = true;
            break;
        };
        broken |= pull(&mut source, sources.len(), &mut heap).is_err();
        sources.push(source);
    }
    std::iter::from_fn(move || {
        if std::mem::take(&mut broken) {
            return Some(Err(Broken));
        }
        let Reverse((serial, position, state, accounted)) = heap.pop()?;
        if let Some(source) = sources.get_mut(position)
            && pull(source, position, &mut heap).is_err()
        {
            broken = true;
        }
        Some(Ok((serial, DeviceRow { state, accounted })))
    })
}

/// How long a listing waits for the projection: longer than it ever lags in the steady state, shorter than a
/// caller's patience.
const PATIENCE: Duration = Duration::from_secs(3);

/// Rows that one page looks at when the filter matches few of them: some milliseconds of work.
const SCANNED_ROWS_MAX: usize = 20_000;

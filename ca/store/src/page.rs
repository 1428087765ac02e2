//! Cursors and the pages of what is kept in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use identity::{DeviceId, IssuerName, PrincipalName, Product, Role, SerialNumber};
use ledger::{
    AlarmFacts, AlarmKind, EntryNumber, PrincipalFacts, ProductFacts, ReservationFacts, ReservationId,
    WorkOrderFacts, WorkOrderId,
};

use super::{ReservationFilter, Result, StoreError};

/// Some rows of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows, in the listing's order.
    pub rows: Vec<T>,
    /// Where the next page starts; `None`: this was the last.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// The page with each row looked up; rows that are not found are left out.
    pub(crate) fn try_map<U>(self, look_up: impl Fn(T) -> Result<Option<U>>) -> Result<Page<U>> {
        let rows = self.rows.into_iter().filter_map(|row| look_up(row).transpose());
        Ok(Page { rows: rows.collect::<Result<_, _>>()?, next: self.next })
    }
}

/// Where a page starts. Opaque; good for the listing and the filter that gave it out, also after a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub(crate) Vec<u8>);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl FromStr for Cursor {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > CURSOR_CHARACTERS_MAX {
            return Err(StoreError::CursorUnknown);
        }
        hex::decode(text).map(Self).map_err(|_| StoreError::CursorUnknown)
    }
}

/// Work orders from the newest down; their ids are 1 to `newest`.
pub(super) fn work_orders(
    newest: u64,
    cursor: Option<&Cursor>,
    limit: usize,
    read: impl Fn(WorkOrderId) -> Result<Option<WorkOrderFacts>>,
) -> Result<Page<WorkOrderFacts>> {
    let from = match cursor {
        Some(cursor) => number_of(cursor)?.min(newest),
        None => newest,
    };
    let mut rows = Vec::new();
    let mut id = from;
    while id > 0 && rows.len() < limit {
        rows.extend(read(WorkOrderId(id))?);
        id -= 1;
    }
    Ok(Page { rows, next: (id > 0).then(|| at_number(id)) })
}

/// Reservations from the newest down; their ids are 1 to `newest`.
pub(super) fn reservations(
    filter: &ReservationFilter,
    newest: u64,
    cursor: Option<&Cursor>,
    limit: usize,
    read: impl Fn(ReservationId) -> Result<Option<ReservationFacts>>,
) -> Result<Page<ReservationFacts>> {
    let from = cursor.map(number_of).transpose()?.map_or(newest, |from| from.min(newest));
    let last = from.saturating_sub(SCANNED_ENTRIES_MAX);
    let mut rows = Vec::new();
    let mut id = from;
    while id > last && rows.len() < limit {
        rows.extend(read(ReservationId(id))?.filter(|facts| filter.matches(facts)));
        id -= 1;
    }
    Ok(Page { rows, next: (id > 0).then(|| at_number(id)) })
}

pub(super) fn principals(
    principals: &BTreeMap<(Role, PrincipalName), PrincipalFacts>,
    cursor: Option<&Cursor>,
    limit: usize,
) -> Result<Page<PrincipalFacts>> {
    let after = cursor.map(principal_of).transpose()?;
    Ok(of_map(principals, after, limit, |facts| format!("{}:{}", facts.role, facts.name)))
}

pub(super) fn products(
    products: &BTreeMap<Product, ProductFacts>,
    cursor: Option<&Cursor>,
    limit: usize,
) -> Result<Page<ProductFacts>> {
    let after = cursor.map(|cursor| text_of(cursor)?.parse().map_err(|_| StoreError::CursorUnknown));
    Ok(of_map(products, after.transpose()?, limit, |facts| facts.product.to_string()))
}

/// The rows behind a key. The cursor has the key of the last row, as `text` writes it.
fn of_map<K: Ord, V: Clone>(
    map: &BTreeMap<K, V>,
    after: Option<K>,
    limit: usize,
    text: impl Fn(&V) -> String,
) -> Page<V> {
    use std::ops::Bound::{Excluded, Unbounded};
    let mut following = map.range((after.map_or(Unbounded, Excluded), Unbounded));
    let rows: Vec<_> = following.by_ref().take(limit).map(|(_, row)| row.clone()).collect();
    let last = rows.last().filter(|_| following.next().is_some());
    let next = last.map(|row| Cursor(text(row).into_bytes()));
    Page { rows, next }
}

fn text_of(cursor: &Cursor) -> Result<&str> {
    str::from_utf8(&cursor.0).map_err(|_| StoreError::CursorUnknown)
}

fn principal_of(cursor: &Cursor) -> Result<(Role, PrincipalName)> {
    let (role, name) = text_of(cursor)?.split_once(':').ok_or(StoreError::CursorUnknown)?;
    match (role.parse(), name.parse()) {
        (Ok(role), Ok(name)) => Ok((role, name)),
        _ => Err(StoreError::CursorUnknown),
    }
}

pub(super) fn number_of(cursor: &Cursor) -> Result<u64> {
    cursor.0.as_slice().try_into().map(u64::from_be_bytes).map_err(|_| StoreError::CursorUnknown)
}

/// A page of a list that only grows at its end.
pub(super) fn of_list<T: Clone>(list: &[T], cursor: Option<&Cursor>, limit: usize) -> Result<Page<T>> {
    let from = cursor.map(number_of).transpose()?.unwrap_or(0);
    let rest = list.get(usize::try_from(from).unwrap_or(usize::MAX)..).unwrap_or_default();
    let rows: Vec<_> = rest.iter().take(limit).cloned().collect();
    let next = (rest.len() > limit).then(|| at_number(from + rows.len() as u64));
    Ok(Page { rows, next })
}

/// Certificates in the order of their entries: `certificate` says what the entry with a number holds. The
/// cursor is the last entry that was looked at.
pub(super) fn recorded(
    issuer: Option<IssuerName>,
    cursor: Option<&Cursor>,
    limit: usize,
    head: u64,
    certificate: impl Fn(EntryNumber) -> Result<Option<(IssuerName, SerialNumber)>>,
) -> Result<Page<SerialNumber>> {
    let after = cursor.map(number_of).transpose()?.unwrap_or(0);
    let mut rows = Vec::new();
    for number in after.saturating_add(1)..=head {
        if let Some((signed_by, serial_number)) = certificate(EntryNumber(number))?
            && issuer.is_none_or(|issuer| issuer == signed_by)
        {
            rows.push(serial_number);
        }
        if number < head && (rows.len() >= limit || number - after >= SCANNED_ENTRIES_MAX) {
            return Ok(Page { rows, next: Some(at_number(number)) });
        }
    }
    Ok(Page { rows, next: None })
}

/// Longest cursor that we give out: a device id and a few numbers, in hexadecimal.
const CURSOR_CHARACTERS_MAX: usize = 512;

/// Entries, or reservations, that one page looks at when few of them are wanted: some milliseconds of work.
const SCANNED_ENTRIES_MAX: u64 = 10_000;

pub(super) fn at_number(position: u64) -> Cursor {
    Cursor(position.to_be_bytes().to_vec())
}

/// Alarms of a kind, newest first; the cursor is the position behind the next.
pub(super) fn alarms(
    alarms: &[AlarmFacts],
    kind: Option<AlarmKind>,
    cursor: Option<&Cursor>,
    limit: usize,
) -> Result<Page<EntryNumber>> {
    let behind = cursor.map(number_of).transpose()?.and_then(|position| usize::try_from(position).ok());
    let older = alarms.get(..behind.unwrap_or(alarms.len())).unwrap_or(alarms);
    let mut rows = Vec::new();
    for (position, alarm) in older.iter().enumerate().rev() {
        if kind.is_some_and(|kind| alarm.kind != kind) {
            continue;
        }
        if rows.len() >= limit {
            return Ok(Page { rows, next: Some(at_number(position as u64 + 1)) });
        }
        rows.push(alarm.entry);
    }
    Ok(Page { rows, next: None })
}

pub(super) fn after_device(device: &DeviceId) -> Cursor {
    Cursor(device.to_string().into_bytes())
}

pub(super) fn device_of(cursor: &Cursor) -> Result<DeviceId> {
    text_of(cursor)?.parse().map_err(|_| StoreError::CursorUnknown)
}

/// The page that follows this position in the order of expiry.
pub(super) fn after(second: u64, entry: EntryNumber) -> Cursor {
    Cursor([second.to_be_bytes(), entry.0.to_be_bytes()].concat())
}

pub(super) fn expiry_of(cursor: &Cursor) -> Result<(u64, EntryNumber)> {
    match cursor.0.as_chunks::<8>() {
        ([second, entry], []) => Ok((u64::from_be_bytes(*second), EntryNumber(u64::from_be_bytes(*entry)))),
        _ => Err(StoreError::CursorUnknown),
    }
}

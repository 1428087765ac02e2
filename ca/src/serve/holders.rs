//! Fair shares (R-CA-15): a principal takes only its part of what there is, with however many certificates and connections it comes. A stolen
//! station, a cloned device or a thousand of them must not shut out the operator who comes to revoke them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use authority::{Caller, CallerKind};
use identity::Principal;
use parking_lot::Mutex;

/// Everybody who has a connection, and how many places there are.
pub(super) struct Holders {
    connections: Room,
    calls: Room,
    known: Mutex<HashMap<Principal, Weak<Holder>>>,
}

/// One principal, as long as it has a connection.
pub(super) struct Holder {
    principal: Principal,
    class: Class,
    connections: AtomicUsize,
    calls: AtomicUsize,
    holders: Weak<Holders>,
}

/// What one principal holds of one kind of place, until this is dropped.
pub(super) struct Share {
    holders: Arc<Holders>,
    holder: Arc<Holder>,
    kind: Kind,
}

/// What there are places for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Connections,
    Calls,
}

/// Whose places are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Operator,
    Device,
    /// Stations, relying parties, services.
    Other,
}

/// The places of one kind: how many there may be, and how many are taken.
struct Room {
    /// Of devices and others together; operators have their own.
    max: usize,
    devices_max: usize,
    operators_max: usize,
    of_one_device_max: usize,
    taken: AtomicUsize,
    taken_by_devices: AtomicUsize,
    taken_by_operators: AtomicUsize,
}

impl Holders {
    /// So many places for all who are not operators; those of operators are kept for them, beside these.
    pub(super) fn new(connections_max: usize, calls_max: usize) -> Arc<Self> {
        Arc::new(Self {
            connections: Room::new(connections_max, OPERATOR_CONNECTIONS_MAX, DEVICE_CONNECTIONS_MAX),
            calls: Room::new(calls_max, OPERATOR_CALLS_MAX, DEVICE_CALLS_MAX),
            known: Mutex::default(),
        })
    }

    /// The principal that this caller is.
    pub(super) fn holder(self: &Arc<Self>, caller: &Caller) -> Arc<Holder> {
        let mut known = self.known.lock();
        if let Some(holder) = known.get(caller.principal()).and_then(Weak::upgrade) {
            return holder;
        }
        let holder = Arc::new(Holder {
            principal: caller.principal().clone(),
            class: Class::of(caller.kind()),
            connections: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
            holders: Arc::downgrade(self),
        });
        known.insert(holder.principal.clone(), Arc::downgrade(&holder));
        holder
    }

    /// A place for a connection; `None`: the principal has its share, or all are taken.
    pub(super) fn take_connection(self: &Arc<Self>, holder: &Arc<Holder>) -> Option<Share> {
        self.take(holder, Kind::Connections)
    }

    /// A place for a call, as for a connection.
    pub(super) fn take_call(self: &Arc<Self>, holder: &Arc<Holder>) -> Option<Share> {
        self.take(holder, Kind::Calls)
    }

    fn take(self: &Arc<Self>, holder: &Arc<Holder>, kind: Kind) -> Option<Share> {
        let room = self.room(kind);
        if !take_below(holder.count(kind), room.of_one_max(holder.class)) {
            return None;
        }
        if !room.take(holder.class) {
            holder.count(kind).fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Share { holders: Arc::clone(self), holder: Arc::clone(holder), kind })
    }

    fn room(&self, kind: Kind) -> &Room {
        match kind {
            Kind::Connections => &self.connections,
            Kind::Calls => &self.calls,
        }
    }
}

impl Holder {
    fn count(&self, kind: Kind) -> &AtomicUsize {
        match kind {
            Kind::Connections => &self.connections,
            Kind::Calls => &self.calls,
        }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let Some(holders) = self.holders.upgrade() else { return };
        let mut known = holders.known.lock();
        // It may have come back meanwhile, as another one.
        if known.get(&self.principal).is_some_and(|holder| holder.strong_count() == 0) {
            known.remove(&self.principal);
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.holders.room(self.kind).give_back(self.holder.class);
        self.holder.count(self.kind).fetch_sub(1, Ordering::Relaxed);
    }
}

impl Class {
    fn of(kind: CallerKind) -> Self {
        match kind {
            CallerKind::Operator => Self::Operator,
            CallerKind::DeviceBirth | CallerKind::DeviceOperational => Self::Device,
            CallerKind::Station | CallerKind::RelyingParty | CallerKind::Service => Self::Other,
        }
    }
}

impl Room {
    fn new(max: usize, operators_max: usize, of_one_device_max: usize) -> Self {
        Self {
            max,
            devices_max: max - max / KEPT_FROM_DEVICES_DIVISOR,
            operators_max,
            of_one_device_max,
            taken: AtomicUsize::new(0),
            taken_by_devices: AtomicUsize::new(0),
            taken_by_operators: AtomicUsize::new(0),
        }
    }

    fn of_one_max(&self, class: Class) -> usize {
        match class {
            Class::Operator => self.operators_max / SHARE_DIVISOR,
            Class::Device => self.of_one_device_max,
            Class::Other => (self.max / SHARE_DIVISOR).max(SHARE_MIN),
        }
    }

    fn take(&self, class: Class) -> bool {
        match class {
            Class::Operator => take_below(&self.taken_by_operators, self.operators_max),
            Class::Other => take_below(&self.taken, self.max),
            Class::Device => {
                if !take_below(&self.taken_by_devices, self.devices_max) {
                    return false;
                }
                let taken = take_below(&self.taken, self.max);
                if !taken {
                    self.taken_by_devices.fetch_sub(1, Ordering::Relaxed);
                }
                taken
            }
        }
    }

    fn give_back(&self, class: Class) {
        match class {
            Class::Operator => self.taken_by_operators.fetch_sub(1, Ordering::Relaxed),
            Class::Other => self.taken.fetch_sub(1, Ordering::Relaxed),
            Class::Device => {
                self.taken_by_devices.fetch_sub(1, Ordering::Relaxed);
                self.taken.fetch_sub(1, Ordering::Relaxed)
            }
        };
    }
}

/// Counts one more, unless there are `max`.
fn take_below(count: &AtomicUsize, max: usize) -> bool {
    count
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| (count < max).then_some(count + 1))
        .is_ok()
}

/// Connections kept for operators: people with a command line or two, and their scripts.
const OPERATOR_CONNECTIONS_MAX: usize = 256;

/// Calls kept for operators. A call may have a manifest of 8 MiB.
const OPERATOR_CALLS_MAX: usize = 1_024;

/// The connections of one device: its agent has one, and it may have lost others without noticing.
const DEVICE_CONNECTIONS_MAX: usize = 16;

/// The calls of one device: it makes one after the other.
const DEVICE_CALLS_MAX: usize = 64;

/// An operator, a station, a relying party or a service has at most a quarter of the places of its kind.
const SHARE_DIVISOR: usize = 4;

/// What a station may hold at once, however small the whole is: its slots.
const SHARE_MIN: usize = 16;

/// An eighth of the places is never given to devices: a fleet that comes back all at once must not stop a factory line or a broker.
const KEPT_FROM_DEVICES_DIVISOR: usize = 8;

#[cfg(test)]
mod tests;

//! Quotas per principal (R-CA-15): a stolen station or cloned devices leave operators what they need.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use authority::{Caller, CallerKind};
use identity::{Principal, Role};
use parking_lot::Mutex;

pub(super) struct PerClientQuota {
    connections: Pool,
    calls: Pool,
    clients: Mutex<HashMap<Option<Principal>, Weak<ClientUsage>>>,
}

/// What one principal uses, as long as it has a connection.
pub(super) struct ClientUsage {
    principal: Option<Principal>,
    class: Class,
    connections: AtomicUsize,
    calls: AtomicUsize,
    quota: Weak<PerClientQuota>,
}

/// One connection or call of a principal, given back on drop.
pub(super) struct QuotaPermit {
    quota: Arc<PerClientQuota>,
    usage: Arc<ClientUsage>,
    resource: Resource,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resource {
    Connections,
    Calls,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Operator,
    Device,
    /// Stations, relying parties, services.
    Other,
}

struct Pool {
    /// Of devices and others together; operators have a pool of their own.
    max: usize,
    devices_max: usize,
    operators_max: usize,
    per_device_max: usize,
    used: AtomicUsize,
    used_by_devices: AtomicUsize,
    used_by_operators: AtomicUsize,
}

impl PerClientQuota {
    /// Limits for all who are not operators together; operators have fixed limits beside these.
    pub(super) fn new(connections_max: usize, calls_max: usize) -> Arc<Self> {
        Arc::new(Self {
            connections: Pool::new(connections_max, OPERATOR_CONNECTIONS_MAX, DEVICE_CONNECTIONS_MAX),
            calls: Pool::new(calls_max, OPERATOR_CALLS_MAX, DEVICE_CALLS_MAX),
            clients: Mutex::default(),
        })
    }

    /// The usage of this caller's principal, shared by all its connections.
    pub(super) fn usage(self: &Arc<Self>, caller: &Caller) -> Arc<ClientUsage> {
        let (mut clients, principal) = (self.clients.lock(), caller.principal().cloned());
        if let Some(usage) = clients.get(&principal).and_then(Weak::upgrade) {
            return usage;
        }
        let usage = Arc::new(ClientUsage {
            principal: principal.clone(),
            class: Class::of(caller.kind()),
            connections: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
            quota: Arc::downgrade(self),
        });
        clients.insert(principal, Arc::downgrade(&usage));
        usage
    }

    /// A permit for a connection; `None`: the quota of the principal or of its class is used up.
    pub(super) fn acquire_connection(self: &Arc<Self>, usage: &Arc<ClientUsage>) -> Option<QuotaPermit> {
        self.acquire(usage, Resource::Connections)
    }

    /// A permit for a call, as [`Self::acquire_connection`].
    pub(super) fn acquire_call(self: &Arc<Self>, usage: &Arc<ClientUsage>) -> Option<QuotaPermit> {
        self.acquire(usage, Resource::Calls)
    }

    fn acquire(self: &Arc<Self>, usage: &Arc<ClientUsage>, resource: Resource) -> Option<QuotaPermit> {
        let pool = self.pool(resource);
        if !take_below(usage.count(resource), pool.per_client_max(usage.class)) {
            return None;
        }
        if !pool.take(usage.class) {
            usage.count(resource).fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(QuotaPermit { quota: Arc::clone(self), usage: Arc::clone(usage), resource })
    }

    fn pool(&self, resource: Resource) -> &Pool {
        match resource {
            Resource::Connections => &self.connections,
            Resource::Calls => &self.calls,
        }
    }
}

impl ClientUsage {
    fn count(&self, resource: Resource) -> &AtomicUsize {
        match resource {
            Resource::Connections => &self.connections,
            Resource::Calls => &self.calls,
        }
    }
}

impl Drop for ClientUsage {
    fn drop(&mut self) {
        let Some(quota) = self.quota.upgrade() else { return };
        let mut clients = quota.clients.lock();
        // The principal may have connected again meanwhile, with another entry.
        if clients.get(&self.principal).is_some_and(|usage| usage.strong_count() == 0) {
            clients.remove(&self.principal);
        }
    }
}

impl Drop for QuotaPermit {
    fn drop(&mut self) {
        self.quota.pool(self.resource).give_back(self.usage.class);
        self.usage.count(self.resource).fetch_sub(1, Ordering::Relaxed);
    }
}

impl Class {
    fn of(kind: CallerKind) -> Self {
        match kind {
            CallerKind::Named(Role::Operator) => Self::Operator,
            CallerKind::DeviceBirth | CallerKind::DeviceOperational => Self::Device,
            CallerKind::Named(_) | CallerKind::BareKey => Self::Other,
        }
    }
}

impl Pool {
    fn new(max: usize, operators_max: usize, per_device_max: usize) -> Self {
        Self {
            max,
            devices_max: max - max / NOT_FOR_DEVICES_DIVISOR,
            operators_max,
            per_device_max,
            used: AtomicUsize::new(0),
            used_by_devices: AtomicUsize::new(0),
            used_by_operators: AtomicUsize::new(0),
        }
    }

    fn per_client_max(&self, class: Class) -> usize {
        match class {
            Class::Operator => self.operators_max / SHARE_DIVISOR,
            Class::Device => self.per_device_max,
            Class::Other => (self.max / SHARE_DIVISOR).max(SHARE_MIN),
        }
    }

    fn take(&self, class: Class) -> bool {
        match class {
            Class::Operator => take_below(&self.used_by_operators, self.operators_max),
            Class::Other => take_below(&self.used, self.max),
            Class::Device => {
                if !take_below(&self.used_by_devices, self.devices_max) {
                    return false;
                }
                let taken = take_below(&self.used, self.max);
                if !taken {
                    self.used_by_devices.fetch_sub(1, Ordering::Relaxed);
                }
                taken
            }
        }
    }

    fn give_back(&self, class: Class) {
        match class {
            Class::Operator => self.used_by_operators.fetch_sub(1, Ordering::Relaxed),
            Class::Other => self.used.fetch_sub(1, Ordering::Relaxed),
            Class::Device => {
                self.used_by_devices.fetch_sub(1, Ordering::Relaxed);
                self.used.fetch_sub(1, Ordering::Relaxed)
            }
        };
    }
}

/// Increments the count unless it is `max`; whether it did.
fn take_below(count: &AtomicUsize, max: usize) -> bool {
    count
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| (count < max).then_some(count + 1))
        .is_ok()
}

/// Connections of operators: a few people at command lines, and their scripts.
const OPERATOR_CONNECTIONS_MAX: usize = 256;

/// Calls of operators. A call can have a manifest of 8 MiB.
const OPERATOR_CALLS_MAX: usize = 1_024;

/// Connections of one device: its agent uses one, and others may have broken without the server noticing yet.
const DEVICE_CONNECTIONS_MAX: usize = 16;

/// Calls of one device, which makes one at a time.
const DEVICE_CALLS_MAX: usize = 64;

/// An operator, a station, a relying party or a service gets at most a quarter of its pool.
const SHARE_DIVISOR: usize = 4;

/// The least that a station gets, however small the pool is: its slots.
const SHARE_MIN: usize = 16;

/// An eighth of each pool is not for devices: a fleet that reconnects must not stop a factory line.
const NOT_FOR_DEVICES_DIVISOR: usize = 8;

#[cfg(test)]
mod tests;

//! Places for connections. Principals do not take each other's, strangers do not take theirs, and whoever is refused gets one for as long as it
//! takes to be told why.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Weak};

use identity::SerialNumber;
use parking_lot::{Mutex, MutexGuard};

use super::holders::{Holders, Share};
use super::visitor::{Visitor, Who};
use crate::config::Limits;
use crate::crowd::{Crowd, Entered, Guest};

/// What there is.
pub(super) struct Places {
    holders: Arc<Holders>,
    strangers: Arc<Crowd>,
    refused: Arc<Crowd>,
    /// Open connections by the certificate that they showed.
    open: Mutex<HashMap<SerialNumber, Vec<Weak<Visitor>>>>,
}

/// What a connection holds of it.
pub(super) enum Place {
    /// Of a principal.
    Known {
        /// Given back when the connection ends.
        _place: KnownPlace,
    },
    /// Of those that showed no certificate, or one that is refused: may be cut for a fresh one.
    Crowd(Guest),
}

/// A principal's place, and its entry among the open connections.
pub(super) struct KnownPlace {
    _share: Share,
    places: Arc<Places>,
    certificate: SerialNumber,
    visitor: Weak<Visitor>,
}

impl Places {
    pub(super) fn new(limits: &Limits, holders: Arc<Holders>) -> Arc<Self> {
        Arc::new(Self {
            holders,
            strangers: Crowd::new(limits.anonymous_connections_max),
            refused: Crowd::new(REFUSED_CONNECTIONS_MAX),
            open: Mutex::default(),
        })
    }

    /// A place for a connection from this address, and whether another was cut for it; `None`: there is none.
    pub(super) fn take(self: &Arc<Self>, visitor: &Arc<Visitor>, from: IpAddr) -> Option<(Place, Entered)> {
        let crowd = match &visitor.who {
            Who::Nobody => &self.strangers,
            Who::Refused => &self.refused,
            Who::Known { caller, holder } => {
                let share = self.holders.take_connection(holder)?;
                let certificate = caller.certificate();
                let visitor = Arc::downgrade(visitor);
                self.open().entry(certificate).or_default().push(Weak::clone(&visitor));
                let place = KnownPlace { _share: share, places: Arc::clone(self), certificate, visitor };
                return Some((Place::Known { _place: place }, Entered::Free));
            }
        };
        crowd.enter(from).map(|(guest, entered)| (Place::Crowd(guest), entered))
    }

    /// The open connections that showed this certificate.
    pub(super) fn with(&self, certificate: &SerialNumber) -> Vec<Arc<Visitor>> {
        let open = self.open();
        open.get(certificate).map(|all| all.iter().filter_map(Weak::upgrade).collect()).unwrap_or_default()
    }

    /// All open connections of principals.
    pub(super) fn all(&self) -> Vec<Arc<Visitor>> {
        self.open().values().flatten().filter_map(Weak::upgrade).collect()
    }

    fn open(&self) -> MutexGuard<'_, HashMap<SerialNumber, Vec<Weak<Visitor>>>> {
        self.open.lock()
    }
}

impl Place {
    /// The place among those who may be cut, if it is one.
    pub(super) fn guest(&self) -> Option<&Guest> {
        match self {
            Self::Known { .. } => None,
            Self::Crowd(guest) => Some(guest),
        }
    }
}

impl Drop for KnownPlace {
    fn drop(&mut self) {
        let mut open = self.places.open();
        if let Some(all) = open.get_mut(&self.certificate) {
            all.retain(|visitor| !Weak::ptr_eq(visitor, &self.visitor));
            if all.is_empty() {
                open.remove(&self.certificate);
            }
        }
    }
}

/// Connections of those whose certificate is refused: each takes milliseconds to be told so.
const REFUSED_CONNECTIONS_MAX: usize = 64;

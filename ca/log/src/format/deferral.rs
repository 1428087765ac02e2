//! Refusals after a deferral.

use identity::KeyFingerprint;
use ledger::{Event, RefusedDeferral, ReservationId, UnitFlaw, WorkOrderId};

use super::proto::{self, UnitFlaw as Flaw};
use super::{milliseconds, octets, time};

impl proto::DeferralRefused {
    pub(super) fn of(refused: &RefusedDeferral) -> Self {
        Self {
            key: refused.key.map(|key| octets(key.as_bytes())).unwrap_or_default(),
            made_at_ms: milliseconds(refused.made_at),
            flaw: flaw(refused.flaw).into(),
            ..Self::default()
        }
    }

    /// `None`: a field does not hold what it must.
    pub(super) fn event(&self) -> Option<Event> {
        let key = match self.key.is_empty() {
            true => None,
            false => Some(KeyFingerprint::from(<[u8; 32]>::try_from(&*self.key).ok()?)),
        };
        Some(Event::DeferralRefused {
            work_order: WorkOrderId(self.work_order),
            reservation: ReservationId(self.reservation),
            device: self.device.parse().ok()?,
            refused: RefusedDeferral { key, made_at: time(self.made_at_ms)?, flaw: flaw_of(self.flaw)? },
        })
    }
}

fn flaw(flaw: UnitFlaw) -> Flaw {
    match flaw {
        UnitFlaw::KeyTypeNotAllowed => Flaw::KeyTypeNotAllowed,
        UnitFlaw::KeyWeak => Flaw::KeyWeak,
        UnitFlaw::KeyBlocked => Flaw::KeyBlocked,
        UnitFlaw::KeyAlreadyUsed => Flaw::KeyAlreadyUsed,
        UnitFlaw::ProfileForbids => Flaw::ProfileForbids,
        UnitFlaw::BrokenGenerator => Flaw::BrokenGenerator,
    }
}

fn flaw_of(number: i32) -> Option<UnitFlaw> {
    match Flaw::try_from(number).ok()? {
        Flaw::Unspecified => None,
        Flaw::KeyTypeNotAllowed => Some(UnitFlaw::KeyTypeNotAllowed),
        Flaw::KeyWeak => Some(UnitFlaw::KeyWeak),
        Flaw::KeyBlocked => Some(UnitFlaw::KeyBlocked),
        Flaw::KeyAlreadyUsed => Some(UnitFlaw::KeyAlreadyUsed),
        Flaw::ProfileForbids => Some(UnitFlaw::ProfileForbids),
        Flaw::BrokenGenerator => Some(UnitFlaw::BrokenGenerator),
    }
}

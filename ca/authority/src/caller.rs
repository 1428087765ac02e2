//! Who calls: decided by the ledger, never by the name in the certificate (ADR 0009).

use std::collections::HashMap;
use std::time::SystemTime;

use identity::{ClockFault, Principal, PrincipalName, ProfileName, Role, SerialNumber, Validity};
use issuance::Certificate;
use ledger::{CertificateStatus, Holder};
use parking_lot::Mutex;

use super::{Authority, CallerRefused, Refused};
use crate::peer::PeerCertificate;

/// Who calls, from a certificate that was on record, unrevoked and within its time when this was made. All of that may change: see
/// [`Authority::check_caller`].
#[derive(Debug, Clone)]
pub struct Caller {
    principal: Principal,
    kind: CallerKind,
    certificate: SerialNumber,
    validity: Validity,
    late: bool,
    early: bool,
    unconfirmed: bool,
}

impl Caller {
    /// Its name.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// What it is.
    pub fn kind(&self) -> CallerKind {
        self.kind
    }

    /// From when until when the certificate that makes the call is good.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// The serial number of the certificate that makes the call.
    pub fn certificate(&self) -> SerialNumber {
        self.certificate
    }

    /// Whether its certificate has ended, not too long ago: it may ask for the next one and for nothing else (R-LIFE-05).
    pub fn is_late(&self) -> bool {
        self.late
    }

    /// Whether its certificate has not begun: it was issued while the CA's clock was ahead. It may ask for the next one and for nothing else
    /// (ADR 0035).
    pub fn is_early(&self) -> bool {
        self.early
    }

    /// Whether this is the first call that is made with an operational certificate, as far as the ledger knows.
    pub fn is_unconfirmed(&self) -> bool {
        self.unconfirmed
    }

    /// Its name as a station; `None` for everybody else.
    pub fn station(&self) -> Option<&PrincipalName> {
        match &self.principal {
            Principal::Named { role: Role::Station, name } => Some(name),
            _ => None,
        }
    }
}

/// What a caller is, for the question of what it may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallerKind {
    /// A line computer.
    Station,
    /// Somebody of operations.
    Operator,
    /// A broker, gateway or cloud.
    RelyingParty,
    /// A server.
    Service,
    /// A device, with its birth certificate.
    DeviceBirth,
    /// A device, with an operational certificate.
    DeviceOperational,
}

impl CallerKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Station,
        Self::Operator,
        Self::RelyingParty,
        Self::Service,
        Self::DeviceBirth,
        Self::DeviceOperational,
    ];

    fn of(principal: &Principal, profile: ProfileName) -> Option<Self> {
        match (principal, profile) {
            (Principal::Named { role: Role::Station, .. }, ProfileName::Station) => Some(Self::Station),
            (Principal::Named { role: Role::Operator, .. }, ProfileName::Operator) => Some(Self::Operator),
            (Principal::Named { role: Role::RelyingParty, .. }, ProfileName::RelyingParty) => {
                Some(Self::RelyingParty)
            }
            (Principal::Named { role: Role::Service, .. }, ProfileName::Service) => Some(Self::Service),
            (Principal::Device(_), ProfileName::Idevid) => Some(Self::DeviceBirth),
            (Principal::Device(_), ProfileName::Ldevid) => Some(Self::DeviceOperational),
            _ => None,
        }
    }
}

impl Authority {
    /// Who calls with this certificate. TLS proved that the caller has its key; the ledger says whose it is and whether it is still good.
    ///
    /// # Errors
    /// [`Refused::Caller`] when it is nobody's, or no longer good; [`Refused::Store`] when that cannot be told.
    pub async fn who_calls(&self, peer: &PeerCertificate) -> Result<Caller, Refused> {
        let mut caller = self.holder(peer).await?;
        let status = self.store.certificate_status(&caller.certificate).await?;
        if status == Some(CertificateStatus::Revoked) && caller.kind == CallerKind::DeviceOperational {
            self.look_at_revoked(&caller).await;
        }
        self.judge_now(&mut caller, status)?;
        Ok(caller)
    }

    /// Whose certificate this is, whether or not it is still good: see [`Authority::check_caller`].
    ///
    /// # Errors
    /// [`Refused::Caller`] when it is nobody's; [`Refused::Store`] when that cannot be told.
    pub async fn holder(&self, peer: &PeerCertificate) -> Result<Caller, Refused> {
        let (Some(der), Some(digest)) = (peer.der(), peer.digest()) else {
            return Err(CallerRefused::Anonymous.into());
        };
        if let Some(caller) = self.callers.caller(digest) {
            return Ok(caller);
        }
        let shown = Certificate::from_der(der).map_err(|_| CallerRefused::Unknown)?;
        let record = self.store.certificate(&shown.serial_number()).await?.ok_or(CallerRefused::Unknown)?;
        // Another certificate with this serial number, by whatever issuer, is not this one.
        if record.certificate().der != der {
            return Err(CallerRefused::Unknown.into());
        }
        let Some(Holder::Principal(principal)) = record.holder() else {
            return Err(CallerRefused::Unknown.into());
        };
        let kind = CallerKind::of(&principal, record.certificate().profile).ok_or(CallerRefused::Unknown)?;
        let validity = record.certificate().validity;
        let certificate = shown.serial_number();
        let caller =
            Caller { principal, kind, certificate, validity, late: false, early: false, unconfirmed: false };
        self.callers.remember(*digest, &caller);
        Ok(caller)
    }

    /// Notes that a device was heard of, for reports; in memory.
    pub fn note(&self, caller: &Caller) {
        if let Principal::Device(device) = &caller.principal {
            self.store.seen(device, self.clock.now());
        }
    }

    /// Whether the caller is still good: asked again for every message of a stream (R-CA-11).
    ///
    /// # Errors
    /// As [`Authority::who_calls`].
    pub async fn check_caller(&self, caller: &Caller) -> Result<(), Refused> {
        let status = self.store.certificate_status(&caller.certificate).await?;
        self.judge(caller, status)?;
        Ok(())
    }

    fn judge_now(&self, caller: &mut Caller, status: Option<CertificateStatus>) -> Result<(), Refused> {
        let timeliness = self.judge(caller, status)?;
        (caller.late, caller.early) = (timeliness == Timeliness::Late, timeliness == Timeliness::Early);
        caller.unconfirmed =
            status == Some(CertificateStatus::Issued) && caller.kind == CallerKind::DeviceOperational;
        Ok(())
    }

    /// Whether it comes in its time; or why it is no longer good.
    fn judge(&self, caller: &Caller, status: Option<CertificateStatus>) -> Result<Timeliness, Refused> {
        match status {
            None => Err(CallerRefused::Unknown.into()),
            Some(CertificateStatus::Revoked) => Err(CallerRefused::Revoked.into()),
            Some(CertificateStatus::Held) => Err(CallerRefused::Held.into()),
            // A superseded certificate is good until it expires or is revoked: its holder may be about to switch.
            Some(CertificateStatus::Issued | CertificateStatus::InUse | CertificateStatus::Superseded) => {
                self.timeliness(caller)
            }
        }
    }
}

/// How a caller's certificate stands to the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Timeliness {
    Good,
    Late,
    Early,
}

impl Authority {
    fn timeliness(&self, caller: &Caller) -> Result<Timeliness, Refused> {
        let now = self.clock.now();
        if let Some(doubt) = self.clock.doubt() {
            // After a start the ledger tells only what time it is at least: what has ended by either clock is not good.
            let latest = match doubt.fault {
                ClockFault::AheadOfLedger => doubt.shows.max(now),
                _ => now,
            };
            let good = caller.validity.contains(now) && caller.validity.contains(latest);
            return if good { Ok(Timeliness::Good) } else { Err(Refused::Clock(doubt)) };
        }
        if caller.validity.contains(now) {
            return Ok(Timeliness::Good);
        }
        if now < caller.validity.not_before() {
            let device = matches!(caller.kind, CallerKind::DeviceBirth | CallerKind::DeviceOperational);
            return if device { Ok(Timeliness::Early) } else { Err(CallerRefused::Expired.into()) };
        }
        if self.may_be_late(caller, now) { Ok(Timeliness::Late) } else { Err(CallerRefused::Expired.into()) }
    }

    /// Only a device with an operational certificate may come after its end: to renew it.
    fn may_be_late(&self, caller: &Caller, now: SystemTime) -> bool {
        let late_by = now.duration_since(caller.validity.not_after());
        caller.kind == CallerKind::DeviceOperational
            && late_by.is_ok_and(|late_by| late_by <= self.renewal.grace)
    }
}

/// Callers that were recognised: a certificate on record never changes, so its holder is looked up once. Whether it is still good is
/// not remembered. By the digest of the certificate: the same for the very same bytes only.
#[derive(Default)]
pub(super) struct CallerCache(Mutex<HashMap<[u8; 32], Caller>>);

impl CallerCache {
    fn caller(&self, face: &[u8; 32]) -> Option<Caller> {
        self.0.lock().get(face).cloned()
    }

    fn remember(&self, face: [u8; 32], caller: &Caller) {
        let mut callers = self.0.lock();
        // First boots come by the million and once each: forget them all rather than keep count of them.
        if callers.len() >= FACES_MAX {
            callers.clear();
        }
        callers.insert(face, caller.clone());
    }
}

/// The most callers that are remembered, about 300 bytes each: twice as many as there may be connections unless an operator says otherwise, so
/// that who keeps a connection open is looked up once.
const FACES_MAX: usize = 16_384;

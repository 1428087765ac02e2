//! Who may do what: a proof and an operation in, a caller out. Every front door asks here (ADR 0056).

mod caller;
mod operation;
mod proof;

use std::time::SystemTime;

use identity::{ClockFault, Principal};
use issuance::Certificate;
use ledger::{CertificateStatus, Holder};

use super::{Authority, CallerRefused, Refused};
use caller::CallerProof;

pub(crate) use caller::CallerCertificate;
pub use caller::{Caller, CallerKind};
pub use operation::{Operation, allowed_to};
pub use proof::{PeerCertificate, Proof, Token};

/// Why an operation is not begun, and for whom.
#[derive(Debug)]
pub struct NotAdmitted {
    /// The caller's principal, if it was recognised.
    pub principal: Option<Principal>,
    /// Why.
    pub refused: Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timeliness {
    Valid,
    /// It expired not longer ago than the grace for renewal (R-LIFE-05).
    Late,
    /// It is not valid yet: it was issued while the CA's clock was ahead (ADR 0035).
    Early,
}

impl Authority {
    /// Admits a caller to an operation, in these steps:
    ///
    /// 1. The proof says who calls. A certificate must be on record byte for byte, unrevoked and not on hold.
    /// 2. The table of roles allows the operation to this kind of caller ([`allowed_to`]).
    /// 3. While the CA's clock is in doubt, the operation only reads, revokes or holds.
    /// 4. A certificate that is late or early is good for its renewal only.
    /// 5. The device is noted as seen now.
    /// 6. The first call with an operational certificate confirms that it is in use (ADR 0021).
    ///
    /// # Errors
    /// [`Refused::Caller`] when the caller may not; [`Refused::Clock`]; [`Refused::Store`] when that cannot
    /// be told.
    pub async fn admit(&self, proof: Option<&Proof>, operation: Operation) -> Result<Caller, NotAdmitted> {
        let unknown = |refused| NotAdmitted { principal: None, refused };
        let caller = self.identify(proof).await.map_err(unknown)?;
        match self.allow(&caller, operation).await {
            Ok(()) => Ok(caller),
            Err(refused) => Err(NotAdmitted { principal: caller.principal, refused }),
        }
    }

    /// The principal of a certificate, whether or not the certificate is still good: see
    /// [`Authority::check_caller`].
    ///
    /// # Errors
    /// [`CallerRefused::Unknown`] when it is not on record; [`Refused::Store`] when that cannot be told.
    pub async fn recognise(&self, peer: &PeerCertificate) -> Result<Caller, Refused> {
        if let Some(caller) = self.callers.get(peer.digest()) {
            return Ok(caller);
        }
        let shown = Certificate::from_der(peer.der()).map_err(|_| CallerRefused::Unknown)?;
        let serial_number = shown.serial_number();
        let record = self.store.certificate(&serial_number).await?.ok_or(CallerRefused::Unknown)?;
        // Another certificate with this serial number, by whatever issuer, is not this one.
        if record.certificate().der != peer.der() {
            return Err(CallerRefused::Unknown.into());
        }
        let Some(Holder::Principal(principal)) = record.holder() else {
            return Err(CallerRefused::Unknown.into());
        };
        let kind = CallerKind::of(&principal, record.certificate().profile).ok_or(CallerRefused::Unknown)?;
        let certificate = CallerCertificate {
            serial_number,
            validity: record.certificate().validity,
            timeliness: Timeliness::Valid,
            unconfirmed: false,
        };
        let caller =
            Caller { principal: Some(principal), kind, proof: CallerProof::Certificate(certificate) };
        self.callers.insert(*peer.digest(), caller.clone());
        Ok(caller)
    }

    /// Whether the caller's proof is still good: checked again for every message of a stream (R-CA-11).
    pub async fn check_caller(&self, caller: &Caller) -> Result<(), Refused> {
        match &caller.proof {
            CallerProof::Certificate(certificate) => {
                let status = self.store.certificate_status(&certificate.serial_number).await?;
                self.timeliness(caller.kind, certificate, status).map(drop)
            }
            // Possession was proven for the whole connection.
            CallerProof::BareKey(_) => Ok(()),
        }
    }

    /// Who shows this proof, if the proof is good now: the first step of [`Authority::admit`].
    pub async fn identify(&self, proof: Option<&Proof>) -> Result<Caller, Refused> {
        let peer = match proof {
            None => return Err(CallerRefused::Anonymous.into()),
            Some(Proof::Token(_)) => return Err(CallerRefused::Token.into()),
            Some(Proof::BareKey(key)) => return Ok(Caller::by_bare_key(*key)),
            Some(Proof::Certificate(peer)) => peer,
        };
        let mut caller = self.recognise(peer).await?;
        let kind = caller.kind;
        let operational = kind == CallerKind::DeviceOperational;
        let CallerProof::Certificate(certificate) = &mut caller.proof else { return Ok(caller) };
        let status = self.store.certificate_status(&certificate.serial_number).await?;
        if let (Some(CertificateStatus::Revoked), Some(Principal::Device(device))) =
            (status, &caller.principal)
            && operational
        {
            self.report_if_overtaken(device, certificate.serial_number).await;
        }
        certificate.timeliness = self.timeliness(kind, certificate, status)?;
        certificate.unconfirmed = status == Some(CertificateStatus::Issued) && operational;
        Ok(caller)
    }

    async fn allow(&self, caller: &Caller, operation: Operation) -> Result<(), Refused> {
        if !operation.allows(caller.kind) {
            let bare = caller.kind == CallerKind::BareKey;
            return Err(if bare { CallerRefused::BareKey } else { CallerRefused::Role }.into());
        }
        if !operation.is_done_in_doubt() {
            self.clock_is_trusted()?;
        }
        let (early, unconfirmed) = (caller.is_early(), caller.is_unconfirmed());
        let confirms = operation == Operation::ConfirmInstalled;
        // What was confirmed before may be confirmed again: the answer may have been lost.
        let again = early && !unconfirmed && confirms;
        if (early || caller.is_late()) && !operation.is_done_untimely() && !again {
            return Err(CallerRefused::Expired.into());
        }
        if let Some(Principal::Device(device)) = &caller.principal {
            self.store.seen(device, self.clock.now());
        }
        // `ConfirmInstalled` confirms by itself. An early certificate is of no use yet: it supersedes none.
        if unconfirmed && !early && !confirms { self.confirm_by_use(caller).await } else { Ok(()) }
    }

    fn timeliness(
        &self,
        kind: CallerKind,
        certificate: &CallerCertificate,
        status: Option<CertificateStatus>,
    ) -> Result<Timeliness, Refused> {
        match status {
            None => Err(CallerRefused::Unknown.into()),
            Some(CertificateStatus::Revoked) => Err(CallerRefused::Revoked.into()),
            Some(CertificateStatus::Held) => Err(CallerRefused::Held.into()),
            // Superseded: good until it expires or is revoked, for its device may be about to switch.
            Some(CertificateStatus::Issued | CertificateStatus::InUse | CertificateStatus::Superseded) => {
                self.timeliness_now(kind, certificate, self.clock.now())
            }
        }
    }

    fn timeliness_now(
        &self,
        kind: CallerKind,
        certificate: &CallerCertificate,
        now: SystemTime,
    ) -> Result<Timeliness, Refused> {
        let validity = certificate.validity;
        if let Some(doubt) = self.clock.doubt() {
            // The ledger only gives a lower bound of the time: a certificate must be valid by both clocks.
            let latest = match doubt.fault {
                ClockFault::AheadOfLedger => doubt.shows.max(now),
                _ => now,
            };
            let valid = validity.contains(now) && validity.contains(latest);
            return if valid { Ok(Timeliness::Valid) } else { Err(Refused::Clock(doubt)) };
        }
        if validity.contains(now) {
            return Ok(Timeliness::Valid);
        }
        if now < validity.not_before() {
            return if kind.is_device() { Ok(Timeliness::Early) } else { Err(CallerRefused::Expired.into()) };
        }
        let late_by = now.duration_since(validity.not_after()).unwrap_or_default();
        match kind {
            CallerKind::DeviceOperational if late_by <= self.renewal.grace => Ok(Timeliness::Late),
            _ => Err(CallerRefused::Expired.into()),
        }
    }
}

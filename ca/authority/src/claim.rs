//! A device whose birth certificate was deferred gets it by the key that it proves (ADR 0068).

use identity::ProfileName;
use ledger::{Conflict, Holder};
use store::Released;

use super::{Authority, Caller, CallerRefused, Refused};

impl Authority {
    /// The birth certificate that is on record for the key that the caller proved. Records nothing, and may
    /// be asked again.
    ///
    /// # Errors
    /// [`Refused::NotYetIssued`] when no device has the key: a unit that is early and a stranger are told the
    /// same. When the device is scrapped, retired or on hold, or the certificate is revoked.
    pub async fn claim_birth(&self, caller: &Caller) -> Result<Released, Refused> {
        let key = caller.bare_key().ok_or(CallerRefused::Role)?;
        let record = self.store.certificate_of_key(&key).await?;
        let record = record.filter(|record| record.certificate().profile == ProfileName::Idevid);
        let record = record.ok_or(Refused::NotYetIssued)?;
        let holder = record.holder();
        let device = holder.as_ref().and_then(Holder::device).ok_or(Refused::NotYetIssued)?;
        let known = self.store.device(device).await?.ok_or(Refused::NotYetIssued)?;
        known.still_lives()?;
        match record.status().is_good() {
            true => Ok(record.released()),
            false => Err(Conflict::CertificateRevoked.into()),
        }
    }
}

//! Revoking certificates, by name and by the million, and asking a fleet to renew.

use std::time::SystemTime;

use identity::{IssuerName, Principal, RevocationReason, SerialNumber};

use super::{Outcome, Rules, record};
use crate::{
    Action, CertificateStatus, Conflict, Decision, Event, JobFacts, JobId, REVOKE_MAX, ROTATIONS_MAX,
    RevokedCertificate, View,
};

impl<V: View> Rules<'_, V> {
    /// The actions that do not look at a device.
    pub(super) fn decide_revocation(
        &self,
        caller: Option<&Principal>,
        action: &Action,
    ) -> Outcome<Decision, V> {
        match action {
            Action::Revoke { certificates, reason, invalidity_date, job } => {
                let decision = self.revoke(certificates, *reason, *invalidity_date, *job)?;
                // The CA itself revokes what has a key that somebody proved to have, whoever loses it.
                if let (Some(_), Decision::Record(event)) = (caller, &decision)
                    && let Some(revoked) = event.revoked()
                {
                    self.leaves_an_operator(revoked.certificates)?;
                }
                Ok(decision)
            }
            Action::BeginRevocation(terms) => {
                is_for_ever(terms.reason)?;
                let job = JobId(self.view.jobs()? + 1);
                Ok(record(Event::RevocationBegun { job, terms: terms.clone() }))
            }
            Action::FinishRevocation(job) => {
                let known = self.view.job(*job)?.ok_or(Conflict::NoSuchJob(*job))?;
                match known.finished {
                    Some(entry) => Ok(Decision::Replay(entry)),
                    None => Ok(record(Event::RevocationFinished(*job))),
                }
            }
            Action::RequestRotation(terms) => {
                if self.view.rotations(self.now)? >= ROTATIONS_MAX {
                    return Err(Conflict::TooManyRotations.into());
                }
                Ok(record(Event::RotationRequested(terms.clone())))
            }
            // The others are decided elsewhere.
            _ => Err(Conflict::RevokeCount.into()),
        }
    }

    fn revoke(
        &self,
        certificates: &[SerialNumber],
        reason: RevocationReason,
        invalidity_date: Option<SystemTime>,
        job: Option<JobId>,
    ) -> Outcome<Decision, V> {
        is_for_ever(reason)?;
        let Some(first) = certificates.first().filter(|_| certificates.len() <= REVOKE_MAX) else {
            return Err(Conflict::RevokeCount.into());
        };
        if let Some(job) = job {
            let known = self.view.job(job)?;
            known.filter(JobFacts::goes_on).ok_or(Conflict::NoSuchJob(job))?;
        }
        for issuer in IssuerName::ALL {
            let issuer = self.view.issuer(issuer)?;
            if issuer.is_some_and(|issuer| certificates.contains(&issuer.serial_number)) {
                return Err(Conflict::IssuerNotRevocable.into());
            }
        }
        let mut revoked: Vec<RevokedCertificate> = Vec::with_capacity(certificates.len());
        let mut named = std::collections::HashSet::with_capacity(certificates.len());
        for serial_number in certificates {
            if self.view.certificate_status(serial_number)?.is_none() {
                return Err(Conflict::NoCertificate(*serial_number).into());
            }
            if named.insert(*serial_number) {
                revoked.extend(self.to_revoke(*serial_number)?);
            }
        }
        if revoked.is_empty() {
            let facts = self.view.certificate(first)?;
            let facts = facts.ok_or(Conflict::NoCertificate(*first))?;
            return Ok(Decision::Replay(facts.changed.unwrap_or(facts.entry)));
        }
        Ok(record(Event::CertificatesRevoked { certificates: revoked, reason, invalidity_date, job }))
    }

    /// What an entry that revokes a certificate says of it; `None`: it is revoked already, or is nobody's.
    pub(super) fn to_revoke(&self, serial_number: SerialNumber) -> Outcome<Option<RevokedCertificate>, V> {
        let since = match self.view.certificate_status(&serial_number)? {
            None | Some(CertificateStatus::Revoked) => return Ok(None),
            Some(CertificateStatus::Held) => {
                let facts = self.view.certificate(&serial_number)?;
                facts.and_then(|facts| facts.hold).map(|hold| hold.since)
            }
            Some(_) => None,
        };
        Ok(Some(RevokedCertificate { serial_number, since }))
    }
}

impl JobFacts {
    /// Whether it has not revoked everything yet.
    pub fn goes_on(&self) -> bool {
        self.finished.is_none()
    }
}

/// R-CRL-05 and R-CRL-06: a hold is not for ever, and the compromise of a CA is only said of a CA.
fn is_for_ever(reason: RevocationReason) -> Result<(), Conflict> {
    match reason {
        RevocationReason::CertificateHold | RevocationReason::CaCompromise => {
            Err(Conflict::ReasonNotAllowed(reason))
        }
        _ => Ok(()),
    }
}

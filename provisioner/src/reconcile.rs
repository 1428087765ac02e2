//! Has the CA issue the certificates of units that were made while it could not be asked (ADR 0069).

use std::collections::BTreeMap;
use std::time::SystemTime;

use identity::{DeviceId, RequestId, SerialNumber};

use crate::ca::{Ca, CaError};
use crate::crew::CrewNow;
use crate::journal::{JournalError, JournalState, Record, Writer};
use crate::session::{BirthCertificate, Refusal, Step, verify_issued};

/// A unit whose certificate is deferred.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) device: DeviceId,
    pub(crate) request_id: RequestId,
    pub(crate) csr: Vec<u8>,
    pub(crate) made_at: SystemTime,
    /// Who made it.
    pub(crate) crew: CrewNow,
}

/// What the CA says of one of them.
#[derive(Debug, Clone)]
pub(crate) enum Reconciled {
    Issued(BirthCertificate),
    Refused(Refusal),
    /// It has its certificate, and the CA has now recorded it as passed.
    Confirmed,
    /// The CA cannot say now. The text says why.
    Busy(String),
    /// Its answer cannot be used, and is asked for again. The text says why.
    Later(String),
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ReconcileError {
    #[error(transparent)]
    Ca(#[from] CaError),
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// The units whose certificates are deferred, without those that were refused, unless `again`.
pub(crate) fn waiting(known: &JournalState, again: bool) -> Vec<Waiting> {
    known
        .units
        .iter()
        .filter(|(_, unit)| !unit.scrapped && unit.progress.certificate.is_none())
        .filter(|(_, unit)| again || unit.progress.refusal.is_none())
        .filter_map(|(device, unit)| {
            let (request_id, csr) = unit.progress.asked.clone()?;
            let (made_at, crew) = (unit.progress.deferred?, unit.progress.deferred_crew.clone());
            Some(Waiting { device: device.clone(), request_id, csr, made_at, crew })
        })
        .collect()
}

/// Units that were locked with their certificates while the CA could not record them as passed.
pub(crate) fn unconfirmed(known: &JournalState) -> Vec<(DeviceId, SerialNumber)> {
    known
        .units
        .iter()
        .filter(|(_, unit)| unit.progress.passed && !unit.progress.confirmed && !unit.scrapped)
        .filter_map(|(device, unit)| Some((device.clone(), unit.progress.read_back?)))
        .collect()
}

/// Has them recorded, each once.
pub(crate) async fn confirm(
    ca: &Ca,
    journal: &Writer,
    work_order: &str,
    unconfirmed: Vec<(DeviceId, SerialNumber)>,
    mut told: impl FnMut(&DeviceId, Reconciled),
) -> Result<(), ReconcileError> {
    for (device, serial_number) in unconfirmed {
        match ca.confirm(work_order, &device, serial_number).await {
            Ok(()) => {
                let step = Step::Confirmed;
                journal.record(&Record::Step { device: device.clone(), step }).await?;
                told(&device, Reconciled::Confirmed);
            }
            Err(CaError::Refused(refusal)) if !refusal.stops_the_line => {
                told(&device, Reconciled::Later(format!("the CA does not record it as passed: {refusal}")));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Asks for all of them, a few at a time, records each answer, and tells it. It may be cut anywhere and
/// repeated: the CA gives the same answers.
pub(crate) async fn reconcile(
    ca: &Ca,
    journal: &Writer,
    work_order: &str,
    waiting: &[Waiting],
    mut told: impl FnMut(&DeviceId, Reconciled),
) -> Result<(), ReconcileError> {
    for some in waiting.chunks(STREAM_UNITS_MAX) {
        let answers: BTreeMap<RequestId, Reconciled> =
            ca.issue_deferred(work_order, some).await?.into_iter().collect();
        let mut stop = None;
        for unit in some {
            let answer = match answers.get(&unit.request_id).cloned() {
                Some(Reconciled::Issued(certificate)) => checked(unit, certificate),
                Some(Reconciled::Refused(refusal)) if refusal.stops_the_line => {
                    stop.get_or_insert(refusal);
                    continue;
                }
                Some(answer) => answer,
                None => Reconciled::Busy("the CA did not answer".to_owned()),
            };
            let step = match &answer {
                Reconciled::Issued(certificate) => Some(Step::Issued(certificate.clone())),
                Reconciled::Refused(Refusal { reason, message, .. }) => {
                    Some(Step::Refused { reason: reason.clone(), message: message.clone() })
                }
                Reconciled::Busy(_) | Reconciled::Later(_) | Reconciled::Confirmed => None,
            };
            if let Some(step) = step {
                journal.record(&Record::Step { device: unit.device.clone(), step }).await?;
            }
            told(&unit.device, answer);
        }
        if let Some(refusal) = stop {
            return Err(CaError::Refused(refusal).into());
        }
    }
    Ok(())
}

/// The certificate, if it is of this unit and its key.
fn checked(unit: &Waiting, certificate: BirthCertificate) -> Reconciled {
    match verify_issued(&certificate, &unit.csr, &unit.device) {
        Ok(()) => Reconciled::Issued(certificate),
        Err(fault) => Reconciled::Later(format!("the CA's answer cannot be used: {fault}")),
    }
}

/// Requests of one stream: what is lost when it is cut is asked again.
const STREAM_UNITS_MAX: usize = 64;

//! The rules: a command and the rows that it touches in, an event, an earlier answer or a conflict out.

mod alarm;
mod birth;
mod credential;
mod give_up;
mod lifecycle;
mod operational;
mod product;
mod reservation;
mod revocation;
mod work_order;

use std::time::SystemTime;

use identity::{IssuerName, KeyFingerprint, Principal, RequestId, SerialNumber};

use super::{
    Action, CertificateFacts, CertificateStatus, Command, Conflict, EntryNumber, Event, Holder, Intent,
    IssuanceSubject, SignedCertificate, View, ViewFault, WorkOrderState,
};

pub use operational::UNCONFIRMED_MAX;

/// The outcome of a command, unless it is refused without a trace.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// This happens now.
    Record(Box<Event>),
    /// It happened before, in this entry; nothing happens now.
    Replay(EntryNumber),
    /// It is refused, and this is put on record about it.
    Alarm(Box<Event>, Conflict),
}

/// Decides one command at the time `now`.
///
/// The order of the checks is part of the contract: a request that was answered gets its answer even if
/// its work order is by now exhausted, paused or closed (ADR 0010), but a certificate that was revoked since
/// is not handed out again.
///
/// # Errors
/// The outer error is the view's. The inner is the rule that forbids the command.
pub fn decide<V: View>(
    view: &V,
    command: &Command,
    now: SystemTime,
) -> Result<Result<Decision, Conflict>, V::Fault> {
    match (Rules { view, now }.decide(command)) {
        Err(Stop::Alarm(event, conflict)) => Ok(Ok(Decision::Alarm(event, conflict))),
        outcome => settle(outcome),
    }
}

/// What [`decide`] would say of a request before its certificate is signed: a replay, `Clear` if nothing is
/// in the way, or the alarm that is to be recorded with the refusal: then commit the command all the same.
///
/// # Errors
/// As of [`decide`].
pub fn preflight<V: View>(
    view: &V,
    intent: &Intent,
    now: SystemTime,
) -> Result<Result<PreflightDecision, Conflict>, V::Fault> {
    match (Rules { view, now }.preflight(intent)) {
        Err(Stop::Alarm(event, conflict)) => {
            let pauses = matches!(*event, Event::DuplicateRefused { pauses: true, .. });
            Ok(Ok(PreflightDecision::Alarm { conflict, pauses }))
        }
        outcome => settle(outcome).map(|before| {
            before.map(|before| before.map_or(PreflightDecision::Clear, PreflightDecision::Replay))
        }),
    }
}

/// The entry that answered a request of a caller before; `None`: the request is new.
///
/// # Errors
/// [`Conflict::RequestReused`] when it was asked with another content; the conflict that now stands against
/// handing out the answer.
pub fn answered<V: View>(
    view: &V,
    principal: Option<&Principal>,
    request: &RequestId,
    content: &[u8; 32],
    now: SystemTime,
) -> Result<Result<Option<EntryNumber>, Conflict>, V::Fault> {
    settle(Rules { view, now }.answered(principal, Some(request), content))
}

/// What a request that is not simply refused would come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PreflightDecision {
    /// Nothing is in the way.
    Clear,
    /// It was answered before, in this entry.
    Replay(EntryNumber),
    /// It would be refused, and an alarm recorded.
    Alarm {
        /// Why.
        conflict: Conflict,
        /// Whether the alarm pauses a product.
        pauses: bool,
    },
}

/// Why something is done, and who does it at a station, in the caller's words.
#[derive(Clone, Copy)]
struct Words<'a> {
    reason: &'a str,
    operator: &'a str,
}

struct Rules<'a, V> {
    view: &'a V,
    now: SystemTime,
}

/// Why no decision is made here.
enum Stop<F> {
    Conflict(Conflict),
    Alarm(Box<Event>, Conflict),
    Fault(F),
}

impl<F> From<Conflict> for Stop<F> {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(conflict)
    }
}

impl<F: ViewFault> From<F> for Stop<F> {
    fn from(fault: F) -> Self {
        Self::Fault(fault)
    }
}

type Outcome<T, V> = Result<T, Stop<<V as View>::Fault>>;

impl<V: View> Rules<'_, V> {
    fn decide(&self, command: &Command) -> Outcome<Decision, V> {
        self.may_still_ask(command.credential)?;
        let caller = command.principal.as_ref();
        if let Some(entry) = self.answered(caller, command.request.as_ref(), &command.content)? {
            return Ok(Decision::Replay(entry));
        }
        match &command.action {
            Action::InstallIssuer { issuer, certificate } => self.install_issuer(*issuer, certificate),
            Action::InstallDocumentSigner { certificate } => self.install_document_signer(certificate),
            Action::CreateWorkOrder(terms) => self.create_work_order(caller, terms),
            Action::AppendManifest { work_order, position, serials } => {
                self.append_manifest(*work_order, *position, serials)
            }
            Action::PauseWorkOrder(work_order) => {
                self.change_order(*work_order, WorkOrderState::Paused, Event::WorkOrderPaused(*work_order))
            }
            Action::ResumeWorkOrder(work_order) => {
                self.change_order(*work_order, WorkOrderState::Open, Event::WorkOrderResumed(*work_order))
            }
            Action::PauseProduct(product) => self.pause_product(product),
            Action::ResumeProduct { product, pause } => self.resume_product(product, *pause),
            Action::CloseWorkOrder(work_order) => self.close_work_order(*work_order),
            Action::ReserveUnits { work_order, units, duration, station_units_max } => {
                self.reserve_units(caller, *work_order, units, *duration, *station_units_max)
            }
            Action::ReturnUnits { reservation, serials } => self.return_units(caller, *reservation, serials),
            Action::WithdrawReservation(reservation) => self.withdraw_reservation(*reservation),
            Action::RefuseDeferral { work_order, device, refused } => {
                self.refuse_deferral(caller, *work_order, device, *refused)
            }
            Action::Issue { subject, certificate } => self.issue(caller, subject, certificate),
            Action::ConfirmUnit { work_order, device, serial_number } => {
                self.confirm_unit(caller, *work_order, device, *serial_number)
            }
            Action::ScrapUnit { work_order, device, reason, operator } => {
                self.scrap_unit(caller, *work_order, device, Words { reason, operator })
            }
            Action::GiveUpUnit { work_order, device, reason, operator } => {
                self.give_up_unit(caller, *work_order, device, Words { reason, operator })
            }
            Action::ConfirmInstalled { device, serial_number, after_renewal } => {
                self.confirm_installed(caller, device, *serial_number, *after_renewal)
            }
            Action::Hold { device, note } => self.hold(device, note),
            Action::Release(device) => self.release(device),
            Action::Retire { device, note } => self.retire(device, note),
            Action::AllowRework { work_order, device, reason, operator } => {
                self.allow_rework(caller, *work_order, device, Words { reason, operator })
            }
            Action::Revoke { .. }
            | Action::BeginRevocation { .. }
            | Action::FinishRevocation { .. }
            | Action::RequestRotation { .. } => self.decide_revocation(caller, &command.action),
            Action::ConfirmTime(before) => Ok(record(Event::TimeConfirmed(*before))),
            Action::ReportSharedPrime { device, certificate, at_birth } => {
                self.shared_prime(device, *certificate, *at_birth)
            }
            Action::ReportRevokedSibling { device, certificate, used, hold_on_fork } => {
                self.revoked_sibling(device, *certificate, *used, *hold_on_fork)
            }
            Action::RevokePrincipal { role, name, reason, last_operator } => {
                self.revoke_principal(*role, name, *reason, *last_operator)
            }
        }
    }

    fn preflight(&self, intent: &Intent) -> Outcome<Option<EntryNumber>, V> {
        let caller = intent.principal.as_ref();
        if let Some(entry) = self.answered(caller, intent.request.as_ref(), &intent.content)? {
            return Ok(Some(entry));
        }
        self.may_be_issued(caller, &intent.subject, &intent.key)
    }

    /// Whether a certificate may be issued: the entry that issued it before, or `None` if nothing is in the
    /// way.
    fn may_be_issued(
        &self,
        caller: Option<&Principal>,
        subject: &IssuanceSubject,
        key: &KeyFingerprint,
    ) -> Outcome<Option<EntryNumber>, V> {
        match subject {
            IssuanceSubject::Birth { work_order, device, made_at, traces, .. } => {
                self.may_be_born(caller, *work_order, device, key, (*made_at, traces))
            }
            IssuanceSubject::Operational { device, parent, hold_on_fork } => {
                self.may_have_operational(caller, device, *parent, *hold_on_fork, key)
            }
            IssuanceSubject::Credential { role, name } => self.may_have_credential(*role, name, key),
        }
    }

    /// Records a certificate, unless it was issued before.
    fn issue(
        &self,
        caller: Option<&Principal>,
        subject: &IssuanceSubject,
        certificate: &SignedCertificate,
    ) -> Outcome<Decision, V> {
        if let Some(entry) = self.may_be_issued(caller, subject, &certificate.key)? {
            return Ok(Decision::Replay(entry));
        }
        self.serial_number_is_free(certificate.serial_number)?;
        let certificate = certificate.clone();
        Ok(record(match subject.clone() {
            IssuanceSubject::Birth { work_order, device, made_at, shift, operator, traces } => {
                let replaces = self.replaced(&device)?;
                Event::BirthIssued {
                    work_order,
                    device,
                    certificate,
                    made_at,
                    replaces,
                    shift,
                    operator,
                    traces,
                }
            }
            IssuanceSubject::Operational { device, parent, .. } => {
                Event::OperationalIssued { device, parent, certificate }
            }
            IssuanceSubject::Credential { role, name } => Event::CredentialIssued { role, name, certificate },
        }))
    }

    fn install_issuer(&self, issuer: IssuerName, certificate: &SignedCertificate) -> Outcome<Decision, V> {
        if let Some(known) = self.view.issuer(issuer)? {
            let same = known.key == certificate.key && known.serial_number == certificate.serial_number;
            return if same { Ok(Decision::Replay(known.entry)) } else { Err(Conflict::IssuerExists.into()) };
        }
        if self.view.key(&certificate.key)?.is_some() {
            return Err(Conflict::KeyAlreadyUsed.into());
        }
        self.serial_number_is_free(certificate.serial_number)?;
        Ok(record(Event::IssuerInstalled { issuer, certificate: certificate.clone() }))
    }

    /// Every signer has a key of its own (R-CA-02).
    fn install_document_signer(&self, certificate: &SignedCertificate) -> Outcome<Decision, V> {
        if let Some(known) = self.view.certificate(&certificate.serial_number)? {
            let same = known.key == certificate.key && known.holder == Holder::DocumentSigner;
            return if same {
                Ok(Decision::Replay(known.entry))
            } else {
                Err(Conflict::SerialNumberTaken.into())
            };
        }
        if self.view.key(&certificate.key)?.is_some() {
            return Err(Conflict::KeyAlreadyUsed.into());
        }
        Ok(record(Event::DocumentSignerInstalled { certificate: certificate.clone() }))
    }

    /// R-CA-11: who calls was looked at when the call came; a revocation that is decided since, also in the
    /// same batch, comes first.
    fn may_still_ask(&self, credential: Option<SerialNumber>) -> Outcome<(), V> {
        let Some(credential) = credential else { return Ok(()) };
        match self.view.certificate_status(&credential)? {
            None | Some(CertificateStatus::Revoked) => Err(Conflict::CallerRevoked.into()),
            Some(CertificateStatus::Held) => Err(Conflict::CallerHeld.into()),
            Some(_) => Ok(()),
        }
    }

    fn answered(
        &self,
        caller: Option<&Principal>,
        request: Option<&RequestId>,
        content: &[u8; 32],
    ) -> Outcome<Option<EntryNumber>, V> {
        let Some(request) = request else { return Ok(None) };
        let Some(known) = self.view.request(caller, request)? else { return Ok(None) };
        if known.content != *content {
            return Err(Conflict::RequestReused.into());
        }
        if let Some(serial_number) = known.certificate
            && let Some(certificate) = self.view.certificate(&serial_number)?
        {
            self.may_be_handed_out(&certificate)?;
        }
        Ok(Some(known.entry))
    }

    /// An answer that was given before is not given again once its certificate is revoked or on hold.
    fn may_be_handed_out(&self, certificate: &CertificateFacts) -> Outcome<(), V> {
        if certificate.status.is_good() {
            return Ok(());
        }
        if let Some(device) = certificate.holder.device()
            && let Some(known) = self.view.device(device)?
        {
            known.still_lives()?;
        }
        Err(Conflict::CertificateRevoked.into())
    }

    /// A new request for a key whose certificate has expired is not answered with that certificate: it wants
    /// a key of its own.
    fn is_of_use(&self, certificate: &CertificateFacts) -> Result<(), Conflict> {
        if certificate.not_after < self.now { Err(Conflict::KeyAlreadyUsed) } else { Ok(()) }
    }

    /// R-5280-02: a serial number is unique for its issuer; here it is unique for the CA.
    fn serial_number_is_free(&self, serial_number: SerialNumber) -> Outcome<(), V> {
        match self.view.certificate(&serial_number)? {
            Some(_) => Err(Conflict::SerialNumberTaken.into()),
            None => Ok(()),
        }
    }
}

fn record(event: Event) -> Decision {
    Decision::Record(Box::new(event))
}

fn settle<T, F>(outcome: Result<T, Stop<F>>) -> Result<Result<T, Conflict>, F> {
    match outcome {
        Ok(value) => Ok(Ok(value)),
        Err(Stop::Conflict(conflict) | Stop::Alarm(_, conflict)) => Ok(Err(conflict)),
        Err(Stop::Fault(fault)) => Err(fault),
    }
}

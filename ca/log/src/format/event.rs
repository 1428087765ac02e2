//! What happened, as an event of the ledger and as a field of `Entry`.

use std::sync::Arc;

use identity::{DeviceId, DeviceSerial, Principal, RevocationReason};
use ledger::{EntryNumber, Event, Holder, JobId, ReservationId, SerialPart, WorkOrderId};

use super::proto::{self, entry::Event as Record};
use super::revocation::{self, DOCUMENT_SIGNER, ISSUER_PREFIX};
use super::{certificate, milliseconds, octets, optional_time, serial_number, time, traces};

impl From<&Event> for Record {
    #[expect(clippy::too_many_lines, reason = "a table: one arm for each kind of event")]
    fn from(event: &Event) -> Self {
        match event {
            Event::IssuerInstalled { issuer, certificate } => Self::IssuerInstalled(proto::Certificate {
                subject_issuer: certificate::issuer(*issuer).into(),
                ..proto::Certificate::of(certificate)
            }),
            Event::DocumentSignerInstalled { certificate } => {
                Self::DocumentSignerInstalled(proto::Certificate::of(certificate))
            }
            Event::WorkOrderCreated { work_order, terms } => {
                Self::WorkOrderCreated(proto::WorkOrderTerms::of(*work_order, terms))
            }
            Event::ManifestPart { work_order, serials, last } => Self::ManifestPart(proto::ManifestPart {
                work_order: work_order.0,
                serials: serials.texts().map(str::to_owned).collect(),
                last: *last,
            }),
            Event::WorkOrderPaused(work_order) => Self::WorkOrderPaused(work_order.0),
            Event::WorkOrderResumed(work_order) => Self::WorkOrderResumed(work_order.0),
            Event::WorkOrderClosed(work_order) => Self::WorkOrderClosed(work_order.0),
            Event::UnitsReserved { work_order, reservation, serials, ends_at, passed } => {
                Self::UnitsReserved(proto::UnitsReserved {
                    reservation: reservation.0,
                    work_order: work_order.0,
                    serials: texts(serials),
                    ends_at_ms: milliseconds(*ends_at),
                    passed: passed.as_ref().map(ToString::to_string).unwrap_or_default(),
                })
            }
            Event::UnitsReturned { reservation, serials } => {
                Self::UnitsReturned(proto::UnitsHome { reservation: reservation.0, serials: texts(serials) })
            }
            Event::ReservationWithdrawn { reservation, serials } => {
                Self::ReservationWithdrawn(proto::UnitsHome {
                    reservation: reservation.0,
                    serials: texts(serials),
                })
            }
            Event::DeferralRefused { work_order, reservation, device, refused } => {
                Self::DeferralRefused(proto::DeferralRefused {
                    work_order: work_order.0,
                    reservation: reservation.0,
                    device: device.to_string(),
                    ..proto::DeferralRefused::of(refused)
                })
            }
            Event::BirthIssued {
                work_order,
                device,
                certificate,
                made_at,
                replaces,
                shift,
                operator,
                traces,
            } => Self::BirthIssued(proto::Certificate {
                nonce: traces::nonce(traces),
                key_ends: traces::key_ends(traces),
                work_order: work_order.0,
                holder: device.to_string(),
                made_at_ms: made_at.map(milliseconds),
                replaces: revocation::records(replaces),
                shift: shift.clone(),
                operator: operator.clone(),
                ..proto::Certificate::of(certificate)
            }),
            Event::ProductPaused(product) => Self::ProductPaused(product.to_string()),
            Event::ProductResumed { product, pause } => {
                Self::ProductResumed(proto::ProductResumed { product: product.to_string(), pause: pause.0 })
            }
            Event::UnitConfirmed { work_order, device, serial_number } => Self::UnitConfirmed(proto::Unit {
                work_order: work_order.0,
                ..proto::Unit::of(device, serial_number)
            }),
            Event::UnitScrapped { work_order, device, reason, revoked, operator } => {
                Self::UnitScrapped(proto::Unit {
                    work_order: work_order.0,
                    device: device.to_string(),
                    reason: reason.clone(),
                    revoked: revocation::records(revoked),
                    operator: operator.clone(),
                    ..proto::Unit::default()
                })
            }
            Event::UnitGivenUp { work_order, device, reason, operator } => Self::UnitGivenUp(proto::Unit {
                work_order: work_order.0,
                device: device.to_string(),
                reason: reason.clone(),
                operator: operator.clone(),
                ..proto::Unit::default()
            }),
            Event::OperationalIssued { device, parent, certificate } => {
                Self::OperationalIssued(proto::Certificate {
                    parent: octets(parent.as_bytes()),
                    holder: device.to_string(),
                    ..proto::Certificate::of(certificate)
                })
            }
            Event::InstallConfirmed { device, serial_number, revoked, parent_ends } => {
                Self::InstallConfirmed(proto::Unit {
                    revoked: revocation::records(revoked),
                    parent_ends_ms: parent_ends.map(milliseconds),
                    ..proto::Unit::of(device, serial_number)
                })
            }
            Event::CredentialIssued { role, name, certificate } => {
                Self::CredentialIssued(proto::Certificate {
                    holder: format!("{role}:{name}"),
                    ..proto::Certificate::of(certificate)
                })
            }
            Event::PrincipalRevoked { role, name, reason, revoked } => {
                Self::PrincipalRevoked(proto::PrincipalRevoked {
                    principal: format!("{role}:{name}"),
                    reason: u32::from(reason.code()),
                    revoked: revocation::records(revoked),
                })
            }
            Event::TimeConfirmed(before) => {
                Self::TimeConfirmed(proto::TimeConfirmed { before_ms: milliseconds(*before) })
            }
            Event::ForkDetected { device, parent, child, held, certificates } => {
                Self::ForkDetected(proto::Alarm {
                    device: device.to_string(),
                    parent: octets(parent.as_bytes()),
                    certificate: octets(child.as_bytes()),
                    held: *held,
                    certificates: revocation::octets_of(certificates),
                    ..proto::Alarm::default()
                })
            }
            Event::DuplicateRefused { device, other, certificate, what, pauses } => {
                Self::DuplicateRefused(proto::Alarm {
                    device: device.to_string(),
                    certificate: octets(certificate.as_bytes()),
                    other: match other {
                        Holder::Principal(principal) => principal.to_string(),
                        Holder::Issuer(issuer) => format!("{ISSUER_PREFIX}{issuer}"),
                        Holder::DocumentSigner => DOCUMENT_SIGNER.to_owned(),
                    },
                    what: revocation::clash(*what).into(),
                    pauses: *pauses,
                    ..proto::Alarm::default()
                })
            }
            Event::CertificatesRevoked { certificates, reason, invalidity_date, job } => {
                Self::CertificatesRevoked(proto::CertificatesRevoked {
                    certificates: revocation::records(certificates),
                    reason: u32::from(reason.code()),
                    invalidity_date_ms: invalidity_date.map(milliseconds),
                    job: job.map_or(0, |job| job.0),
                })
            }
            Event::RevocationBegun { job, terms } => Self::RevocationBegun(proto::RevocationBegun {
                job: job.0,
                selection: Some((&terms.selection).into()),
                reason: u32::from(terms.reason.code()),
                invalidity_date_ms: terms.invalidity_date.map(milliseconds),
                devices: terms.devices,
                certificates: terms.certificates,
            }),
            Event::DeviceHeld { device, note, certificates } => Self::DeviceHeld(proto::DeviceEvent {
                device: device.to_string(),
                note: note.clone(),
                certificates: revocation::octets_of(certificates),
                ..proto::DeviceEvent::default()
            }),
            Event::DeviceReleased { device, certificates } => Self::DeviceReleased(proto::DeviceEvent {
                device: device.to_string(),
                certificates: revocation::octets_of(certificates),
                ..proto::DeviceEvent::default()
            }),
            Event::DeviceRetired { device, note, revoked } => Self::DeviceRetired(proto::DeviceEvent {
                device: device.to_string(),
                note: note.clone(),
                revoked: revocation::records(revoked),
                ..proto::DeviceEvent::default()
            }),
            // As versions before these words wrote it.
            Event::ReworkAllowed { device, reason, operator } if reason.is_empty() && operator.is_empty() => {
                Self::ReworkAllowed(device.to_string())
            }
            Event::ReworkAllowed { device, reason, operator } => Self::ReworkOrdered(proto::Unit {
                device: device.to_string(),
                reason: reason.clone(),
                operator: operator.clone(),
                ..proto::Unit::default()
            }),
            Event::RotationRequested(terms) => Self::RotationRequested(proto::RotationRequested {
                selection: Some((&terms.selection).into()),
                spread_ms: u64::try_from(terms.spread.as_millis()).unwrap_or(u64::MAX),
                reason: terms.reason.clone(),
                until_ms: milliseconds(terms.until),
            }),
            Event::RevocationFinished(job) => Self::RevocationFinished(job.0),
        }
    }
}

/// What happened; `None`: a field does not hold what it must.
#[expect(clippy::too_many_lines, reason = "a table: one arm for each kind of event")]
pub(super) fn of(record: Record) -> Option<Event> {
    Some(match record {
        Record::IssuerInstalled(record) => Event::IssuerInstalled {
            issuer: certificate::issuer_of(record.subject_issuer)?,
            certificate: record.certificate()?,
        },
        Record::DocumentSignerInstalled(record) => {
            Event::DocumentSignerInstalled { certificate: record.certificate()? }
        }
        Record::WorkOrderCreated(record) => {
            Event::WorkOrderCreated { work_order: WorkOrderId(record.work_order), terms: record.terms()? }
        }
        Record::ManifestPart(record) => Event::ManifestPart {
            work_order: WorkOrderId(record.work_order),
            serials: Arc::new(SerialPart::of_rising(&device_serials(&record.serials)?)?),
            last: record.last,
        },
        Record::WorkOrderPaused(id) => Event::WorkOrderPaused(WorkOrderId(id)),
        Record::WorkOrderResumed(id) => Event::WorkOrderResumed(WorkOrderId(id)),
        Record::WorkOrderClosed(id) => Event::WorkOrderClosed(WorkOrderId(id)),
        Record::UnitsReserved(record) => Event::UnitsReserved {
            work_order: WorkOrderId(record.work_order),
            reservation: ReservationId(record.reservation),
            serials: device_serials(&record.serials)?,
            ends_at: time(record.ends_at_ms)?,
            passed: match record.passed.as_str() {
                "" => None,
                serial => Some(serial.parse().ok()?),
            },
        },
        Record::UnitsReturned(record) => Event::UnitsReturned {
            reservation: ReservationId(record.reservation),
            serials: device_serials(&record.serials)?,
        },
        Record::ReservationWithdrawn(record) => Event::ReservationWithdrawn {
            reservation: ReservationId(record.reservation),
            serials: device_serials(&record.serials)?,
        },
        Record::DeferralRefused(record) => record.event()?,
        Record::BirthIssued(record) => Event::BirthIssued {
            work_order: WorkOrderId(record.work_order),
            device: record.holder.parse().ok()?,
            made_at: optional_time(record.made_at_ms)?,
            replaces: revocation::revoked_certificates(&record.replaces)?,
            shift: record.shift.clone(),
            operator: record.operator.clone(),
            traces: record.traces()?,
            certificate: record.certificate()?,
        },
        Record::ProductPaused(product) => Event::ProductPaused(product.parse().ok()?),
        Record::ProductResumed(record) => {
            Event::ProductResumed { product: record.product.parse().ok()?, pause: EntryNumber(record.pause) }
        }
        Record::UnitConfirmed(record) => Event::UnitConfirmed {
            work_order: WorkOrderId(record.work_order),
            device: record.device.parse().ok()?,
            serial_number: serial_number(&record.serial_number)?,
        },
        Record::UnitScrapped(record) => Event::UnitScrapped {
            work_order: WorkOrderId(record.work_order),
            device: record.device.parse().ok()?,
            reason: record.reason,
            revoked: revocation::revoked_certificates(&record.revoked)?,
            operator: record.operator,
        },
        Record::UnitGivenUp(record) => Event::UnitGivenUp {
            work_order: WorkOrderId(record.work_order),
            device: record.device.parse().ok()?,
            reason: record.reason,
            operator: record.operator,
        },
        Record::OperationalIssued(record) => Event::OperationalIssued {
            device: record.holder.parse::<DeviceId>().ok()?,
            parent: serial_number(&record.parent)?,
            certificate: record.certificate()?,
        },
        Record::InstallConfirmed(record) => Event::InstallConfirmed {
            device: record.device.parse().ok()?,
            serial_number: serial_number(&record.serial_number)?,
            revoked: revocation::revoked_certificates(&record.revoked)?,
            parent_ends: optional_time(record.parent_ends_ms)?,
        },
        Record::CredentialIssued(record) => {
            let Principal::Named { role, name } = record.holder.parse().ok()? else { return None };
            Event::CredentialIssued { role, name, certificate: record.certificate()? }
        }
        Record::PrincipalRevoked(record) => {
            let Principal::Named { role, name } = record.principal.parse().ok()? else { return None };
            Event::PrincipalRevoked {
                role,
                name,
                reason: RevocationReason::from_code(u8::try_from(record.reason).ok()?)?,
                revoked: revocation::revoked_certificates(&record.revoked)?,
            }
        }
        Record::ForkDetected(record) => record.fork()?,
        Record::DuplicateRefused(record) => record.duplicate()?,
        Record::CertificatesRevoked(record) => record.event()?,
        Record::RevocationBegun(record) => record.event()?,
        Record::RevocationFinished(job) => Event::RevocationFinished(JobId(job)),
        Record::DeviceHeld(record) => record.held()?,
        Record::DeviceReleased(record) => record.released()?,
        Record::DeviceRetired(record) => record.retired()?,
        Record::ReworkAllowed(device) => Event::ReworkAllowed {
            device: device.parse().ok()?,
            reason: String::new(),
            operator: String::new(),
        },
        Record::ReworkOrdered(record) => Event::ReworkAllowed {
            device: record.device.parse().ok()?,
            reason: record.reason,
            operator: record.operator,
        },
        Record::RotationRequested(record) => record.event()?,
        Record::TimeConfirmed(record) => Event::TimeConfirmed(time(record.before_ms)?),
    })
}

fn texts(serials: &[DeviceSerial]) -> Vec<String> {
    serials.iter().map(ToString::to_string).collect()
}

fn device_serials(texts: &[String]) -> Option<Vec<DeviceSerial>> {
    texts.iter().map(|text| text.parse().ok()).collect()
}

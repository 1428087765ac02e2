//! The rules of what may happen: commands in, entries or conflicts out. Pure: no I/O, no clock, no store.
//!
//! [`decide`] is the only place that knows quota, uniqueness, lifecycle, lineage and idempotency. What it
//! accepts becomes an [`Entry`]; everything else is derived from entries.

mod alarm;
mod command;
mod conflict;
mod decide;
mod deferral;
mod effects;
mod entry;
mod intent;
mod overlay;
mod product;
mod reservation;
mod revocation;
mod selection;
mod serial_list;
mod serials;
mod trace;
mod view;
mod work_order;

pub use alarm::{ALARMS_A_DAY_MAX, AlarmFacts, AlarmKind, AlarmPair, Clash};
pub use command::{Action, AfterRenewal, Command, SignedCertificate};
pub use conflict::Conflict;
pub use decide::{Decision, PreflightDecision, UNCONFIRMED_MAX, answered, decide, preflight};
pub use deferral::{CLOCK_TOLERANCE, RefusedDeferral, UnitFlaw};
pub use effects::{DeviceChange, DeviceFlags, Effect, StatusChange, effects};
pub use entry::{Entry, EntryNumber, Event, Revoked, RevokedCertificate};
pub use intent::{Intent, IssuanceSubject};
pub use overlay::{EmptyView, Overlay};
pub use product::{PauseFacts, ProductFacts};
pub use reservation::{
    RESERVED_UNITS_MAX, ReservationChange, ReservationFacts, ReservationId, ReservationIdError,
    ReservationState, ReservedUnit, ReservedUnitState, UnitsWanted,
};
pub use revocation::{
    JobFacts, JobId, JobIdError, REVOKE_MAX, ROTATIONS_MAX, RevocationTerms, RotationFacts, RotationTerms,
};
pub use selection::{Candidate, Selection};
pub use serial_list::{ManifestOutline, SerialList, SerialPart};
pub use serials::Serials;
pub use trace::Trace;
pub use view::{
    CertificateFacts, CertificateStatus, DeviceFacts, DeviceState, HoldFacts, Holder, PrincipalFacts,
    RequestFacts, View, ViewFault, WorkOrderFacts,
};
pub use work_order::{
    INCOMPLETE_ORDERS_MAX, MANIFEST_PART_SERIALS_MAX, MANIFEST_PARTS_SERIALS_MAX, MANIFEST_SERIALS_MAX,
    QUANTITY_MAX, STATIONS_MAX, TermsRefusal, WorkOrderCounts, WorkOrderId, WorkOrderIdError, WorkOrderState,
    WorkOrderTerms,
};

//! The rules of what may happen: commands in, entries or conflicts out. Pure: no I/O, no clock, no store.
//!
//! [`decide`] is the only place that knows quota, uniqueness, lifecycle, lineage and idempotency (DESIGN 4.2). What it accepts
//! becomes an [`Entry`]; everything else is derived from entries.

mod command;
mod conflict;
mod entry;
mod serials;
mod work_order;

pub use command::{Action, Command, SignedCertificate};
pub use conflict::Conflict;
pub use entry::{Entry, EntryNumber, Event};
pub use serials::{SerialPattern, SerialPatternError, Serials};
pub use work_order::{WorkOrderCounts, WorkOrderId, WorkOrderIdError, WorkOrderState, WorkOrderTerms};

//! What the rest of the CA asks of a store: three narrow contracts.
//!
//! What holds for all of them: any number of callers may race, in any number of processes over one log.
//! Futures may be dropped at any time. *As of now* means: as of the last entry that this process has applied
//! ([`Status::follow`]), which is not before any commit of this process that returned. Every method fails
//! with the errors of [`crate::StoreError`]; an answer is never made up.

mod ledger;
mod listings;
mod status;

pub use self::ledger::{Ledger, StoreMetrics};
pub use listings::{DeviceFilter, Listings, ReservationFilter, Unaccounted};
pub use status::Status;

/// All three contracts of one store.
pub trait Store: Ledger + Status + Listings {}

impl<S: Ledger + Status + Listings> Store for S {}

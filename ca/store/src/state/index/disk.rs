//! The part of the index that lies on disk: files that are written once, made durable, and never changed.
//! All of it is derived from the ledger: a file that is damaged or missing costs a rebuild at the next start.

mod blocks;
mod column;
mod directory;
mod expiries;
mod filter;
mod merge;
pub(super) mod numbers;
mod run;
mod table;

pub(super) use blocks::{BlockWriter, Blocks};
pub(super) use column::{Column, ColumnFile, Frozen, Record};
pub(in crate::state) use directory::IndexDirectory;
pub(super) use directory::Kind;
pub(in crate::state) use expiries::Expiry;
pub(super) use expiries::{Expiries, ExpiryFile};
pub(super) use run::Run;
pub(in crate::state) use run::WriteError;
pub(super) use table::{Hash, Recent, Table};

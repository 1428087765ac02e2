//! Proofs that the ledger was not changed: signed checkpoints, and the command that holds the ledger against
//! them.

mod checkpoints;
mod verify;

pub use crate::open::LedgerKeyError;
pub use checkpoints::Checkpoints;
pub(crate) use verify::signed_checkpoint;
pub use verify::{Proof, VerifyError, public_key, public_key_of, verify_ledger, verify_with_progress};

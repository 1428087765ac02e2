//! How a device calls its CA: one mutually authenticated connection, checked answers, retries.

mod alert;
pub(crate) mod answer;
mod bare_key;
mod client_identity;
pub(crate) mod connection;
mod error;
mod refusal;
pub(crate) mod retry;
mod run;
mod server;
mod verifier;

pub use error::{Disposition, ObtainError};
pub use refusal::Refusal;
pub use retry::RetryPolicy;
pub use server::Server;

pub(crate) use client_identity::ClientIdentity;
pub(crate) use run::{ProofCall, Run};

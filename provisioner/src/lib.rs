//! The factory station: takes units from the line, gives each its birth certificate, and proves that it has it.

pub mod journal;
pub mod link;
pub mod session;
pub mod wire;

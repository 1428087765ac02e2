//! The factory station: takes units from the line, gives each its birth certificate, and proves that it has it.

pub mod arguments;
pub mod ca;
pub mod command;
pub mod config;
pub mod console;
pub mod journal;
pub mod line;
pub mod link;
pub mod progress;
pub mod report;
pub mod session;
pub mod slot;
pub mod units;
pub mod wire;

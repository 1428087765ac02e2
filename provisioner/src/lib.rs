//! The factory station as a library: gives each unit of a line its birth certificate, and verifies it.

mod arguments;
mod ca;
mod command;
mod config;
mod console;
mod crew;
mod doctor;
mod journal;
mod labels;
mod line;
mod link;
mod metrics;
mod mode;
mod offline;
mod on_fail;
mod progress;
mod reconcile;
mod report;
mod scan;
mod screen;
mod session;
mod slot;
mod stock;
mod units;
mod wire;

pub use arguments::{Arguments, PROGRAM};
pub use command::run;
pub use console::Console;
pub use scan::count_scans;
pub use session::{anchors_digest, read_back_message};
pub use wire::is_device_message;

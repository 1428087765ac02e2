//! Serial numbers that people scan: bytes become scans, a scan becomes a unit on a slot.

mod desk;
mod input;
mod keyboard;
mod reader;
mod scanner;
mod slot_codes;

pub(crate) use desk::{Bench, Decision, Desk};
pub(crate) use input::{Chunk, Input};
pub(crate) use keyboard::{Keyboard, flush_keyboard, is_at_the_keyboard};
pub(crate) use reader::{Scan, ScanReader};
pub(crate) use scanner::ScannerPort;
pub(crate) use slot_codes::SlotCodes;

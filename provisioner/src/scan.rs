//! Serial numbers that people scan: bytes become scans, a scan becomes a unit on a slot.

mod desk;
mod input;
mod keyboard;
mod reader;
mod scanner;
mod slot_codes;

use tokio::time::Instant;

pub(crate) use desk::{Bench, Decision, Desk};
pub(crate) use input::{Chunk, Input};
pub(crate) use keyboard::{Keyboard, flush_keyboard, is_at_the_keyboard};
pub(crate) use reader::{Scan, ScanReader};
pub(crate) use scanner::ScannerPort;
pub(crate) use slot_codes::SlotCodes;

/// How many codes are scanned when these bytes come at once, from a keyboard or a scanner.
pub fn count_scans(bytes: &[u8], is_keyboard: bool) -> usize {
    let codes = SlotCodes::default();
    let scans = ScanReader::new(is_keyboard).push(bytes, Instant::now());
    let is_unit = |scan: &Scan| matches!(scan, Scan::Code(code) if codes.slot(code).is_none());
    scans.iter().filter(|scan| is_unit(scan)).count()
}

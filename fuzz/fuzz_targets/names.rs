//! Parsed names print as text that parses to the same name.
#![no_main]

use std::fmt::Display;
use std::str::FromStr;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    same::<identity::DeviceId>(text);
    same::<identity::Principal>(text);
    same::<identity::SerialNumber>(text);
    same::<ledger::WorkOrderId>(text);
    same::<ledger::JobId>(text);
    same::<authority::FeedCursor>(text);
    same::<store::Cursor>(text);
});

fn same<T: FromStr + Display + PartialEq>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert!(value.to_string().parse::<T>().is_ok_and(|again| again == value), "{text:?}");
    }
}

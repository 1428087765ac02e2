//! A number with its noun.

/// A number with its noun, for example `1 device` or `12 devices`. The plural is formed with `s`.
#[must_use]
pub fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

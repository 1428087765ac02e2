#![no_main]

use identity::SerialPattern;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(pattern) = text.parse::<SerialPattern>() else { return };
    let first = pattern.nth(0).expect("a pattern has one serial at least");
    assert!(pattern.contains(&first), "{text}");
    assert_eq!(pattern.to_string().parse(), Ok(pattern), "{text}");
});

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(list) = issuance::CrlSummary::from_der(bytes) {
        let (from, length) = list.entries;
        assert!(bytes.get(from..from + length).is_some(), "entries outside the list");
    }
});

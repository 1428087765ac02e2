#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(record) = agent::state::Record::from_json(bytes) {
        let written = record.to_json().expect("what was read can be written");
        assert!(agent::state::Record::from_json(&written).is_ok(), "and be read again");
    }
});

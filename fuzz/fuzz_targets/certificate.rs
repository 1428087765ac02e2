#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| drop(issuance::Certificate::from_der(bytes)));

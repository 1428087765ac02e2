#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| drop(issuance::OcspRequest::from_der(bytes)));

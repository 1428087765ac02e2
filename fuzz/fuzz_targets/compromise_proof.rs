#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| drop(identity::CompromiseProof::from_der(bytes)));

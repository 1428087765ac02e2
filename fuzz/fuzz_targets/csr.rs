#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| drop(identity::Csr::from_der(bytes)));

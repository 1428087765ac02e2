#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| drop(agent::certificate::Certificate::from_der(bytes.to_vec())));

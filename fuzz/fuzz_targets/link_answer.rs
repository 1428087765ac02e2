#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| drop(provisioner::wire::decode_answer(bytes)));

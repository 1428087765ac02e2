#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| link::Decoder::new().push(bytes).for_each(drop));

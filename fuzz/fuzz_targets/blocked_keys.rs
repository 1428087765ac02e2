#![no_main]

libfuzzer_sys::fuzz_target!(|list: &str| drop(issuance::BlockedKeys::with_list(list)));

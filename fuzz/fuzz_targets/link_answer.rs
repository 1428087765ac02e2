#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| { provisioner::is_device_message(bytes); });

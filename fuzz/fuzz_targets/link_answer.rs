#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| _ = provisioner::is_device_message(bytes));

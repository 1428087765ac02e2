#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for is_keyboard in [false, true] {
        let units = provisioner::count_scans(bytes, is_keyboard);
        // A person scans no faster, and each scan has its Enter.
        assert!(units <= 20);
        assert!(units <= bytes.iter().filter(|byte| matches!(byte, b'\r' | b'\n')).count());
    }
});

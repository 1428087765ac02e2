#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(certificate) = issuance::Certificate::from_der(bytes) {
        assert_eq!(certificate.der(), bytes);
    }
});

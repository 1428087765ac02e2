#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(product) = "cam-2".parse() else { return };
    drop(provisioner::units::read_list(bytes, &product, |_| Ok(())));
});

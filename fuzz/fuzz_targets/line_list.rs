#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(product) = "cam-2".parse() else { return };
    drop(lists::read(bytes, &product, None));
    drop(lists::read(bytes, &product, Some("number")));
});

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(product) = "cam-2".parse() else { return };
    drop(lists::read(bytes, &product, None));
    drop(lists::read(bytes, &product, Some("number")));
    let mut reader = lists::RowReader::new(product.clone(), None);
    for line in bytes.split(|byte| *byte == b'\n') {
        drop(reader.line(line));
    }
});

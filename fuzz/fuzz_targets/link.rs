#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    link::Decoder::new().push(bytes).for_each(drop);
    // A frame is decoded after any noise.
    if let Ok(frame) = link::encode(bytes) {
        let mut decoder = link::Decoder::new();
        decoder.push(bytes).for_each(drop);
        let last = decoder.push(&[&[0], &frame[..]].concat()).last();
        assert_eq!(last.and_then(Result::ok).as_deref(), Some(bytes));
    }
});
